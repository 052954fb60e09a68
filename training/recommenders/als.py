"""Implicit alternating least squares on one machine: the exact solver, one linear system a row.

The night factorises with Spark (:mod:`features.als`); this serves histories that fit into memory.

Reference: Hu, Koren and Volinsky (2008), "Collaborative Filtering for Implicit Feedback Datasets", ICDM.
"""

from __future__ import annotations

from dataclasses import dataclass

import numba
import numpy as np
from scipy import sparse
from threadpoolctl import threadpool_limits

from training.recommenders.history import History
from training.recommenders.recommender import Recommender


@dataclass(frozen=True)
class FactorsConfig:
    """Everything that changes the factors; confidence is ``1 + alpha log(1 + baskets)``."""

    factors: int = 64
    iterations: int = 10
    regularization: float = 10.0
    alpha: float = 1.0
    seed: int = 20260101


def als(past: History, config: FactorsConfig) -> Recommender:
    """Factorise users x items; O(iterations x (events x factors^2 + (u + i) x factors^3))."""
    extra = past.counts().log1p() * config.alpha
    users, items = factorize(extra, config)
    return Recommender("ALS", users, np.ascontiguousarray(items.T))


def factorize(extra: sparse.csr_matrix, config: FactorsConfig) -> tuple[np.ndarray, np.ndarray]:
    """Return factors of the rows and of the columns of ``extra``: confidence beyond 1 where there was a purchase."""
    generator = np.random.default_rng(config.seed)
    rows, columns = ((generator.random((size, config.factors)) * 0.02 - 0.01).astype("float32") for size in extra.shape)
    by_row, by_column = extra.tocsr(), extra.T.tocsr()
    for _ in range(config.iterations):
        for left, right, cells in ((rows, columns, by_row), (columns, rows, by_column)):
            gram = right.T @ right + config.regularization * np.eye(config.factors, dtype="float32")
            # the systems are small: threads would cost more than they bring
            with threadpool_limits(1, user_api="blas"):
                _solve(cells.indptr, cells.indices, cells.data, gram.astype("float32"), right, left)
    return rows, columns


@numba.njit(cache=True)
def _solve(
    starts: np.ndarray, index: np.ndarray, extra: np.ndarray, gram: np.ndarray, right: np.ndarray, left: np.ndarray
) -> None:
    """Solve ``(gram + R' diag(extra) R) x = R' (1 + extra)`` for every row, R the rows of ``right`` it touches."""
    for row in range(len(starts) - 1):
        touched = right[index[starts[row] : starts[row + 1]]]
        weight = extra[starts[row] : starts[row + 1]].copy()
        scaled = touched * weight.reshape(-1, 1)
        left[row] = np.linalg.solve(gram + scaled.T @ touched, touched.T @ (weight + np.float32(1.0)))
