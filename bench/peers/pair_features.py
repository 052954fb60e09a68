"""What a ranker is told of a user and an item: own history, other models' scores, the item's and the user's habits.

n = pairs, u = users, i = items. Everything is computed from a :class:`History`, so that the same function serves
training (the history as it was at an earlier day) and scoring.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import sparse

from bench.peers.history import History
from bench.peers.recommender import Recommender

WINDOWS = (7, 28, 84)
HALF_LIVES = (20, 60, 120)


@dataclass(frozen=True)
class Pairs:
    """Pairs of a user and an item, users rising, with named columns of features (n, f)."""

    row: np.ndarray
    column: np.ndarray
    names: tuple[str, ...]
    values: np.ndarray


def pair_features(
    past: History,
    row: np.ndarray,
    column: np.ndarray,
    models: list[Recommender],
    groups: dict[str, np.ndarray] | None = None,
) -> Pairs:
    """Describe pairs as of the last day of ``past``.

    Args:
        past: the history.
        row: (n,) users, rising.
        column: (n,) items.
        models: recommenders fitted on ``past``; each one's score is a feature, and its share of the user's best pair.
        groups: name -> (i,) number of the group (category, department, brand) of each item.

    Returns:
        The pairs with their features; NaN where there is nothing to know.
    """
    own, item, user = own_history(past), item_habits(past), user_habits(past)
    columns = {f"own_{name}": _cells(matrix, row, column) for name, matrix in own.items()}
    for name in ("age_last", "age_first"):
        columns[f"own_{name}"][columns[f"own_{name}"] == 0] = np.nan
    often, last, first = (columns[f"own_{name}"] for name in ("total", "age_last", "age_first"))
    with np.errstate(divide="ignore", invalid="ignore"):
        interval = np.where(often > 1, (first - last) / (often - 1), np.nan)
        columns["own_interval"] = interval
        columns["own_due"] = last / interval
        columns["own_share_84"] = columns["own_84"] / user["84"][row]
        columns["own_share"] = often / user["total"][row]
        columns["own_share_since_first"] = often / first
    scores = {model.name: model.cells(row, column) for model in models}
    columns |= {f"model_{name}": score for name, score in scores.items()}
    columns |= {f"lead_{name}": _lead(score, row) for name, score in scores.items()}
    columns |= {f"item_{name}": values[column] for name, values in item.items()}
    columns |= {f"user_{name}": values[row] for name, values in user.items()}
    for name, group in (groups or {}).items():
        columns |= _group_features(past, name, group, row, column)
    return Pairs(row, column, tuple(columns), np.column_stack(list(columns.values())).astype("float32"))


def own_history(past: History) -> dict[str, sparse.csr_matrix]:
    """Return what each user's own history says of each item: (u, i) matrices; ages are ``1 + days``."""
    oldest = sparse.csr_matrix(past.shape, dtype="float32")
    latest = past.latest()
    if len(past.age):
        top = float(past.age.max()) + 2
        flipped = History(past.user, past.item, top - 2 - past.age, past.back, past.shape).latest()
        flipped.data = top - flipped.data
        oldest = flipped
    return {
        **{str(days): past.counts(days) for days in WINDOWS},
        "total": past.counts(),
        **{f"faded_{life}": past.weighted(np.exp2(-past.age / life)) for life in HALF_LIVES},
        "last_baskets": past.weighted(past.back < 3),
        "faded_baskets": past.weighted(0.95**past.back),
        "age_last": latest,
        "age_first": oldest,
    }


def item_habits(past: History) -> dict[str, np.ndarray]:
    """Return what is known of each item (i,): buyers, first-time buyers, repeat buyers, trend."""
    users = max(past.shape[0], 1)
    buyers = {days: _column_sums(past.counts(days) > 0) / users for days in WINDOWS}
    total = past.counts()
    ever = _column_sums(total > 0)
    first = _first_time(past)
    lacking = np.maximum(users - ever, 1)
    repeaters, recent = _column_sums(past.counts(84) > 1), past.counts(84)
    with np.errstate(divide="ignore", invalid="ignore"):
        return {
            **{f"buyers_{days}": share for days, share in buyers.items()},
            "buyers": ever / users,
            "new_28": _younger(first, 28, 0) / lacking,
            "new_84": _younger(first, 84, 0) / lacking,
            "repeat_84": repeaters / _column_sums(recent > 0),
            "baskets_per_buyer": _column_sums(recent) / _column_sums(recent > 0),
            "trend": 3 * buyers[28] / buyers[84],
            "trend_7": 4 * buyers[7] / buyers[28],
        }


def user_habits(past: History) -> dict[str, np.ndarray]:
    """Return what is known of each user (u,): baskets, items, how often something new is tried."""
    users = past.shape[0]
    basket = np.unique(past.user.astype("int64") * (past.back.max(initial=0) + 1) + past.back, return_index=True)[1]
    who, age = past.user[basket], past.age[basket]
    baskets = {days: np.bincount(who[age < days], minlength=users).astype(float) for days in WINDOWS}
    total = np.bincount(who, minlength=users).astype(float)
    last, first = np.full(users, np.nan), np.full(users, np.nan)
    np.fmin.at(last, who, age)
    np.fmax.at(first, who, age)
    fresh, lines = _first_time(past), np.bincount(past.user[past.age < 84], minlength=users)
    with np.errstate(divide="ignore", invalid="ignore"):
        return {
            **{str(days): count for days, count in baskets.items()},
            "total": total,
            "age_last": last,
            "tenure": first,
            "due": last * total / np.maximum(first - last, 1),
            "items_84": _column_sums((past.counts(84) > 0).T),
            "items": _column_sums((past.counts() > 0).T),
            "new_28": _younger(fresh, 28, 1),
            "new_84": _younger(fresh, 84, 1),
            "basket_size": lines / baskets[84],
        }


def _lead(score: np.ndarray, row: np.ndarray) -> np.ndarray:
    """Return scores (n,) as shares of the user's best one: comparable between users, as a ranker has to compare."""
    if not len(row):
        return score
    start = np.flatnonzero(np.concatenate([[True], row[1:] != row[:-1]]))
    best = np.maximum.reduceat(score, start)
    return score / np.repeat(np.where(best > 0, best, 1), np.diff(np.append(start, len(row))))


def _first_time(past: History) -> sparse.csr_matrix:
    """Return the age of the first event of each user and item, as a matrix with explicit zeros."""
    order = np.lexsort((-past.age, past.item, past.user))
    user, item = past.user[order], past.item[order]
    first = np.concatenate([[True], (user[1:] != user[:-1]) | (item[1:] != item[:-1])])[: len(order)]
    return sparse.csr_matrix((past.age[order][first].astype(float), (user[first], item[first])), shape=past.shape)


def _column_sums(matrix: sparse.spmatrix) -> np.ndarray:
    return np.asarray(matrix.sum(axis=0), dtype=float).ravel()


def _younger(age: sparse.csr_matrix, days: int, axis: int) -> np.ndarray:
    """Count the stored cells younger than ``days`` by column (axis 0) or row (axis 1)."""
    stored = age.tocoo()
    where = (stored.col, stored.row)[axis]
    return np.bincount(where[stored.data < days], minlength=age.shape[1 - axis]).astype(float)


def _group_features(
    past: History, name: str, group: np.ndarray, row: np.ndarray, column: np.ndarray
) -> dict[str, np.ndarray]:
    """Return how much of the user's history lies in the group of the item."""
    shape = (past.shape[0], int(group.max(initial=0)) + 1)
    of_group = History(past.user, group[past.item], past.age, past.back, shape)
    ever, recent = of_group.counts(), of_group.counts(84)
    where = group[column]
    total = np.maximum(np.asarray(ever.sum(axis=1)).ravel(), 1)
    return {
        f"{name}_share": _cells(ever, row, where) / total[row],
        f"{name}_84": _cells(recent, row, where),
        f"{name}_age_last": _cells(of_group.latest(), row, where),
    }


def _cells(matrix: sparse.csr_matrix, row: np.ndarray, column: np.ndarray) -> np.ndarray:
    """Return the values (n,) at some cells; 0 where nothing is stored."""
    matrix = matrix.tocsr()
    matrix.sum_duplicates()
    width = matrix.shape[1]
    keys = np.repeat(np.arange(matrix.shape[0], dtype="int64"), np.diff(matrix.indptr)) * width + matrix.indices
    if not len(keys):
        return np.zeros(len(row))
    asked = row.astype("int64") * width + column
    place = np.minimum(np.searchsorted(keys, asked), len(keys) - 1)
    return np.where(keys[place] == asked, matrix.data[place], 0).astype(float)
