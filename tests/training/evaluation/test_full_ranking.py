"""Metrics of lists: beside an independent library's, and what is listed at all."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from scipy import sparse

from training.evaluation.full_ranking import list_metrics, top_lists, variety
from training.evaluation.splits import ones
from training.recommenders.recommender import Recommender

#: lists, what was taken and what was had before, drawn at random, and what RecTools says of them; ``made`` tells how
PEER = json.loads((Path(__file__).parent / "rectools_figures.json").read_text())


def matrix(rows: list[list[int]]) -> sparse.csr_matrix:
    user = np.repeat(np.arange(len(rows)), [len(row) for row in rows])
    return ones(user, np.concatenate(rows), (len(rows), PEER["items"]))


def lists(k: int) -> np.ndarray:
    filled = np.full((len(PEER["lists"]), k), -1)
    for row, items in enumerate(PEER["lists"]):
        filled[row, : len(items[:k])] = items[:k]
    return filled


@pytest.mark.parametrize("k", [5, 10])
def test_metrics_agree_with_rectools(k):
    had = matrix(PEER["had"])
    found = list_metrics(lists(k), matrix(PEER["took"])).mean().to_dict()
    found |= variety(lists(k), np.asarray(had.mean(axis=0)).ravel(), had.shape[0])
    assert {f"{name}@{k}" for name in found} == {name for name in PEER["figures"] if name.endswith(f"@{k}")}
    assert found == pytest.approx({name: PEER["figures"][f"{name}@{k}"] for name in found})


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
