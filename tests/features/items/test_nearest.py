from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from scipy import sparse

from features.items.nearest import Cells, NearestConfig, from_events, nearest, nearest_items, without_long

ITEMS = 60


@pytest.fixture(scope="module")
def baskets() -> Cells:
    rng = np.random.default_rng(3)
    return from_events(rng.integers(0, 300, 3000), rng.zipf(1.4, 3000) % ITEMS)[1]


def dense(cells: Cells) -> np.ndarray:
    ones = np.ones(len(cells.index))
    return sparse.csr_matrix((ones, cells.index, cells.starts), shape=(len(cells), ITEMS)).toarray()


def all_rows(baskets: Cells, config: NearestConfig, tasks: int = 1, block: int = 1000) -> dict[int, list[tuple]]:
    result = {}
    for task in range(tasks):
        for own, _, near in nearest_items(baskets, ITEMS, config, task, tasks, block):
            for row, item in enumerate(own):
                kept = near.index[row] >= 0
                result[int(item)] = [
                    (int(j), float(s), float(n))
                    for j, s, n in zip(
                        near.index[row][kept], near.score[row][kept], near.together[row][kept], strict=True
                    )
                ]
    return result


def entropy(*counts: float) -> float:
    return -sum(c * math.log(c / sum(counts)) for c in counts if c)


def by_hand(weighting: str, held: np.ndarray, a: int, b: int) -> float:
    n, both, first, second = len(held), held[:, a] @ held[:, b], held[:, a].sum(), held[:, b].sum()
    if weighting == "cosine":
        return both / math.sqrt(first * second)
    if weighting == "bm25":
        rarity = np.log(ITEMS) - np.log1p(held.sum(axis=1))
        mean = held.sum() / ITEMS
        weights = [101 / (100 * (0.2 + 0.8 * size / mean) + 1) for size in (first, second)]
        return float((held[:, a] * held[:, b]) @ rarity**2) * weights[0] * weights[1]
    cells = (both, first - both, second - both, n - first - second + both)
    ratio = 2 * (entropy(first, n - first) + entropy(second, n - second) - entropy(*cells))
    return -ratio if both * n < first * second else ratio


@pytest.mark.parametrize("weighting", ["llr", "cosine", "bm25"])
def test_rows_against_the_formula_over_all_pairs(baskets, weighting):
    held = dense(baskets)
    result = all_rows(baskets, NearestConfig(weighting=weighting, top=7, least=2))
    for item in range(ITEMS):
        met = [j for j in range(ITEMS) if j != item and held[:, item] @ held[:, j] >= 2]
        wanted = sorted((by_hand(weighting, held, item, j) for j in met), reverse=True)[:7]
        assert [score for _, score, _ in result[item]] == pytest.approx(wanted, abs=1e-4), item
        for other, score, together in result[item]:
            assert score == pytest.approx(by_hand(weighting, held, item, other), abs=1e-4)
            assert together == held[:, item] @ held[:, other]


def test_equal_scores_go_to_more_baskets_then_to_the_first_item():
    ones = np.ones(6, np.float32)
    rows = Cells(np.array([0, 2]), np.array([0, 1], np.int32), ones[:2])
    columns = Cells(
        np.array([0, 3, 6]), np.array([4, 2, 1, 1, 3, 5], np.int32), np.array([1, 2, 1, 1, 2, 1], np.float32)
    )
    near = nearest(rows, columns, NearestConfig(weighting="dot", top=4, least=1))
    # 1 has 1 + 1 from two baskets, 2 and 3 have 2 from one each, 4 and 5 have 1
    assert near.index.tolist() == [[1, 2, 3, 4]]
    assert near.score.tolist() == [[2, 2, 2, 1]]
    assert near.together.tolist() == [[2, 1, 1, 1]]


def test_shares_and_blocks_change_nothing(baskets):
    config = NearestConfig(weighting="bm25", top=5, most_baskets=40)
    assert all_rows(baskets, config) == all_rows(baskets, config, tasks=3, block=4)


def test_a_basket_counts_an_item_once_and_long_ones_are_left_out():
    names, cells = from_events(np.array([9, -4, 9, 9, -4, 9]), np.array([1, 0, 1, 2, 2, 3]))
    assert names.tolist() == [-4, 9]
    assert (cells.starts.tolist(), cells.index.tolist()) == ([0, 2, 5], [0, 2, 1, 2, 3])
    kept, rest = without_long(cells, 2)
    assert kept.tolist() == [True, False]
    assert (rest.starts.tolist(), rest.index.tolist()) == ([0, 2], [0, 2])


def test_the_baskets_of_a_popular_item_are_sampled_and_its_counts_scaled(baskets):
    held = dense(baskets)
    popular = int(held.sum(axis=0).argmax())
    where = np.flatnonzero(held[:, popular])
    config = NearestConfig(weighting="cosine", top=ITEMS, least=1, most_baskets=50)
    assert len(where) > 100
    result = {other: together for other, _, together in all_rows(baskets, config)[popular]}
    sample = held[where[:50]].sum(axis=0) * len(where) / 50
    assert result == {j: pytest.approx(sample[j]) for j in range(ITEMS) if sample[j] and j != popular}
    full = all_rows(baskets, replace(config, most_baskets=10_000))
    rare = int(np.argsort(held.sum(axis=0), kind="stable")[5])
    assert all_rows(baskets, config)[rare] == full[rare]  # rare items meet the popular one in full


def test_nothing_and_one_item():
    empty = Cells(np.zeros(1, np.int64), np.zeros(0, np.int32))
    assert nearest(empty, empty, NearestConfig()).index.shape == (0, 20)
    one = from_events(np.array([1, 2]), np.array([0, 0]))[1]
    assert [near.index.max() for _, _, near in nearest_items(one, 1, NearestConfig())] == [-1]
