"""Does it pay to recommend on clusters of duplicates? MovieLens-100k sold under several names.

Every film becomes one to six listings with names as shops would write them (word order, a typo, a missing word, an
edition); every rating falls on one of its film's listings. The listings are clustered by their names alone
(:mod:`features.catalogue`), and three models learn: from listings, from the clusters found, and from the films (the
truth, which no shop has). All are judged alike: top 10 of what the customer did not have, a listing being right if its
film was taken. On listings, a list may name one film twice; on clusters it is expanded to the listing most in demand.
"""

from __future__ import annotations

import argparse

import numpy as np
import pandas as pd
import pyarrow as pa
from scipy import sparse

from bench.inputs.data_folder import DATA
from bench.measures.splits import stratified
from bench.measures.top_lists import top_lists
from bench.peers.ease import ease
from bench.peers.frequency import popularity
from bench.peers.history import History, history
from bench.peers.neighbours import item_neighbours
from bench.peers.recommender import Recommender
from features.catalogue.titles import CatalogueConfig, cluster
from training.evaluation.full_ranking import list_metrics, ones
from training.evaluation.metrics import paired_bootstrap

FOLDER = DATA / "ratings" / "ml-100k"
K, PENALTY = 10, 300
EDITIONS = ("dvd", "new", "movie", "film dvd", "")


def listings(titles: list[str], most: int, seed: int) -> tuple[list[str], np.ndarray]:
    """Return the names of listings and the film of each; a film has 1 to ``most``."""
    rng = np.random.default_rng(seed)
    names, film = [], []
    for number, title in enumerate(titles):
        for copy in range(int(rng.integers(1, most + 1))):
            names.append(title if copy == 0 else _rewritten(title, rng))
            film.append(number)
    return names, np.array(film)


def _rewritten(title: str, rng: np.random.Generator) -> str:
    """Write a name as another shop would."""
    words = title.lower().split()
    if len(words) > 2 and rng.random() < 0.3:
        words = [words[-1], *words[:-1]]
    if len(words) > 3 and rng.random() < 0.25:
        words.pop(int(rng.integers(len(words) - 1)))
    long = [place for place, word in enumerate(words) if len(word) >= 6 and word.isalpha()]
    if long and rng.random() < 0.3:
        place = long[int(rng.integers(len(long)))]
        at = int(rng.integers(1, len(words[place]) - 2))
        word = words[place]
        words[place] = word[:at] + word[at + 1] + word[at] + word[at + 2 :]
    return " ".join([*words, EDITIONS[int(rng.integers(len(EDITIONS)))]]).strip()


def learnt(user: np.ndarray, item: np.ndarray, shape: tuple[int, int]) -> dict[str, Recommender]:
    """Fit the models on ratings without time."""
    none = np.zeros(len(user), dtype=int)
    past: History = history(user, item, none, np.arange(len(user)), 0, shape)
    return {
        "popularity": popularity(past, None),
        "item-kNN": item_neighbours(past, 100),
        "EASE": ease(past, PENALTY, most_items=shape[1], binary=True),
    }


def judged(lists: np.ndarray, truth: sparse.csr_matrix, users: np.ndarray) -> pd.Series:
    """Return NDCG per user; a film that stands in a list a second time is wrong there."""
    for row in lists:
        seen: set[int] = set()
        for place, film in enumerate(row):
            if film in seen:
                row[place] = -1
            seen.add(int(film))
    return list_metrics(lists, truth[users])["ndcg"]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--most", type=int, default=6, help="listings of a film at most")
    arguments = parser.parse_args()
    if not FOLDER.is_dir():
        print(f"skipped: no data at {FOLDER}; set NBO_DATA")
        return
    ratings = pd.read_csv(FOLDER / "ml-100k.inter.gz", sep="\t", header=0, names=["user", "film", "rating", "time"])
    films = pd.read_csv(FOLDER / "ml-100k.item", sep="\t", header=0, names=["film", "title", "year", "class"])
    films["full"] = films["title"] + " " + films["year"].fillna("").astype(str)
    titles = films.set_index("film")["full"].reindex(sorted(ratings["film"].unique())).fillna("").tolist()
    user, film = (np.unique(ratings[name], return_inverse=True)[1] for name in ("user", "film"))
    names, of_film = listings(titles, arguments.most, 1)
    rng = np.random.default_rng(2)
    first, size = np.searchsorted(of_film, film), np.bincount(of_film)[film]
    listing = first + (rng.random(len(film)) ** 1.5 * size).astype(int)  # some names sell better than others
    glued = cluster(pa.array(names), CatalogueConfig())
    unnamed = glued.centres == 0  # too light to name a product: each is its own cluster
    keys = np.where(unnamed, np.arange(len(names), dtype="uint64"), glued.centres)
    clusters = np.unique(np.stack([unnamed, keys]), axis=1, return_inverse=True)[1].ravel()
    both, true, said = (_pairs(keys) for keys in ((of_film, clusters), (of_film,), (clusters,)))
    print(f"{len(titles):,} films, {len(names):,} listings, {clusters.max() + 1:,} clusters found; pair precision "
          f"{both / max(said, 1):.3f}, recall {both / max(true, 1):.3f}")  # fmt: skip
    compare(user, film, listing, of_film, clusters)


def compare(user: np.ndarray, film: np.ndarray, listing: np.ndarray, of_film: np.ndarray, cluster: np.ndarray) -> None:
    """Print NDCG of each model by what it learnt from."""
    learn = stratified(user, 0.75, 42)
    users, films = int(user.max()) + 1, int(film.max()) + 1
    truth = ones(user[~learn], film[~learn], (users, films))
    asked = np.flatnonzero(np.diff(truth.indptr) > 0)
    demand = np.bincount(listing[learn], minlength=len(of_film))
    shown = pd.DataFrame({"cluster": cluster, "demand": -demand, "film": of_film}).sort_values(["cluster", "demand"])
    film_of_cluster = shown.drop_duplicates("cluster")["film"].to_numpy()
    ways = {
        "listings": (listing, of_film), "clusters found": (cluster[listing], film_of_cluster),
        "films (truth)": (film, np.arange(films)),
    }  # fmt: skip
    table: dict[str, dict[str, pd.Series]] = {}
    for way, (item, names_film) in ways.items():
        shape = (users, len(names_film))
        past = ones(user[learn], item[learn], shape)
        for name, model in learnt(user[learn], item[learn], shape).items():
            lists = top_lists(model, asked, K, past)
            lists = np.where(lists >= 0, names_film[np.maximum(lists, 0)], -1)
            table.setdefault(name, {})[way] = judged(lists, truth, asked)
    for name, row in table.items():
        line = "  ".join(f"{way} {value.mean():.4f}" for way, value in row.items())
        over = paired_bootstrap(row["clusters found"], row["listings"], 1000, 1)
        gain = f"{over.value:+.4f} [{over.low:+.4f}, {over.high:+.4f}]"
        print(f"  {name:<12} NDCG@{K}: {line}  clusters over listings {gain}", flush=True)


def _pairs(keys: tuple[np.ndarray, ...]) -> int:
    size = pd.DataFrame({str(n): key for n, key in enumerate(keys)}).groupby([str(n) for n in range(len(keys))]).size()
    return int((size * (size - 1) // 2).sum())


if __name__ == "__main__":
    main()
