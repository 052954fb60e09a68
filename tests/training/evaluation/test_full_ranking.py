"""Metrics of lists: beside an independent library's, and what is listed at all."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from scipy import sparse

from training.evaluation.full_ranking import diversity, list_metrics, miscalibration, ones, variety

#: lists, what was taken and what was had before, drawn at random, and what RecTools says of them; ``made`` says how
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
    result = list_metrics(lists(k), matrix(PEER["took"])).mean().to_dict()
    result |= variety(lists(k), np.asarray(had.mean(axis=0)).ravel(), had.shape[0])
    assert {f"{name}@{k}" for name in result} == {name for name in PEER["figures"] if name.endswith(f"@{k}")}
    assert result == pytest.approx({name: PEER["figures"][f"{name}@{k}"] for name in result})


def test_coverage_counts_each_listed_item_once():
    assert variety(np.array([[0, 1], [1, -1]]), np.ones(8) / 2, 2)["coverage"] == 2 / 8


def test_a_user_without_truth_is_no_number():
    result = list_metrics(np.array([[0], [1]]), ones(np.array([0]), np.array([0]), (2, 3)))
    assert result["ndcg"][0] == 1
    assert result.iloc[1].isna().all()


def test_lists_of_items_with_the_same_owners_are_not_diverse():
    owners = sparse.csr_matrix(np.array([[1, 1, 0, 1], [1, 1, 0, 0], [0, 0, 1, 0]], dtype="float32"))
    assert diversity(np.array([[0, 1]]), owners) == pytest.approx(0, abs=1e-6)
    assert diversity(np.array([[0, 2]]), owners) == pytest.approx(1, abs=1e-6)
    # items 0 and 3 share one of two owners, 0 and 1 both, 1 and 3 one: the mean of three cosines
    assert diversity(np.array([[0, 1, 3]]), owners) == pytest.approx(1 - (1 + 2 / np.sqrt(2)) / 3)
    assert diversity(np.array([[0, 1], [0, -1]]), owners) == pytest.approx(0, abs=1e-6)  # one item is no list
    assert np.isnan(diversity(np.array([[0, -1]]), owners))


def test_lists_that_mirror_the_history_are_calibrated():
    had = sparse.csr_matrix(np.array([[2, 0, 2]], dtype="float32"))
    group = np.array([0, 0, 1])
    assert miscalibration(np.array([[0, 2]]), had, group) == pytest.approx(0)
    one_sided = 0.5 * np.log(0.5 / (0.99 + 0.005)) + 0.5 * np.log(0.5 / 0.005)
    assert miscalibration(np.array([[0, 1]]), had, group) == pytest.approx(one_sided)
    assert np.isnan(miscalibration(np.array([[-1, -1]]), had, group))
