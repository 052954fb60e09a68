from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse

from bench.peers.least_squares import solved


@pytest.fixture
def cells() -> sparse.csr_matrix:
    result = sparse.random(7, 9, density=0.4, random_state=5, format="csr", dtype="float32")
    result.data[:] = np.round(result.data + 0.5, 2)
    return result


@pytest.fixture
def other() -> np.ndarray:
    return np.random.default_rng(5).standard_normal((9, 3)).astype("float32")


def test_one_purchase_by_hand():
    """Y = (1, 2), bought the second with 3 beyond 1: (1 + 4 + 3 x 4 + 2) x = 4 x 2."""
    result = solved(sparse.csr_matrix([[0.0, 3.0]]), np.array([[1.0], [2.0]]), np.array([2.0]))
    assert result[0, 0] == pytest.approx(8 / 19)


def test_a_row_without_purchases_gets_zeros(other):
    assert solved(sparse.csr_matrix((1, 9)), other, np.ones(1)).tolist() == [[0, 0, 0]]


def test_every_row_solves_its_system(cells, other):
    penalty = np.linspace(0.5, 3, 7)
    result = solved(cells, other, penalty)
    for row, extra in enumerate(cells.toarray()):
        left = other.T @ ((1 + extra)[:, None] * other) + penalty[row] * np.eye(3)
        np.testing.assert_allclose(result[row], np.linalg.solve(left, other.T @ ((extra > 0) * (1 + extra))), rtol=1e-4)
