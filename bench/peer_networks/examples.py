"""What the networks over a purchase history eat: earlier states of a history, baskets in order, bags, habits.

u = users, i = items, t = baskets of a sequence, w = items of a basket, l = items of a bag. Items are counted from 1 in
sequences, 0 is nothing. All is cut from a :class:`History` alone, so that a network learns from what was known then.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import sparse

from bench.peers.ease import ease
from bench.peers.history import History
from bench.peers.pair_features import item_habits, user_habits
from training.evaluation.full_ranking import list_metrics, ones
from training.evaluation.top_k import best_columns
from training.next_action.inputs import age_class

#: days after which the freshness of a purchase has fallen to a third
_FRESH = 14.0
#: items of a list by whose NDCG a training stops
_K = 5
#: L2 of the linear item-to-item model
_PENALTY = 1000.0


@dataclass(frozen=True)
class Side:
    """What is known besides the purchases.

    Attributes:
        words: (i, n) int32 numbers of the words of each item's text, from 1; 0 for none.
        people: (u, d) float32 characteristics of users, or d = 0.
        groups: (i, g) int32 numbers of the item's groups (department, category).
    """

    words: np.ndarray
    people: np.ndarray
    groups: np.ndarray


def rewound(past: History, days: int, horizon: int) -> tuple[History, sparse.csr_matrix]:
    """Return the history as it was ``days`` days ago, and what the ``horizon`` days after that brought (u, i)."""
    kept = past.age >= days
    later = (past.age < days) & (past.age >= days - horizon)
    user, back = past.user[kept], past.back[kept]
    newest = np.full(past.shape[0], np.iinfo("int64").max)
    np.minimum.at(newest, user, back)
    before = History(user, past.item[kept], past.age[kept] - days, back - newest[user], past.shape)
    return before, ones(past.user[later], past.item[later], past.shape)


def baskets_of(past: History, length: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    """Return each user's last baskets, the newest last.

    Returns:
        Items from 1 (u, t, w), int32, 0 where there is none; and the age class of each basket (u, t), 0 for none.
    """
    kept = past.back < length
    user, item, age, back = past.user[kept], past.item[kept], past.age[kept], past.back[kept]
    key = user.astype("int64") * length - back  # rises by user and time
    order = np.argsort(key, kind="stable")
    user, item, age, back, key = (values[order] for values in (user, item, age, back, key))
    place = np.arange(len(key)) - np.searchsorted(key, key)
    items = np.zeros((past.shape[0], length, width), dtype="int32")
    ages = np.zeros((past.shape[0], length), dtype="int32")
    fits = place < width
    items[user[fits], length - 1 - back[fits], place[fits]] = item[fits] + 1
    ages[user, length - 1 - back] = age_class(age)
    return items, ages


def bags_of(past: History, length: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the ``length`` items that each user bought last, and what is known of each: often, and how long ago.

    Returns:
        Items from 1 (u, l), int32; and (u, l, 3) float32: 1, log of the baskets, log of the weeks since the last.
    """
    often, last = past.counts(), past.latest()
    for matrix in (often, last):
        matrix.sum_duplicates()
    row = np.repeat(np.arange(past.shape[0]), np.diff(often.indptr))
    order = np.lexsort((often.indices, -often.data, last.data, row))
    row = row[order]
    place = np.arange(len(row)) - np.searchsorted(row, row)
    fits = place < length
    order, row, place = order[fits], row[fits], place[fits]
    items = np.zeros((past.shape[0], length), dtype="int32")
    numbers = np.zeros((past.shape[0], length, 3), dtype="float32")
    items[row, place] = often.indices[order] + 1
    numbers[row, place] = np.column_stack(
        [np.ones(len(row)), np.log(often.data[order]), np.log1p((last.data[order] - 1) / 7)]
    )
    return items, numbers


def habits(past: History, side: Side | None = None) -> np.ndarray:
    """Return the users' side information (u, d), float32: how they shop and who they are; 0 for unknown."""
    columns = np.column_stack(list(user_habits(past).values()))
    scaled = np.nan_to_num(np.arcsinh(columns), nan=0.0, posinf=0.0, neginf=0.0).astype("float32")
    return scaled if side is None else np.hstack([scaled, side.people.astype("float32")])


def kept_users(past: History) -> np.ndarray:
    """Return the rows (n,) of the users with a purchase."""
    return np.unique(past.user)


@dataclass(frozen=True)
class ExampleWindows:
    """The windows a network learns from, rewound from the history's end.

    Attributes:
        horizon: days of a window's labels.
        count: windows.
        step: days from one to the next.
        held_out: the newest window says when to stop and is not learnt from; the others' labels end before it.
    """

    horizon: int = 28
    count: int = 8
    step: int = 14
    held_out: bool = False

    def days(self) -> list[int]:
        """Return how far back each window starts."""
        first = 2 * self.horizon if self.held_out else self.horizon
        return [first + self.step * number for number in range(self.count)]


@dataclass(frozen=True)
class ExampleRows:
    """Examples (n): users as they were at the beginning of a window, and what they bought in it.

    Attributes:
        user: (n,) row of the user.
        numbers: (n, d) of the user.
        baskets: (n, t, w) the last baskets.
        ages: (n, t) their age classes.
        own: (n, i) matrices: logarithms of the baskets with each item, fading slowly, fast, and all; how fresh the
            last is.
        linear: (n, i) float16 scores of a linear item-to-item model, or n x 0.
        trend: (windows, i, f) what is known of the items at the beginning of each window.
        window: (n,) which of them.
        truth: (n, i) what the window brought.
    """

    user: np.ndarray
    numbers: np.ndarray
    baskets: np.ndarray
    ages: np.ndarray
    own: tuple[sparse.csr_matrix, ...]
    linear: np.ndarray
    trend: np.ndarray
    window: np.ndarray
    truth: sparse.csr_matrix

    def __len__(self) -> int:
        """Count the examples."""
        return len(self.user)


@dataclass(frozen=True)
class Shape:
    """How examples are cut: baskets of a sequence, items of a basket, and whether the linear model is asked."""

    baskets: int
    width: int
    linear: bool


def rows_of(past: History, side: Side, shape: Shape, truth: sparse.csr_matrix | None = None) -> ExampleRows:
    """Return an example for every user with a purchase.

    Args:
        past: the history at the beginning of the window.
        side: what is known besides it.
        shape: of the examples.
        truth: (u, i) what the window brought; None: for scoring.
    """
    users = kept_users(past)
    items, ages = baskets_of(past, shape.baskets, shape.width)
    fresh = past.latest()
    fresh.data = np.exp((1 - fresh.data) / _FRESH)
    logs = (matrix.log1p() for matrix in (past.faded(120), past.faded(30), past.counts()))
    own = tuple(matrix.tocsr()[users] for matrix in (*logs, fresh))
    happened = sparse.csr_matrix((len(users), past.shape[1]), dtype="float32") if truth is None else truth[users]
    linear = np.zeros((len(users), 0), dtype="float16")
    if shape.linear:
        linear = ease(past, _PENALTY, binary=True).scores(users).astype("float16")
    window = np.zeros(len(users), dtype="int64")
    return ExampleRows(
        users, habits(past, side)[users], items[users], ages[users], own, linear, trends(past), window, happened
    )


def trends(past: History) -> np.ndarray:
    """Return what is known of each item now (1, i, f), float32: buyers, first-time and repeat buyers, trend."""
    columns = np.column_stack(list(item_habits(past).values()))
    return np.nan_to_num(np.log1p(100 * np.nan_to_num(columns)), posinf=0.0).astype("float32")[None]


def stacked(parts: list[ExampleRows]) -> ExampleRows:
    """Put the examples of several windows under one another."""

    def dense(name: str) -> np.ndarray:
        return np.concatenate([getattr(part, name) for part in parts])

    own = tuple(sparse.vstack(matrices).tocsr() for matrices in zip(*(part.own for part in parts), strict=True))
    window = np.repeat(np.arange(len(parts)), [len(part) for part in parts])
    truth = sparse.vstack([part.truth for part in parts]).tocsr()
    who = dense("user"), dense("numbers"), dense("baskets"), dense("ages")
    return ExampleRows(*who, own, dense("linear"), dense("trend"), window, truth)


def held_out(past: History, windows: ExampleWindows) -> tuple[History, sparse.csr_matrix] | None:
    """Return the history before the held-out window and what that brought (u, i); None where none is held out."""
    return rewound(past, windows.horizon, windows.horizon) if windows.held_out else None


def ndcg(scores: np.ndarray, truth: sparse.csr_matrix, seen: sparse.csr_matrix | None = None) -> float:
    """Return the mean NDCG of the items each row ranks best, by which a training is stopped.

    Args:
        scores: (n, i); those of ``seen`` are overwritten.
        truth: (n, i) what was bought; rows without a purchase do not count.
        seen: (n, i) what had been bought before and is left out of both; None: nothing.
    """
    if seen is not None:
        cells = seen.tocoo()
        scores[cells.row, cells.col] = -np.inf
        truth = (truth - truth.multiply(seen > 0)).tocsr()
        truth.eliminate_zeros()
    return float(list_metrics(best_columns(scores, _K), truth)["ndcg"].mean())


def learnt(past: History, side: Side, windows: ExampleWindows, shape: Shape) -> tuple[ExampleRows, ExampleRows | None]:
    """Return the examples of all windows, and those of the held-out one where there is one.

    Raises:
        ValueError: the history is too short for a single window.
    """
    parts = []
    for days in windows.days():
        before, truth = rewound(past, days, windows.horizon)
        if len(before.user):
            parts.append(rows_of(before, side, shape, truth))
    if not parts:
        raise ValueError(f"no purchase is older than {windows.days()[0]} days; there is nothing to learn from")
    held = held_out(past, windows)
    return stacked(parts), None if held is None else rows_of(held[0], side, shape, held[1])
