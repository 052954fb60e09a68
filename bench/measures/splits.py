"""How a history is cut into what a recommender may learn from and what it is judged on.

By time for customers (the days after ``as_of``), by basket for sequences without dates, and at random per user for
published protocols that ask for it.
"""

from __future__ import annotations

import numpy as np
from scipy import sparse

from bench.peers.history import History, history
from training.evaluation.full_ranking import ones


def last_window(
    user: np.ndarray,
    item: np.ndarray,
    day: np.ndarray,
    basket: np.ndarray,
    as_of: int,
    horizon: int,
    shape: tuple[int, int],
) -> tuple[History, sparse.csr_matrix]:
    """Cut by time: learn up to and including ``as_of``, judge on the ``horizon`` days after it.

    Args:
        user: (n,) row of the user of each line.
        item: (n,) column of its item.
        day: (n,) day number.
        basket: (n,) number of the basket, rising with the user's time.
        as_of: last day to learn from.
        horizon: days of the window.
        shape: users and items.

    Returns:
        The history, and the truth (users, items) of ones.
    """
    later = (day > as_of) & (day <= as_of + horizon)
    return history(user, item, day, basket, as_of, shape), ones(user[later], item[later], shape)


def next_basket(sequences: list[list[list[int]]], items: int) -> tuple[History, sparse.csr_matrix]:
    """Cut off every user's last basket; ages are counted in baskets.

    Args:
        sequences: a list of baskets (lists of item columns) per user, in the order of time.
        items: columns.

    Returns:
        The history of all baskets but the last, the basket before the last having age 0; and the last baskets
        (users, items).
    """
    shape = (len(sequences), items)
    cells = [
        (row, item, number - len(baskets) + 2)
        for row, baskets in enumerate(sequences)
        for number, basket in enumerate(baskets)
        for item in basket
    ]
    user, item, day = (np.array(values, dtype="int64") for values in zip(*cells, strict=True))
    past = history(user, item, day, day, 0, shape)
    last = day == 1
    return past, ones(user[last], item[last], shape)


def stratified(user: np.ndarray, share: float, seed: int) -> np.ndarray:
    """Choose ``share`` of every user's rows at random, as Microsoft Recommenders' ``python_stratified_split`` does.

    Returns:
        (n,) boolean: True for rows to learn from. The same rows as theirs for rows in the same order.
    """
    random = np.random.RandomState(seed).rand(len(user))
    order = np.lexsort((random, user))
    ordered = user[order]
    starts = np.searchsorted(ordered, ordered, side="left")
    sizes = np.searchsorted(ordered, ordered, side="right") - starts
    chosen = np.zeros(len(user), dtype=bool)
    chosen[order] = (np.arange(len(user)) - starts + 1) / sizes <= share
    return chosen


def repeats_and_discoveries(
    truth: sparse.csr_matrix, seen: sparse.csr_matrix
) -> tuple[sparse.csr_matrix, sparse.csr_matrix]:
    """Split the truth (u, i) into what the user had before (``seen``, ones) and what is new to them."""
    repeats = truth.multiply(seen).tocsr()
    discoveries = (truth - repeats).tocsr()
    for part in (repeats, discoveries):
        part.eliminate_zeros()
    return repeats, discoveries
