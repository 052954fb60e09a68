"""What every recommender is: scores = left @ right + own, computed for a block of users at a time.

u = users, i = items, b = users of a block, d = inner size (1 for popularity, factors of ALS, items of EASE, users of
neighbours). Popularity, frequency, neighbours, linear models and factorisations all have this form, so that one piece
of code scores, ranks and judges them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import sparse

#: cells (b x i) that a block holds at most
_CELLS = 20_000_000


@dataclass(frozen=True)
class Recommender:
    """A fitted recommender.

    Attributes:
        name: for tables.
        left: (u, d) dense or sparse.
        right: (d, i) dense or sparse.
        own: (u, i) sparse, added to the product; None for none.
        columns: (c,) items that the columns of ``right`` (d, c) stand for, the others score 0; None for all.
        items: number of items where ``columns`` is given.
    """

    name: str
    left: Any
    right: Any
    own: sparse.csr_matrix | None = None
    columns: np.ndarray | None = None
    items: int = 0

    @property
    def shape(self) -> tuple[int, int]:
        """Users and items."""
        return int(self.left.shape[0]), int(self.right.shape[1]) if self.columns is None else self.items

    def scores(self, rows: slice | np.ndarray) -> np.ndarray:
        """Return the scores (b, i), float32, of some users."""
        scored = self.left[rows] @ self.right
        dense: np.ndarray = np.asarray(scored.todense() if sparse.issparse(scored) else scored, dtype="float32")
        if self.columns is not None:
            part, dense = dense, np.zeros((len(dense), self.items), dtype="float32")
            dense[:, self.columns] = part
        if self.own is None:
            return dense
        cells = self.own[rows].tocoo()
        dense[cells.row, cells.col] += cells.data
        return dense

    def cells(self, row: np.ndarray, column: np.ndarray) -> np.ndarray:
        """Return the scores (n,) of some pairs, ``row`` rising; O(blocks of their users)."""
        values = np.empty(len(row), dtype="float32")
        for users in blocks(np.unique(row), self.shape[1]):
            start, end = np.searchsorted(row, [users[0], users[-1] + 1])
            part = self.scores(users)
            values[start:end] = part[np.searchsorted(users, row[start:end]), column[start:end]]
        return values


def only_own(name: str, own: sparse.csr_matrix) -> Recommender:
    """Return a recommender that scores what ``own`` holds and nothing else."""
    users, items = own.shape
    return Recommender(name, np.zeros((users, 1), "float32"), np.zeros((1, items), "float32"), own)


def blocks(users: np.ndarray, items: int) -> Iterator[np.ndarray]:
    """Cut rows into blocks whose scores fit into memory."""
    size = max(1, _CELLS // max(items, 1))
    for start in range(0, len(users), size):
        yield users[start : start + size]
