"""What the night's complements are worth in the baskets after it: product types and products, against other lists.

The Complete Journey. Complements are counted by the night's kernel and settings in the 365 days up to a day, and
judged on the baskets of the 28 days after it: one item of a basket is known, lists of 5 and 10 others are held against
the rest. In which order the night's neighbours are listed was free: the best on 2017-09-10 is reported on three later
days. Beside it stand the best-sellers by baskets and what the customer buys most; then the same for what the
customer never bought. Intervals are of customers, resampled with all baskets and days of a customer.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable

import numpy as np
import pandas as pd
from scipy import sparse

from bench.inputs.complete_journey import Journey, day_of, journey
from bench.measures.top_lists import top_lists
from bench.peers.basket_lift import Baskets, first_of, resampled, without_anchor
from bench.peers.frequency import personal_frequency
from bench.peers.history import History, history
from bench.peers.recommender import Recommender
from bench.recommending.bench_offer_lists import neighbours
from features.items.bought_together import TYPES
from features.items.nearest import NearestConfig
from features.items.product_neighbours import TOGETHER

HORIZON, LONGEST = 28, 10
CHOSEN_ON, REPORTED = "2017-09-10", ("2017-10-08", "2017-11-05", "2017-12-03")
POPULAR, PERSONAL = "best-sellers", "personal frequency"
Lists = Callable[[np.ndarray, np.ndarray], np.ndarray]


class LiftWindow:
    """What was known on a day, and the baskets after it."""

    def __init__(self, data: Journey, day: str, config: NearestConfig) -> None:
        """Count neighbours up to the day and lay out the baskets after it."""
        as_of = day_of(day)
        self.past: History = history(data.user, data.item, data.day, data.basket, as_of, data.shape)
        seen = data.day <= as_of
        llr, confidence = (
            neighbours(data.basket[seen], data.item[seen], data.shape[1], config, score)
            for score in ("score", "confidence")
        )
        share = np.bincount(data.item[seen], minlength=data.shape[1])
        self.orders = {
            "llr": llr,
            "confidence": confidence,
            "lift": (confidence @ sparse.diags(1 / np.maximum(share, 1))).tocsr(),
        }
        self.had = (self.past.counts() > 0).astype("float32").tocsr()
        recent = self.past.age < 84
        often = np.bincount(self.past.item[recent], minlength=data.shape[1]).astype("float32")
        self.popular = Recommender(POPULAR, np.ones((data.shape[0], 1), "float32"), often[None])
        self.baskets, self.customers = _window(data, as_of)

    def complements(self, order: str) -> np.ndarray:
        """Return the neighbours (i, n) of each item, the best first, those that meet more often than by chance."""
        scores, strong = self.orders[order], self.orders["llr"] > 0
        scores = scores.multiply(strong).tocsr()
        longest = int(np.diff(scores.indptr).max(initial=LONGEST + 1))
        rows = np.repeat(np.arange(scores.shape[0]), np.diff(scores.indptr))
        best = np.lexsort((scores.indices, -scores.data, rows))
        lists = np.full((scores.shape[0], longest), -1)
        lists[rows, np.arange(len(rows)) - scores.indptr[rows]] = scores.indices[best]
        return lists

    def lists(self, order: str, new: bool, k: int) -> dict[str, Lists]:
        """Return what is listed for a pair of a basket's customer and an anchor.

        Args:
            order: of the neighbours.
            new: list only what the customer never bought.
            k: length of the lists.
        """
        near = self.complements(order)

        def together(customer: np.ndarray, anchor: np.ndarray) -> np.ndarray:
            lists = near[anchor]
            kept = lists >= 0
            if new:
                rows, columns = np.repeat(customer, lists.shape[1]), np.maximum(lists, 0).ravel()
                kept &= np.asarray(self.had[rows, columns]).reshape(lists.shape) == 0
            return first_of(lists, kept, k)

        def listed(model: Recommender) -> Lists:
            limits = {"excluded": self.had} if new else {}
            best = top_lists(model, self.customers, k + 1, **limits)
            place = np.zeros(self.had.shape[0], dtype=int)
            place[self.customers] = np.arange(len(self.customers))
            return lambda customer, anchor: without_anchor(best[place[customer]], anchor, k)

        by_method = {"complements": together, POPULAR: listed(self.popular)}
        return by_method if new else by_method | {PERSONAL: listed(personal_frequency(self.past))}

    def judged(self, order: str, new: bool, k: int) -> dict[str, pd.DataFrame]:
        """Return the sums per customer of each list."""
        asked = (self.complements(order) >= 0).any(axis=1)
        basket, anchor = self.baskets.pairs(asked)
        customer = self.baskets.customer[basket]
        return {
            name: self.baskets.judged(basket, anchor, make(customer, anchor))
            for name, make in self.lists(order, new, k).items()
        }


def _window(data: Journey, as_of: int) -> tuple[Baskets, np.ndarray]:
    """Return the baskets of the days after ``as_of``, and the customers who buy in them."""
    later = (data.day > as_of) & (data.day <= as_of + HORIZON)
    first, row = np.unique(data.basket[later], return_index=True, return_inverse=True)[1:]
    cells = (data.amount[later], (row, data.item[later]))
    amount = sparse.csr_matrix(cells, shape=(len(first), data.shape[1]))
    customer = data.user[later][first]
    return Baskets(amount, customer), np.unique(customer)


def ratio(top: str, bottom: str) -> Callable[[pd.DataFrame], pd.Series]:
    """Return the ratio of two sums."""
    return lambda sums: sums[top] / sums[bottom]


def bills(part: str) -> Callable[[pd.DataFrame], pd.Series]:
    """Return how many times the mean bill of baskets without a complement that of those with one is."""
    return lambda sums: sums[part] / sums["with"] / (sums["bill_without"] / sums["without"])


FIGURES = {
    "hit share": ratio("hit", "baskets"),
    "lift": ratio("found", "of_all"),
    "lift, size alike": ratio("found", "of_size"),
    "lift, own baskets": ratio("own_found", "own_expected"),
    "bill": bills("bill_with"),
    "bill, the rest of it": bills("rest_with"),
}


def figures(sums: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """Return each list's figures with their intervals."""
    rows = {}
    for name, frame in sums.items():
        intervals = {title: resampled(frame, statistic) for title, statistic in FIGURES.items()}
        rows[name] = {title: f"{one.value:.3f} [{one.low:.3f}, {one.high:.3f}]" for title, one in intervals.items()}
    return pd.DataFrame(rows).T


def report(sums: dict[str, pd.DataFrame]) -> None:
    """Print the figures, and the difference of the shares of baskets with a hit, paired."""
    print(figures(sums).to_string())
    for name in [name for name in sums if name != "complements"]:
        both = sums["complements"][["hit", "baskets"]].assign(other=sums[name]["hit"])
        over = resampled(both, lambda s: (s["hit"] - s["other"]) / s["baskets"])
        print(f"  hit share, complements over {name}: {over.value:+.4f} [{over.low:+.4f}, {over.high:+.4f}]")


def measure(title: str, early: LiftWindow, windows: dict[str, LiftWindow], new: bool) -> None:
    """Print what complements bring of all, or of what is ``new`` to the customer."""
    tried = {order: early.judged(order, new, 5)["complements"] for order in early.orders}
    shares = {order: round(float(sums["hit"].sum() / sums["baskets"].sum()), 4) for order, sums in tried.items()}
    order = max(shares, key=shares.__getitem__)
    title = f"{title}, {'never bought before' if new else 'all'}"
    print(f"\n{title}: hit share at 5 on {CHOSEN_ON} by order {shares}; {order} is taken", flush=True)
    for k in (5, LONGEST):
        judged = {day: window.judged(order, new, k) for day, window in windows.items()}
        for day, sums in judged.items():
            shown = {name: f"{f['hit'].sum() / f['baskets'].sum():.4f}, lift {f['found'].sum() / f['of_all'].sum():.3f}"
                    for name, f in sums.items()}  # fmt: skip
            print(f"  {day}, {k}: {shown}")
        parts = {name: [sums[name] for sums in judged.values()] for name in sums}
        pooled = {name: pd.concat(frames).groupby(level=0).sum() for name, frames in parts.items()}
        print(f"{title}, lists of {k}, {pooled['complements']['baskets'].sum():,.0f} baskets")
        report(pooled)


def main() -> None:
    """Print the tables."""
    argparse.ArgumentParser(description=__doc__).parse_args()
    for title, data, config in (("product types", journey(False), TYPES), ("products", journey(True), TOGETHER)):
        early, *later = (LiftWindow(data, day, config) for day in (CHOSEN_ON, *REPORTED))
        for new in (False, True):
            measure(title, early, dict(zip(REPORTED, later, strict=True)), new)


if __name__ == "__main__":
    main()
