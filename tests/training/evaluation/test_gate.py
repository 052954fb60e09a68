"""The gate between a challenger and service."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from training.evaluation.gate import decide, faults, worse

CUSTOMERS = [f"c{number}" for number in range(300)]
NOISE = np.random.default_rng(3).normal(0, 0.1, 300)


def metric(mean: float, spread: float = 1.0) -> pd.Series:
    return pd.Series(mean + spread * NOISE, index=CUSTOMERS)


def test_a_better_challenger_is_promoted() -> None:
    result = decide(metric(0.5, 1.5), {"frequency": metric(0.4)})
    assert result.promote
    assert result.reason.startswith("promoted: beats frequency by +0.10")
    assert (result.value, result.baseline_value) == pytest.approx((metric(0.5, 1.5).mean(), metric(0.4).mean()))
    assert 0.09 < result.low < result.value - result.baseline_value < result.high < 0.11


def test_a_worse_challenger_is_refused() -> None:
    result = decide(metric(0.3), {"frequency": metric(0.4)})
    assert not result.promote
    assert "refused: does not beat frequency by -0.1000" in result.reason


def test_a_difference_that_may_be_chance_is_refused() -> None:
    better = pd.Series(0.4 + np.random.default_rng(5).normal(0.001, 0.2, 300), index=CUSTOMERS)
    result = decide(better, {"frequency": metric(0.4)})
    assert result.low <= 0
    assert not result.promote


def test_champion_and_every_baseline_have_to_be_beaten() -> None:
    baselines = {"popularity": metric(0.3), "frequency": metric(0.4), "EASE": metric(0.35)}
    result = decide(metric(0.5), baselines, further={"the champion": metric(0.45)})
    assert result.promote
    assert (result.baseline, result.baseline_value) == ("frequency", pytest.approx(metric(0.4).mean()))
    assert [part.split(" by ")[0] for part in result.reason.split(", ")] == [
        "promoted: beats the champion", "beats popularity", "beats frequency", "beats EASE",
    ]  # fmt: skip
    over_baselines_only = decide(metric(0.5), baselines, further={"the champion": metric(0.55)})
    assert not over_baselines_only.promote
    assert "does not beat the champion" in over_baselines_only.reason
    assert "beats frequency" in over_baselines_only.reason
    over_all_but_one = decide(metric(0.5), baselines | {"ALS": metric(0.6)}, further={"the champion": metric(0.4)})
    assert not over_all_but_one.promote
    assert "does not beat ALS by -0.1" in over_all_but_one.reason


def test_scores_that_are_not_numbers_are_refused() -> None:
    assert faults(np.array([0.1, np.nan]), np.array([0, 1]), [], []) == ["its scores are not numbers"]
    assert faults(np.zeros(0), np.zeros(0), [], []) == ["it gave no scores"]
    broken = metric(0.9)
    broken.iloc[0] = np.nan
    result = decide(broken, {"frequency": metric(0.4)})
    assert not result.promote
    assert "not a number" in result.reason


def test_constant_scores_are_refused() -> None:
    (fault,) = faults(np.full(4, 0.25), np.array([0, 1, 0, 1]), [], [])
    assert fault == "all its scores are 0.250000"


def test_a_planted_leak_is_refused() -> None:
    truth = np.arange(400) % 2
    actual = truth * 0.9 + np.linspace(0, 0.05, 400)
    (fault,) = faults(actual, truth, ["recency_days"], ["recency_days"])
    assert "too good to be true" in fault
    result = decide(metric(0.9), {"frequency": metric(0.4)}, faults=[fault])
    assert not result.promote
    assert result.reason.startswith("refused: ROC AUC 1.0000")
    assert np.isnan(result.low)


def test_an_undeclared_input_is_refused() -> None:
    probability = np.random.default_rng(0).random(50)
    (fault,) = faults(probability, np.arange(50) % 2, ["recency_days", "left"], ["recency_days"])
    assert fault == "it takes inputs that are not declared: ['left']"


def test_what_is_worse_in_a_further_metric_is_a_fault_and_what_may_be_chance_is_not() -> None:
    values, few = metric(0.5, 0.1), metric(0.5, 0.1)
    result = worse({"likelihood": values}, {"simple": {"likelihood": values + 0.1}, "equal": {"likelihood": few}})
    assert result == ["its likelihood is below that of simple: -0.1000 (-0.1000 to -0.1000)"]
    refused = decide(values, {"simple": values - 1}, faults=result)
    assert not refused.promote
    assert "below that of simple" in refused.reason
    assert worse({}, {"simple": {}}) == []
