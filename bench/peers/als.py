"""Implicit alternating least squares on one machine: the exact solver, one linear system a row.

The night factorises with Spark (:mod:`features.items.als`); this serves histories that fit into memory.

Reference: Hu, Koren and Volinsky (2008), "Collaborative Filtering for Implicit Feedback Datasets", ICDM.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import sparse

from bench.peers.history import History
from bench.peers.least_squares import solved
from bench.peers.recommender import Recommender


@dataclass(frozen=True)
class FactorsConfig:
    """Everything that changes the factors; confidence is ``1 + alpha log(1 + baskets)``.

    With ``scaled`` the penalty of a row grows with its events, as ALS-WR (Zhou et al. 2008) has it.
    """

    factors: int = 64
    iterations: int = 10
    regularization: float = 10.0
    scaled: bool = False
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
    events = [np.maximum(np.diff(side.indptr), 1) if config.scaled else np.ones(side.shape[0])
              for side in (by_row, by_column)]  # fmt: skip
    penalties = [config.regularization * count for count in events]
    for _ in range(config.iterations):
        rows = solved(by_row, columns, penalties[0])
        columns = solved(by_column, rows, penalties[1])
    return rows, columns
