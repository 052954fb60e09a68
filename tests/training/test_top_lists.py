from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse

from training.recommenders.recommender import Recommender
from training.splits import ones
from training.top_lists import list_metrics, top_lists, variety

#: items 10 to 90 are columns 0 to 8; lists of four users, what they took, and what they had
LISTS = [[10, 20, 30, 40, 50], [50, 40, 30, 20, 10], [60, 10, 70, 20, 80], [30, 60]]
TRUTH = [[10, 30, 90], [10], [90], [60, 30, 10, 20, 40, 50, 80]]
HAD = [[10, 20], [10, 50], [60], [30, 10]]


def matrix(rows: list[list[int]]) -> sparse.csr_matrix:
    user = np.repeat(np.arange(len(rows)), [len(row) for row in rows])
    return ones(user, np.concatenate(rows) // 10 - 1, (len(rows), 9))


def lists(k: int) -> np.ndarray:
    filled = np.full((len(LISTS), k), -1)
    for row, items in enumerate(LISTS):
        filled[row, : len(items)] = (np.array(items) // 10 - 1)[:k]
    return filled


@pytest.mark.parametrize(
    ("k", "expected"),
    [  # RecTools 0.19.0 on the same input, NDCG with divide_by_achievable; see the library's calc_metrics
        (2, {"ndcg": 0.4032867981913646, "recall": 0.15476190476190477, "precision": 0.375, "hit_rate": 0.5,
             "map": 0.15476190476190477, "novelty": 1.603759374819711}),
        (5, {"ndcg": 0.41097934156920496, "recall": 0.488095238095238, "precision": 0.25, "hit_rate": 0.75,
             "map": 0.2603174603174603, "novelty": 1.7622556248918264}),
    ],
)  # fmt: skip
def test_metrics_agree_with_rectools(k, expected):
    found = list_metrics(lists(k), matrix(TRUTH)).mean().to_dict()
    share = np.asarray(matrix(HAD).mean(axis=0)).ravel()
    found["novelty"] = variety(lists(k), share, len(HAD))["novelty"]
    assert found == pytest.approx(expected)


def test_coverage_counts_each_listed_item_once():
    assert variety(np.array([[0, 1], [1, -1]]), np.ones(8) / 2, 2)["coverage"] == 2 / 8


def test_lists_of_all_items_of_known_and_of_new_ones():
    model = Recommender("m", np.ones((2, 1)), np.array([[5.0, 4.0, 3.0, 2.0]]))
    known = ones(np.array([0, 0]), np.array([0, 2]), (2, 4))
    users = np.arange(2)
    assert top_lists(model, users, 2).tolist() == [[0, 1], [0, 1]]
    assert top_lists(model, users, 3, excluded=known).tolist() == [[1, 3, -1], [0, 1, 2]]
    assert top_lists(model, users, 3, only=known).tolist() == [[0, 2, -1], [-1, -1, -1]]
    assert top_lists(model, users, 2, allowed=np.array([False, True, True, True])).tolist() == [[1, 2], [1, 2]]


def test_a_user_without_truth_is_no_number():
    found = list_metrics(np.array([[0], [1]]), ones(np.array([0]), np.array([0]), (2, 3)))
    assert found["ndcg"][0] == 1
    assert found.iloc[1].isna().all()
