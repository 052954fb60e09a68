"""Slices of a comparison, and what lists show, by hand."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from bench.measures.comparison import FEW, SLICES, RankingTask, compare, shown, together
from bench.peers.recommender import Recommender
from training.evaluation.comparison import summary

#: three users, four items; the last item has no buyer yet, the last user no purchase
SEEN = sparse.csr_matrix(np.array([[1, 1, 1, 0], [1, 0, 0, 0], [0, 0, 0, 0]], dtype="float32"))
TRUTH = sparse.csr_matrix(np.array([[1, 0, 0, 1], [0, 1, 0, 0], [1, 0, 0, 0]], dtype="float32"))
#: everybody is offered item 0, then 1, 2, 3
MODEL = Recommender("first", np.ones((3, 1), "float32"), np.array([[4.0, 3.0, 2.0, 1.0]], dtype="float32"))


@pytest.mark.parametrize(
    ("part", "users", "hits"),
    [
        ("all", [0, 1], [1.0, 0.0]),  # the third has no purchase before: they are in the slice of few items alone
        ("repeats", [0], [1.0]),
        ("discoveries", [0, 1], [1.0, 1.0]),  # only what is new to them is listed: item 3, and item 1
        ("customers with few items", [1, 2], [0.0, 1.0]),  # with at most one item before
        ("items with few buyers", [0, 1], [0.0, 1.0]),  # items 1 to 3 have at most one buyer: item 1 comes first
    ],
)
def test_each_slice_counts_and_lists_its_own(part, users, hits):
    result = compare({"m": MODEL}, RankingTask(TRUTH, SEEN, 1, few=1), (part,))[f"m/{part}"]
    assert result.index.tolist() == users
    assert result["hit_rate"].tolist() == hits


def test_the_summary_has_an_interval_for_every_figure():
    judged = compare({"m": MODEL, "n": MODEL}, RankingTask(TRUTH, SEEN, 2, few=1), (*SLICES, *FEW))
    rows = summary(judged, 50)
    assert set(rows["model"]) == {"m", "n"}
    assert set(rows["slice"]) == {*SLICES, *FEW}
    assert (rows["low"] <= rows["value"]).all()
    assert (rows["value"] <= rows["high"]).all()


def test_windows_together_weigh_each_case_and_count_a_customer_once():
    first = {"m/all": pd.DataFrame({"hit_rate": [1.0, 0.0]}, index=[7, 8])}
    second = {"m/all": pd.DataFrame({"hit_rate": [1.0]}, index=[7])}
    result = together([first, second])["m/all"]["hit_rate"]
    assert result.index.tolist() == [7, 8]
    assert result.mean() == pytest.approx(2 / 3)  # the mean of the three cases
    assert result[7] == pytest.approx(2 * 2 / 3)


def test_what_is_shown_counts_all_customers_who_buy():
    result = shown(MODEL, RankingTask(TRUTH, SEEN, 2), np.array([0, 0, 1, 1]))
    assert result["coverage"] == 2 / 4
    assert set(result) == {"coverage", "novelty", "diversity", "miscalibration"}
