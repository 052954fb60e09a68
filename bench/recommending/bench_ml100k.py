"""MovieLens 100k on published protocols: every rating is a hit, all films but those to learn from are ranked, NDCG@10.

The first is that of Microsoft Recommenders: 75 % of each user's ratings at random, seed 42. It has no neighbourhoods of
users; its SAR is one of items. The second is 80 % of all ratings at random, for which neighbourhoods of both kinds are
published; those splits cannot be drawn again, so ours are three others, and popularity tells how far they are alike.
All settings are chosen within the ratings to learn from, on random quarters or fifths of them.

Published: the table of Microsoft Recommenders' README; README of yng87/Recommenders.jl (item neighbourhoods tuned on a
validation part; matrix factorization is implicit ALS); README of Burton-David/Recommender-Systems (20 neighbours).
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
import pandas as pd
from scipy import sparse

from bench.inputs.data_folder import DATA
from bench.measures.splits import stratified
from bench.measures.top_lists import top_lists
from bench.peers.als import FactorsConfig, als
from bench.peers.ease import ease
from bench.peers.frequency import popularity
from bench.peers.history import History, history
from bench.peers.neighbours import item_neighbours, user_neighbours
from bench.peers.recommender import Recommender
from training.evaluation.full_ranking import list_metrics, ones
from training.evaluation.metrics import paired_bootstrap

FILE = DATA / "ratings" / "ml-100k" / "ml-100k.inter.gz"
BEST = "ALS"
#: NDCG@10 by our model: who published it
STRATIFIED: dict[str, dict[str, float]] = {
    "item-kNN": {"SAR": 0.3825},
    "ALS": {"BPR": 0.4420},
    "EASE": {"BiVAE": 0.4751},
}
RANDOM: dict[str, dict[str, float]] = {
    "popularity": {"Recommenders.jl": 0.2197, "Recommender-Systems": 0.2184},
    "item-kNN": {"Recommenders.jl": 0.3986, "Recommender-Systems": 0.3833},
    "user-kNN": {"Recommender-Systems": 0.3856},
    "ALS": {"Recommenders.jl": 0.4402},
    "EASE": {"Recommenders.jl, SLIM": 0.4359},
}
Fit = Callable[[History], Recommender]


def tries() -> dict[str, dict[str, Fit]]:
    """Return the settings of each model that are tried."""
    sizes = (20, 50, 100, 200, 400, 800)
    factors = {
        f"{size} factors, alpha {alpha:g}, penalty {value:g}": FactorsConfig(size, regularization=value, alpha=alpha)
        for size, alpha, value in product((32, 64, 128), (1.0, 4.0, 10.0), (10.0, 30.0, 100.0))
    }
    return {
        "popularity": {"": lambda past: popularity(past, None)},
        "item-kNN": {
            f"{size} neighbours, fewer {power:g}, rare {rare}": (
                lambda past, n=size, p=power, r=rare: item_neighbours(past, n, fewer=p, rare=r)
            )
            for size, (power, rare) in product(sizes[2:], ((0.0, True), (0.0, False), (0.5, False), (1.0, False)))
        },
        "user-kNN": {f"{size} neighbours": lambda past, n=size: user_neighbours(past, n) for size in sizes},
        "ALS": {name: lambda past, c=config: als(past, c) for name, config in factors.items()},
        "EASE": {
            f"penalty {value}": lambda past, p=value: ease(past, p, binary=True) for value in (100, 200, 300, 500, 800)
        },
    }  # type: ignore[return-value]


def random(user: np.ndarray, share: float, seed: int) -> np.ndarray:
    """Choose ``share`` of all rows at random: (n,) boolean."""
    return np.random.default_rng(seed).permutation(len(user)) < round(share * len(user))


@dataclass(frozen=True)
class Protocol:
    """How ratings are cut, again and again for settings, and what others reached so."""

    split: Callable[[np.ndarray, float, int], np.ndarray]
    share: float
    validations: int
    published: dict[str, dict[str, float]]

    def run(self, user: np.ndarray, item: np.ndarray, learn: list[np.ndarray], models: Sequence[str]) -> None:
        """Print the means over some splits (boolean rows to learn from), each with settings of its own."""
        wanted = {name: settings for name, settings in tries().items() if name in models}
        judged: dict[str, list[pd.DataFrame]] = {name: [] for name in wanted}
        for rows in learn:
            parts = [
                _cut(user[rows], item[rows], self.split(user[rows], self.share, n)) for n in range(self.validations)
            ]
            past, truth = _cut(user, item, rows)
            for name, settings in wanted.items():
                judged[name].append(_judge(settings[_best(name, settings, parts)](past), past, truth))
        for name, frames in judged.items():
            means = pd.concat(frames).mean()
            line = "  ".join(f"{metric} {means[metric]:.4f}" for metric in ("ndcg", "map", "precision", "recall"))
            published = "; ".join(f"{who} {value:.4f}" for who, value in self.published.get(name, {}).items())
            print(f"  {name:<12} @10: {line}  published: {published or 'none found'}")
        for other in [name for name in judged if name != BEST and BEST in judged and len(learn) == 1]:
            over = paired_bootstrap(judged[BEST][0]["ndcg"], judged[other][0]["ndcg"], 1000, 1)
            print(f"  {BEST} over {other}: {over.value:+.4f} [{over.low:+.4f}, {over.high:+.4f}]")


def _best(name: str, settings: dict[str, Fit], parts: list[tuple[History, sparse.csr_matrix]]) -> str:
    """Return the settings that are best on the validation parts."""
    if len(settings) == 1:
        return next(iter(settings))
    tried = {
        label: float(np.mean([_judge(fit(past), past, truth)["ndcg"].mean() for past, truth in parts]))
        for label, fit in settings.items()
    }
    three = sorted(tried.items(), key=lambda pair: -pair[1])[:3]
    line = "; ".join(f"{label} {value:.4f}" for label, value in three)
    print(f"  {name}, validation, the best three of {len(tried)}: {line}", flush=True)
    return three[0][0]


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", nargs="*", choices=list(tries()), default=list(tries()))
    models = parser.parse_args().models
    if not FILE.is_file():
        print(f"skipped: no data at {FILE}; set NBO_DATA")
        return
    ratings = pd.read_csv(FILE, sep="\t", header=0, names=["user", "item", "rating", "time"])
    user, item = (np.unique(ratings[name], return_inverse=True)[1] for name in ("user", "item"))
    print(f"{len(ratings):,} ratings\n75 % of each user's ratings, seed 42")
    Protocol(stratified, 0.75, 3, STRATIFIED).run(user, item, [stratified(user, 0.75, 42)], models)
    print("80 % of all ratings at random, mean of three splits")
    Protocol(random, 0.8, 1, RANDOM).run(user, item, [random(user, 0.8, seed) for seed in range(3)], models)


def _cut(user: np.ndarray, item: np.ndarray, learn: np.ndarray) -> tuple[History, sparse.csr_matrix]:
    shape, day = (user.max() + 1, item.max() + 1), np.zeros(len(user), dtype=int)
    past = history(user[learn], item[learn], day[learn], np.arange(len(user))[learn], 0, shape)
    return past, ones(user[~learn], item[~learn], shape)


def _judge(model: Recommender, past: History, truth: sparse.csr_matrix) -> pd.DataFrame:
    users = np.flatnonzero(np.diff(truth.indptr) > 0)
    return list_metrics(top_lists(model, users, 10, past.counts()), truth[users])


if __name__ == "__main__":
    main()
