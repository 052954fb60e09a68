"""The purchase history that recommenders learn from: who had what in which basket, and how long ago.

e = events, u = users, i = items. An event is an item in a basket; how many pieces were taken does not matter.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import sparse


@dataclass(frozen=True)
class History:
    """Events up to a day, users and items as rows and columns of matrices.

    Attributes:
        user: (e,) row of the user.
        item: (e,) column of the item.
        age: (e,) days from the event to the day the history ends on; 0 is that day.
        back: (e,) baskets that the user had after this one; 0 is the last.
        shape: users and items.
    """

    user: np.ndarray
    item: np.ndarray
    age: np.ndarray
    back: np.ndarray
    shape: tuple[int, int]

    def weighted(self, weight: np.ndarray) -> sparse.csr_matrix:
        """Sum ``weight`` (e,) by user and item: (u, i)."""
        return sparse.csr_matrix((weight.astype("float32"), (self.user, self.item)), shape=self.shape)

    def faded(self, half_life: float | None) -> sparse.csr_matrix:
        """Sum the baskets with each item, each halved for every ``half_life`` days of its age; None: not at all."""
        return self.counts() if half_life is None else self.weighted(np.exp2(-self.age / half_life))

    def counts(self, days: int | None = None) -> sparse.csr_matrix:
        """Count the baskets with each item, of the last ``days`` days or of all: (u, i)."""
        kept = slice(None) if days is None else self.age < days
        ones = np.ones(len(self.user[kept]), dtype="float32")
        return sparse.csr_matrix((ones, (self.user[kept], self.item[kept])), shape=self.shape)

    def latest(self) -> sparse.csr_matrix:
        """Return ``1 + age`` of the last event of each user and item that has one: (u, i)."""
        order = np.lexsort((self.age, self.item, self.user))
        user, item = self.user[order], self.item[order]
        first = np.concatenate([[True], (user[1:] != user[:-1]) | (item[1:] != item[:-1])])[: len(order)]
        cells = (self.age[order][first].astype("float32") + 1, (user[first], item[first]))
        return sparse.csr_matrix(cells, shape=self.shape)


def history(
    user: np.ndarray, item: np.ndarray, day: np.ndarray, basket: np.ndarray, until: int, shape: tuple[int, int]
) -> History:
    """Build the history up to and including ``until``; O(n log n).

    Args:
        user: (n,) row of the user of each line.
        item: (n,) column of its item.
        day: (n,) day number of its basket.
        basket: (n,) number of its basket, unique to a user and rising with the user's time.
        until: the last day that may be seen; later lines are ignored.
        shape: users and items.

    Raises:
        ValueError: a user or an item is outside of ``shape``.
    """
    if len(user) and (user.max() >= shape[0] or item.max() >= shape[1]):
        raise ValueError(f"a history of shape {shape} got user {user.max()} and item {item.max()}")
    seen = day <= until
    order = np.lexsort((item[seen], basket[seen], user[seen]))
    user, item, day, basket = (values[seen][order] for values in (user, item, day, basket))
    new = np.ones((3, len(user)), dtype=bool)
    for row, values in enumerate((user, basket, item)):
        new[row, 1:] = values[1:] != values[:-1]
    changes = new[:2].any(axis=0)  # a basket begins
    number = np.cumsum(changes)
    last = np.zeros(shape[0], dtype="int64")
    np.maximum.at(last, user, number)
    kept = changes | new[2]
    back = (last[user] - number)[kept]
    return History(user[kept], item[kept], (until - day)[kept], back, shape)
