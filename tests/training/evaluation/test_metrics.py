"""Metrics, against numbers worked by hand."""

from __future__ import annotations

from math import log2

import numpy as np
import pandas as pd
import pytest

from training.evaluation.metrics import (
    binary_metrics,
    bootstrap,
    calibration_error,
    log_likelihoods,
    paired_bootstrap,
    ranking_metrics,
    ranks,
    reliability,
    split_truth,
    top_ranks,
    wilson,
)

RANKED = pd.DataFrame(
    [("a", "milk", 1), ("a", "bread", 2), ("a", "beer", 3), ("b", "milk", 1), ("b", "eggs", 2), ("z", "milk", 1)],
    columns=["customer_id", "item", "rank"],
)
TRUTH = pd.DataFrame(
    [("a", "bread"), ("a", "beer"), ("a", "wine"), ("b", "beer"), ("c", "milk")], columns=["customer_id", "item"]
)


def test_ranking_metrics_by_hand() -> None:
    result = ranking_metrics(RANKED, TRUTH, 3)
    assert result.index.tolist() == ["a", "b", "c"]  # z bought nothing and does not count
    assert result["hit_rate"].tolist() == [1, 0, 0]  # c has no ranking: a miss
    assert result["recall"].tolist() == pytest.approx([2 / 3, 0, 0])
    assert result["precision"].tolist() == pytest.approx([2 / 3, 0, 0])
    gain = 1 / log2(3) + 1 / log2(4)
    best = 1 / log2(2) + 1 / log2(3) + 1 / log2(4)
    assert result["ndcg"].tolist() == pytest.approx([gain / best, 0, 0])


def test_only_the_first_k_count() -> None:
    result = ranking_metrics(RANKED, TRUTH, 2)
    assert result.loc["a", "recall"] == pytest.approx(1 / 3)
    assert result.loc["a", "ndcg"] == pytest.approx((1 / log2(3)) / (1 + 1 / log2(3)))


def test_a_perfect_ranking_has_ndcg_one_however_little_was_bought() -> None:
    truth = pd.DataFrame([("a", "milk"), ("b", "milk"), ("b", "eggs")], columns=["customer_id", "item"])
    assert ranking_metrics(RANKED, truth, 5)["ndcg"].tolist() == pytest.approx([1, 1])


def test_repeats_and_discoveries_are_apart() -> None:
    seen = pd.DataFrame([("a", "bread"), ("c", "bread"), ("a", "bread")], columns=["customer_id", "item"])
    repeats, discoveries = split_truth(TRUTH, seen)
    assert repeats.to_numpy().tolist() == [["a", "bread"]]
    assert len(discoveries) == len(TRUTH) - 1


def test_ties_in_a_ranking_go_by_item() -> None:
    frame = pd.DataFrame({"customer_id": ["a", "a", "a", "b"], "item": ["y", "x", "z", "x"]})
    result = ranks(frame, np.array([0.5, 0.5, 0.9, 0.1]))
    assert result.to_numpy().tolist() == [["a", "z", 1], ["a", "x", 2], ["a", "y", 3], ["b", "x", 1]]


def test_top_ranks_of_a_matrix() -> None:
    result = top_ranks(np.array(["a", "b"]), np.array(["x", "y", "z"]), np.array([[0.1, 0.9, 0.9], [3, 1, 2.0]]), 2)
    assert result.to_numpy().tolist() == [["a", "y", 1], ["a", "z", 2], ["b", "x", 1], ["b", "z", 2]]


def test_log_likelihood_is_bounded() -> None:
    result = log_likelihoods(np.array([1, 0, 1]), np.array([0.25, 0.25, 0.0]))
    assert result[:2] == pytest.approx(np.log([0.25, 0.75]))
    assert np.isfinite(result).all()


def test_calibration_error_by_hand() -> None:
    truth = np.array([0, 0, 1, 1])
    assert calibration_error(truth, np.array([0.1, 0.2, 0.6, 0.8]), bins=2) == pytest.approx((0.15 + 0.3) / 2)
    assert calibration_error(truth, np.array([0, 0, 1.0, 1.0]), bins=2) == 0


def test_reliability_by_hand() -> None:
    curve = reliability(np.array([1, 0, 1, 0]), np.array([0.8, 0.1, 0.6, 0.2]), bins=2)
    assert curve["rows"].tolist() == [2, 2]
    assert curve["predicted"].tolist() == pytest.approx([0.15, 0.7])
    assert curve["observed"].tolist() == [0, 1]
    assert len(reliability(np.array([1]), np.array([0.5]))) == 1


def test_binary_metrics_of_one_class_have_no_auc() -> None:
    result = binary_metrics(np.zeros(4), np.array([0.1, 0.2, 0.3, 0.4]))
    assert np.isnan(result["roc_auc"])
    assert result["base_rate"] == 0
    assert binary_metrics(np.array([0, 1, 0, 1]), np.array([0.1, 0.4, 0.3, 0.2]))["roc_auc"] == pytest.approx(0.75)


def test_bootstrap_is_seeded_and_covers_the_mean() -> None:
    values = pd.Series(np.random.default_rng(1).normal(0.1, 1, 400))
    result = bootstrap(values, 500, 7)
    assert result == bootstrap(values, 500, 7)
    assert result != bootstrap(values, 500, 8)
    half = 1.96 * values.std() / 20
    assert result.low == pytest.approx(values.mean() - half, abs=0.02)
    assert result.high == pytest.approx(values.mean() + half, abs=0.02)


def test_pairs_of_different_customers_are_refused() -> None:
    with pytest.raises(ValueError, match="the same customers; got 1 and 1"):
        paired_bootstrap(pd.Series([1.0], index=["a"]), pd.Series([1.0], index=["b"]), 10, 1)


@pytest.mark.parametrize(
    ("yes", "size", "low", "high"), [(8, 10, 0.4902, 0.9433), (10, 20, 0.2993, 0.7007), (0, 10, 0.0, 0.2775)]
)
def test_wilson_as_textbooks_print_it(yes, size, low, high):
    result = wilson(yes, size)
    assert (result.value, result.low, result.high) == pytest.approx((yes / size, low, high), abs=1e-4)


def test_a_share_of_nothing_is_unknown():
    assert np.isnan([wilson(0, 0).value, wilson(0, 0).low, wilson(0, 0).high]).all()
