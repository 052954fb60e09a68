from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from features.items.communities import communities


def modularity(weights: np.ndarray, group: np.ndarray) -> float:
    degree, total = weights.sum(axis=1), weights.sum()
    pairs = product(range(len(weights)), repeat=2)
    return sum(weights[i, j] - degree[i] * degree[j] / total for i, j in pairs if group[i] == group[j]) / total


def test_two_cliques_with_a_bridge():
    weights = np.zeros((8, 8))
    weights[:4, :4] = weights[4:, 4:] = 1
    weights[3, 4] = weights[4, 3] = 1
    np.fill_diagonal(weights, 0)
    group, result = communities(weights)
    assert group.tolist() == [0, 0, 0, 0, 1, 1, 1, 1]
    assert result == pytest.approx(modularity(weights, group)) == pytest.approx(12 / 13 - 0.5)


@pytest.mark.parametrize("seed", range(6))
def test_hardly_worse_than_the_best_of_all_partitions(seed):
    rng = np.random.default_rng(seed)
    hidden = rng.integers(0, 2, 7)
    weights = rng.random((7, 7)) * np.where(hidden[:, None] == hidden[None, :], 1.0, 0.15)
    weights = np.triu(weights, 1) + np.triu(weights, 1).T
    group, result = communities(weights)
    best = max(modularity(weights, np.array((0, *rest))) for rest in product(range(3), repeat=6))
    assert result == pytest.approx(modularity(weights, group))
    assert result >= best - 0.02


def test_names_of_nodes_do_not_matter():
    rng = np.random.default_rng(1)
    weights = np.kron(np.eye(4), np.ones((5, 5))) + 0.05 * rng.random((20, 20))
    weights = np.triu(weights, 1) + np.triu(weights, 1).T
    order = rng.permutation(20)
    group, result = communities(weights)
    again, other = communities(weights[np.ix_(order, order)])
    assert result == pytest.approx(other)
    assert group.max() == 3
    assert all((group[order[i]] == group[order[j]]) == (again[i] == again[j]) for i in range(20) for j in range(20))


def test_edges():
    assert communities(np.zeros((0, 0)))[1] == 0
    assert communities(np.zeros((2, 2)))[0].tolist() == [0, 1]
    lonely = np.zeros((3, 3))
    lonely[0, 2] = lonely[2, 0] = 1
    assert communities(lonely)[0].tolist() == [0, 1, 0]
    with pytest.raises(ValueError, match="must be symmetric"):
        communities(np.array([[0.0, 1.0], [0.0, 0.0]]))
