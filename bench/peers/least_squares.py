"""Half steps of implicit alternating least squares: one side's factors from the other's, a small linear system a row.

n = rows, i = columns, f = factors. A cell holds the confidence beyond 1 that a purchase gives; every other pair has
confidence 1. The penalty of a row is its own number, so that it may grow with the row's purchases (ALS-WR).

References: Hu, Koren and Volinsky (2008), "Collaborative Filtering for Implicit Feedback Datasets", ICDM; Zhou et al.
(2008), "Large-Scale Parallel Collaborative Filtering for the Netflix Prize", AAIM.
"""

from __future__ import annotations

import numba
import numpy as np
from scipy import sparse
from threadpoolctl import threadpool_limits


def solved(cells: sparse.csr_matrix, other: np.ndarray, penalty: np.ndarray) -> np.ndarray:
    """Return the factors (n, f) of the rows: ``(Y'Y + Y'CY + penalty) x = Y'(1 + c)``; O(cells x f^2 + n x f^3).

    Args:
        cells: (n, i).
        other: Y, (i, f), factors of the columns.
        penalty: (n,), above 0.
    """
    columns = other.astype("float64")
    factors = np.empty((cells.shape[0], other.shape[1]), dtype="float32")
    with threadpool_limits(1, user_api="blas"):  # the systems are small: threads would cost more than they bring
        gram = columns.T @ columns
        _solve(cells.indptr, cells.indices, cells.data.astype("float64"), columns, gram, penalty, factors)
    return factors


@numba.njit(cache=True)
def _system(index: np.ndarray, extra: np.ndarray, other: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return ``Y' C Y`` (f, f) and ``Y' (1 + c)`` (f,) over the columns that a row touches."""
    touched = other[index]
    scaled = touched * extra.reshape(-1, 1)
    return scaled.T @ touched, scaled.sum(axis=0) + touched.sum(axis=0)


@numba.njit(cache=True)
def _cholesky(matrix: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Solve a positive definite system; ``right`` is overwritten and returned."""
    low = np.linalg.cholesky(matrix)
    for row in range(len(right)):
        for column in range(row):
            right[row] -= low[row, column] * right[column]
        right[row] /= low[row, row]
    for row in range(len(right) - 1, -1, -1):
        right[row] /= low[row, row]
        for column in range(row):
            right[column] -= low[row, column] * right[row]
    return right


@numba.njit(cache=True)
def _solve(
    starts: np.ndarray,
    index: np.ndarray,
    extra: np.ndarray,
    other: np.ndarray,
    gram: np.ndarray,
    penalty: np.ndarray,
    factors: np.ndarray,
) -> None:
    for row in range(len(factors)):
        part = slice(starts[row], starts[row + 1])
        matrix, right = _system(index[part], extra[part], other)
        matrix += gram
        for place in range(len(right)):
            matrix[place, place] += penalty[row]
        factors[row] = _cholesky(matrix, right)
