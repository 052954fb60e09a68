from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from training.churn import evaluate as churn_evaluate, fit as churn_fit, inputs as churn_inputs, spec as churn_spec
from training.classifiers.calibration import with_calibration
from training.classifiers.linear import LogisticConfig
from training.classifiers.trees import TreesConfig
from training.evaluation import coverage
from training.overdue import inputs as overdue_inputs

CONFIG = churn_fit.ChurnConfig(LogisticConfig(strength=0.1), TreesConfig(leaves=3, rounds=20, patience=5, min_rows=20))


def window(size: int = 400, seed: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(rng.gamma(2, 5, (size, len(churn_spec.INPUTS))), columns=churn_spec.INPUTS)
    frame["returned"] = rng.random(size) > frame["recency_days"] / 60
    return frame.assign(customer_id=[f"{n:04d}" for n in range(size)])


def test_active_customers_are_labelled():
    frame = window()
    frame.loc[0, "recency_days"] = 84
    result = churn_inputs.rows(frame, 84)
    assert len(result) == int((frame["recency_days"] < 84).sum())
    assert (result["left"] == ~result["returned"]).all()


def test_the_chosen_kind_is_fitted_again_on_the_newest_rows():
    train, validation = churn_inputs.rows(window(seed=1), 84), churn_inputs.rows(window(seed=2), 84)
    first = churn_fit.fit(train, validation, config=CONFIG).model
    recent = pd.concat([train, validation, churn_inputs.rows(window(seed=3), 84)])
    again = churn_fit.fit(train, validation, recent, CONFIG).model
    assert again.meta.family == first.meta.family
    assert not np.allclose(again.predict(validation), first.predict(validation))
    assert churn_fit.fit(train, validation, recent, CONFIG).model.to_bytes() == again.to_bytes()


def test_calibration_moves_the_log_odds():
    train = churn_inputs.rows(window(), 84)
    plain = churn_evaluate.baseline(train).model
    p, q = plain.predict(train), with_calibration(plain, 2.0, 0.5).predict(train)
    np.testing.assert_allclose(np.log(q / (1 - q)), 2 * np.log(p / (1 - p)) + 0.5)


def test_coverage_is_the_longest_list_that_holds_the_precision():
    truth, probability = np.array([1, 1, 0, 1, 0, 0]), np.array([0.9, 0.8, 0.7, 0.6, 0.2, 0.1])
    actual = coverage.coverage(truth, probability, (0.5, 0.7, 0.9)).set_index("precision")
    assert actual["named"].tolist() == [6, 4, 2]
    assert actual.loc[0.9, "found"] == pytest.approx(2 / 3)
    assert coverage.coverage(np.zeros(3), np.ones(3), (0.9,))["named"].tolist() == [0]


def test_the_gate_tells_how_many_can_be_named():
    train = churn_inputs.rows(window(), 84)
    judged = churn_evaluate.evaluate(churn_evaluate.baseline(train).model, train)
    actual = coverage.coverage(judged.truth, judged.probability).set_index("precision")
    assert judged.metrics["named_at_50"] == actual.loc[0.5, "coverage"]
    assert judged.metrics["found_at_70"] == actual.loc[0.7, "found"]


def test_own_rows_keep_who_is_known_and_within_the_limit():
    frame = window(6).assign(beyond_limit=[1.0, 0.0, np.nan, 1.0, np.nan, 0.0])
    assert overdue_inputs.rows(frame)[overdue_inputs.LABEL].tolist() == [True, False, True, False]
