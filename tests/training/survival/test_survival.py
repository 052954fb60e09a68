from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import pandas as pd
import pytest

from training.models.artifacts import digest, from_bytes
from training.survival import (
    evaluate as survival_evaluate,
    fit as survival_fit,
    inputs as survival_inputs,
    score as survival_score,
)

INPUTS = ["recency_days", "visit_rate_56"]
DAY = date(2017, 6, 4)


@pytest.fixture(scope="module")
def customers() -> pd.DataFrame:
    """Customers who leave with a chance of 4 or 16 % a week, by their rate, seen for six or twelve weeks."""
    rng = np.random.default_rng(5)
    frame = pd.DataFrame({"recency_days": rng.integers(0, 60, 4000), "visit_rate_56": np.repeat([0.1, 0.9], 2000)})
    frame["as_of"] = [DAY, DAY - timedelta(days=42)] * 2000
    week = rng.geometric(np.where(frame["visit_rate_56"] > 0.5, 0.04, 0.16))
    frame["leaves_in_week"] = np.where(week <= 12, week, np.nan)
    return frame.assign(customer_id=[f"c{number:04d}" for number in range(4000)])


def test_only_what_is_known_by_the_day_is_told(customers):
    result = survival_inputs.rows(customers, 30, 28, DAY + timedelta(days=28 + 35))
    assert (result["recency_days"] < 30).all()
    recorded = result.groupby("as_of")["weeks_observed"].unique()
    assert [int(recorded[day][0]) for day in (DAY, DAY - timedelta(days=42))] == [6, 12]
    early = result[result["as_of"] == DAY]
    assert early["leaves_in_week"].max() == 6
    assert survival_inputs.rows(customers, 30, 28, DAY - timedelta(days=20)).empty


def test_hazards_are_found_again_though_half_of_the_weeks_are_unknown(customers):
    train = survival_inputs.rows(customers, 84, 28, DAY + timedelta(days=28 + 35))
    model = survival_fit.fit(
        train, INPUTS, survival_fit.SurvivalConfig(strength=10.0, changing=("visit_rate_56",))
    ).model
    result = model.predict(pd.DataFrame({"recency_days": [30, 30], "visit_rate_56": [0.1, 0.9]}))
    weeks = np.arange(1, 13)
    np.testing.assert_allclose(result, [0.84**weeks, 0.96**weeks], atol=0.07)
    assert (np.diff(result, axis=1) < 0).all()
    assert survival_score.weeks_to_leave(result).tolist()[0] == pytest.approx(4, abs=1)
    assert np.isnan(survival_score.weeks_to_leave(result)[1])


def test_the_gate_sees_what_recency_alone_does_not(customers):
    train = survival_inputs.rows(customers, 84, 28, DAY + timedelta(days=28 + 77))
    plain, ours = survival_evaluate.baseline(train), survival_fit.fit(train, INPUTS)
    judged = [survival_evaluate.evaluate(candidate.model, train) for candidate in (plain, ours)]
    assert judged[1].by_customer.mean() > judged[0].by_customer.mean() + 0.1
    assert judged[1].metrics["roc_auc_12_weeks"] > 0.7
    assert judged[1].metrics["alive_8_weeks"] == pytest.approx(judged[1].metrics["came_true_8_weeks"], abs=0.02)
    again = from_bytes(ours.model.to_bytes())
    np.testing.assert_array_equal(again.predict(train), ours.model.predict(train))
    assert digest(again.to_bytes()) == digest(survival_fit.fit(train, INPUTS).model.to_bytes())


def test_log_likelihood_by_hand():
    frame = pd.DataFrame({"leaves_in_week": [2.0, np.nan], "weeks_observed": [12, 2]})
    hazards = np.tile([0.1, 0.2, 0.5], (2, 1))
    result = survival_evaluate.log_likelihoods(frame, hazards)
    np.testing.assert_allclose(result, [np.log(0.9 * 0.2), np.log(0.9 * 0.8)])


def test_contributions_add_up_to_the_mean_log_odds(customers):
    model = survival_fit.fit(survival_inputs.rows(customers, 84, 28, DAY + timedelta(days=105)), INPUTS).model
    hazards = model.hazards(customers)
    odds = np.log(hazards / (1 - hazards)).mean(axis=1) - model.logits.intercepts.mean()
    np.testing.assert_allclose(model.contributions(customers).sum(axis=1), odds, atol=1e-9)
