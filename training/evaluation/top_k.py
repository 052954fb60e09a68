"""The best columns of every row: the partial sort of all recommended lists, and the same fused with a matrix product.

b = rows, i = columns, d = inner size, k = length of a list. A list holds columns, the best first, -1 where there is
nothing left to list; ties go to the first column. A heap of k cells per row is kept, so that a row costs O(i) reads and
O(k log k log i) moves, and scores can be made and thrown away tile by tile.
"""

from __future__ import annotations

import numba
import numpy as np

#: cells that are held against the bar in one go, so that the processor compares them side by side
_CHUNK = 16
#: rank of a cell that is not among the best of its row
UNRANKED = np.iinfo(np.int32).max


def best_columns(scores: np.ndarray, k: int) -> np.ndarray:
    """Return the columns (b, k) of the largest scores (b, i); ``-inf`` and NaN are not listed."""
    values, lists = _empty(len(scores), k, scores.dtype)
    _merge(np.ascontiguousarray(scores), 0, values, lists)
    _sort(values, lists)
    return lists


def ranks_of(score: np.ndarray, allowed: np.ndarray, most: int) -> np.ndarray:
    """Rank the ``most`` best allowed cells of every row from 1; ties go to the type that sorts first."""
    ranks = np.full(score.shape, UNRANKED, dtype=np.int32)
    lists = best_columns(np.where(allowed, score, -np.inf), min(most, score.shape[1]))
    row, place = np.nonzero(lists >= 0)
    ranks[row, lists[row, place]] = place + 1
    return ranks


def _empty(rows: int, k: int, kind: np.dtype) -> tuple[np.ndarray, np.ndarray]:
    return np.full((rows, k), -np.inf, kind if kind.kind == "f" else "float64"), np.full((rows, k), -1, dtype=np.int64)


@numba.njit(cache=True, nogil=True)
def _merge(scores: np.ndarray, start: int, values: np.ndarray, lists: np.ndarray) -> None:
    """Push the cells of a tile, whose first column is ``start``, into each row's heap; its root is the worst cell."""
    width, k = scores.shape[1], values.shape[1]
    for row in range(len(scores) if k else 0):
        cells, value, column = scores[row], values[row], lists[row]
        whole = width - width % _CHUNK
        for at in range(0, whole, _CHUNK):
            bar, above = value[0], False
            for place in range(_CHUNK):
                above |= cells[at + place] > bar
            if above:
                _push(cells, at, at + _CHUNK, start, value, column)
        _push(cells, whole, width, start, value, column)


@numba.njit(cache=True, nogil=True)
def _push(cells: np.ndarray, first: int, end: int, start: int, value: np.ndarray, column: np.ndarray) -> None:
    for place in range(first, end):
        if cells[place] > value[0]:
            _replace_root(value, column, cells[place], start + place)


@numba.njit(cache=True, nogil=True)
def _replace_root(value: np.ndarray, column: np.ndarray, new: float, at: int) -> None:
    """Put a cell in the place of the worst one and let it sink below what is worse than it."""
    size, place = len(value), 0
    while True:
        child = 2 * place + 1
        if child >= size:
            break
        if child + 1 < size and _worse(value[child + 1], column[child + 1], value[child], column[child]):
            child += 1
        if _worse(new, at, value[child], column[child]):
            break
        value[place], column[place] = value[child], column[child]
        place = child
    value[place], column[place] = new, at


@numba.njit(cache=True, nogil=True)
def _worse(value: float, column: int, other: float, other_column: int) -> bool:
    """Tell whether a cell ranks below another: a smaller value, or an equal one further to the right."""
    return value < other or (value == other and column > other_column)


@numba.njit(cache=True, nogil=True)
def _sort(values: np.ndarray, lists: np.ndarray) -> None:
    """Turn each row's heap into a list, the best first."""
    for row in range(len(values)):
        value, column = values[row], lists[row]
        for size in range(len(value) - 1, 0, -1):
            last, last_column = value[size], column[size]
            value[size], column[size] = value[0], column[0]
            _replace_root(value[:size], column[:size], last, last_column)
