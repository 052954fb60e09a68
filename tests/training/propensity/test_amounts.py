from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from pydantic import ValidationError

from conf.settings.propensities import Amount, Scope
from training.classifiers.trees import TreesConfig
from training.models.artifacts import Model, from_bytes
from training.propensity import amounts, inputs as propensity_inputs
from training.propensity.amounts import AmountConfig
from training.propensity.inputs import HISTORY_INPUTS, LABEL, PROFILE_INPUTS, SERIES_INPUTS

FISH = Amount(kind="amount", label="fish", title="spend on fish", scope=Scope(departments=["SEA"]))
INCOME = Amount(kind="amount", label="income", title="income", attribute="income")
CONFIG = AmountConfig(trees=TreesConfig(leaves=3, rounds=20, patience=5, min_rows=20, threads=1))


def window(seed: int, size: int = 1500) -> pd.DataFrame:
    """Customers whose spend grows with their visits and halves where they come at weekends; many spend nothing."""
    rng = np.random.default_rng(seed)
    columns = [*SERIES_INPUTS, *PROFILE_INPUTS, *(f"fish:{name}" for name in HISTORY_INPUTS)]
    frame = pd.DataFrame(rng.gamma(1, 2, (size, len(columns))), columns=columns)
    mean = 3 * (1 + frame["fish:visits_decay_56"]) * np.where(frame["weekend_share_84"] > 1.5, 0.5, 1.0)
    spent = np.where(rng.random(size) < 0.5, 2 * mean * rng.gamma(4, 1 / 4, size), 0.0)
    recorded = np.where(rng.random(size) < 0.3, 1000 + 500 * frame["spend_84"], np.nan)
    return frame.assign(
        customer_id=[f"c{n}" for n in range(size)], **{"spent:fish": spent, "recorded:income": recorded}
    )


def test_the_model_of_an_amount_beats_its_baseline_and_is_right_in_total():
    train, validation, gate = (propensity_inputs.rows(window(seed), FISH) for seed in (1, 2, 3))
    columns = propensity_inputs.inputs(FISH, ["fish"], [])
    result = amounts.fit(FISH.model, train, validation, columns, CONFIG)
    ours, base = (amounts.judge(model, gate) for model in (result.model, amounts.baseline(FISH, train).model))
    assert ours.by_customer.mean() > base.by_customer.mean()
    assert ours.metrics["rmse"] < base.metrics["rmse"]
    assert ours.metrics["total"] == pytest.approx(1, abs=0.1)
    assert result.model.to_bytes() == amounts.fit(FISH.model, train, validation, columns, CONFIG).model.to_bytes()
    any_at_all = amounts.chance_of_any(result.model, result.model.predict(gate)).mean()
    assert any_at_all == pytest.approx((gate[LABEL] > 0).mean(), abs=0.05)


@pytest.mark.parametrize("candidate", ["own history", "linear", "trees"])
def test_every_candidate_explains_its_expectation_exactly_and_comes_back_from_its_files(candidate: str):
    train, gate = (propensity_inputs.rows(window(seed), FISH) for seed in (1, 3))
    candidates = amounts.candidate_models(
        FISH.model, train, train, propensity_inputs.inputs(FISH, ["fish"], []), CONFIG
    )
    model: Model = from_bytes(candidates[candidate].model.to_bytes())
    expected = model.predict(gate)
    assert np.ptp(np.log(expected) - model.contributions(gate).sum(axis=1)) < 1e-6  # exact up to a constant
    np.testing.assert_array_equal(expected, candidates[candidate].model.predict(gate))
    assert expected.min() > 0
    assert model.predict(gate[:0]).shape == (0,)


def test_a_recorded_number_is_guessed_for_the_others():
    frame = window(1)
    rows = propensity_inputs.rows(frame, INCOME)
    assert len(rows) == frame["recorded:income"].notna().sum()
    train, validation, gate = propensity_inputs.folds(rows)
    result = amounts.fit(INCOME.model, train, validation, propensity_inputs.inputs(INCOME, [], []), CONFIG)
    mean = amounts.baseline(INCOME, train).model
    assert mean.predict(gate) == pytest.approx(train[LABEL].mean(), rel=1e-3)
    assert amounts.judge(result.model, gate).metrics["rmse"] < 0.7 * amounts.judge(mean, gate).metrics["rmse"]
    assert amounts.chance_of_any(result.model, result.model.predict(gate)).min() > 0.99


def test_an_amount_is_of_a_scope_or_recorded():
    with pytest.raises(ValidationError, match="needs a scope or an attribute, and not both"):
        Amount(kind="amount", label="x", title="x")
