from __future__ import annotations

from datetime import date
from functools import partial

import numpy as np
import pandas as pd
import pytest
from sklearn.naive_bayes import GaussianNB

from conf.settings.propensities import Attribute, FirstPurchase, Propensity, Purchase, Return, Scope
from training.classifiers.linear import LogisticConfig, logistic, naive_bayes
from training.classifiers.trees import TreesConfig
from training.evaluation.fitted import FittedModel, evaluate_binary
from training.models.artifacts import from_bytes
from training.propensity import evaluate as propensity_evaluate, fit as propensity_fit, inputs as propensity_inputs
from training.propensity.inputs import HISTORY_INPUTS, LABEL, PROFILE_INPUTS, SERIES_INPUTS

FISH = Purchase(kind="buys", label="fish", title="buys fish", scope=Scope(departments=["SEA"]))
NEW_FISH = FISH.model_copy(update={"kind": "adopts"})
BACK = Return(kind="returns", label="back", title="comes back", lapse_days=28)
FIRST = FirstPurchase(kind="first_purchase", label="first", title="buys for the first time")
PARENT = Attribute(kind="attribute", label="parent", title="has children", attribute="kids", values=["1"])
CONFIG = propensity_fit.PropensityConfig(trees=(TreesConfig(leaves=3, rounds=20, patience=5, min_rows=20),))


def customers(size: int, seed: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    names = [*SERIES_INPUTS, *PROFILE_INPUTS]
    frame = pd.DataFrame(rng.gamma(2, 5, (size, len(names))), columns=names)
    frame["likes"] = [["DELI", "FISH"][: n % 3] for n in range(size)]
    frame["lift"] = [[2.0, 0.5][: n % 3] for n in range(size)]
    return frame.assign(customer_id=[f"{n:05d}" for n in range(size)], as_of=date(2017, 10, 1))


def history(size: int) -> pd.DataFrame:
    return pd.DataFrame({"label": "fish", **{name: np.arange(1.0, size + 1) for name in HISTORY_INPUTS}})


def window(size: int = 900, seed: int = 0, slope: float = 3.0) -> pd.DataFrame:
    """Customers who buy the more the more often they did."""
    rng = np.random.default_rng(seed)
    base = customers(size, seed)
    visits = rng.poisson(1.0, size).astype(float)
    rows = pd.DataFrame({"label": "fish", **{name: rng.random(size) for name in HISTORY_INPUTS}})
    rows["visits_total"] = rows["visits_decay_56"] = rows["visits_decay_112"] = visits
    frame = propensity_inputs.wide(base, np.arange(size), rows, ["fish"], ["DELI"])
    chance = 1 / (1 + np.exp(-(slope * visits - 3)))
    return frame.assign(**{"bought:fish": rng.random(size) < chance, "returned": True})


def test_the_wide_frame_by_hand():
    base = customers(4)
    result = propensity_inputs.wide(base, np.array([2, 0]), history(2), ["fish", "wine"], ["DELI", "FISH"])
    assert result["fish:visits_total"].tolist() == [2, 0, 1, 0]
    assert result["fish:recency_days"].isna().tolist() == [False, True, False, True]
    assert result["fish:absence_by_rate"].tolist() == [2, 1, 1, 1]  # who never bought stays away for certain
    assert result["wine:visits_total"].tolist() == [0, 0, 0, 0]
    assert result["likes:DELI"].tolist() == [0, 2, 2, 0]
    assert result["likes:FISH"].tolist() == [0, 0, 0.5, 0]
    assert "likes" not in result
    assert propensity_inputs.departments(base["likes"]) == ["DELI", "FISH"]
    assert propensity_inputs.departments(pd.Series([["DELI"], *([[]] * 30)])) == []


def test_a_row_without_history_looks_like_no_row():
    """In training those who will buy have a row even if they never bought; it must not give them away."""
    empty = history(1).assign(**dict.fromkeys(HISTORY_INPUTS, 0.15)).assign(visits_total=0.0)
    with_row = propensity_inputs.wide(customers(1), np.array([0]), empty, ["fish"], [])
    without = propensity_inputs.wide(customers(1), np.array([], dtype=int), empty[:0], ["fish"], [])
    pd.testing.assert_frame_equal(with_row, without)


@pytest.mark.parametrize(
    ("asked", "expected"),
    [(FISH, [True, True, False]), (NEW_FISH, [False, True, False]), (BACK, [False, True, False]),
     (FIRST, [False, False, True]), (PARENT, [True, True, False])],
)  # fmt: skip
def test_of_whom_a_label_can_be_asked(asked: Propensity, expected: list[bool]):
    frame = pd.DataFrame(
        {"visits_total": [5.0, 1.0, np.nan], "recency_days": [27.0, 28.0, np.nan], "fish:visits_total": [1.0, 0.0, 0.0]}
    )
    assert propensity_inputs.eligible(frame, asked).tolist() == expected


def test_labels_are_what_happened_and_unknown_attributes_are_left_out():
    frame = window(3).assign(**{"bought:fish": [True, False, False], "recorded:parent": [True, None, False]})
    assert propensity_inputs.rows(frame, FISH)[LABEL].tolist() == [True, False, False]
    assert propensity_inputs.rows(frame, PARENT)[LABEL].tolist() == [True, False]


def test_folds_are_of_different_customers_and_hold_still():
    frame = window(500)
    parts = propensity_inputs.folds(frame)
    assert sorted(pd.concat(parts)["customer_id"]) == sorted(frame["customer_id"])
    assert [round(len(part) / 500, 1) for part in parts] == [0.6, 0.2, 0.2]
    again = propensity_inputs.folds(frame.sample(frac=1, random_state=1))
    assert [set(part["customer_id"]) for part in again] == [set(part["customer_id"]) for part in parts]


def test_naive_bayes_is_the_one_with_shared_variances():
    rng = np.random.default_rng(1)
    truth = np.arange(4000) % 4 == 0
    frame = pd.DataFrame(
        {"a": np.sinh(rng.normal(truth, 1.0)), "b": np.sinh(rng.normal(-0.5 * truth, 2.0)), "y": truth}
    )
    ours = naive_bayes("x", frame, ["a", "b"], "y")
    x = np.arcsinh(frame[["a", "b"]].to_numpy())
    theirs = GaussianNB().fit(x, truth)
    theirs.var_[:] = np.average(theirs.var_, axis=0, weights=theirs.class_count_)
    given, expected = (np.log(p / (1 - p)) for p in (ours.predict(frame), theirs.predict_proba(x)[:, 1]))
    assert np.corrcoef(given, expected)[0, 1] == pytest.approx(1)  # but for slope and intercept
    assert ours.predict(frame).mean() == pytest.approx(truth.mean(), abs=1e-3)
    again = from_bytes(ours.to_bytes())
    assert np.array_equal(again.predict(frame), ours.predict(frame))
    log_odds = np.log(ours.predict(frame) / (1 - ours.predict(frame)))
    assert np.ptp(log_odds - ours.contributions(frame).sum(axis=1)) < 1e-6  # exact up to a constant


def test_naive_bayes_bears_inputs_without_values_and_without_variance():
    frame = pd.DataFrame({"a": [1.0, 2.0, 3.0, 4.0], "b": np.nan, "c": 7.0, "y": [True, False, True, False]})
    assert np.isfinite(naive_bayes("x", frame, ["a", "b", "c"], "y").predict(frame)).all()


def test_the_simplest_as_good_as_the_best_is_kept():
    train, validation = (propensity_inputs.rows(window(seed=seed), FISH) for seed in (1, 2))
    columns = propensity_inputs.inputs(FISH, ["fish"], ["DELI"])
    good = FittedModel(logistic("x", train, columns, LABEL, LogisticConfig(strength=0.01)))
    poor = FittedModel(logistic("x", train, ["types_84"], LABEL, LogisticConfig()))
    judge = partial(evaluate_binary, frame=validation, label=LABEL)
    assert propensity_fit.simplest({"poor": poor, "good": good, "same": good}, judge) == "good"
    assert propensity_fit.simplest({"first": good, "second": good}, judge) == "first"
    candidates = propensity_fit.candidate_models(FISH.model, train, validation, columns, CONFIG)
    assert list(candidates) == ["own history", "naive Bayes", "logistic regression", "trees"]
    assert set(candidates["own history"].model.meta.inputs) == {f"fish:{name}" for name in HISTORY_INPUTS}
    one = {name: evaluate_binary(result.model, validation, LABEL).by_customer for name, result in candidates.items()}
    best = max(one, key=lambda name: one[name].mean())
    kept = propensity_fit.simplest(candidates, judge)
    behind = one[best] - one[kept]
    assert behind.mean() <= behind.std(ddof=0) / np.sqrt(len(behind))


def test_the_model_of_a_label_beats_its_baseline_and_repeats_itself():
    train, validation, gate = (propensity_inputs.rows(window(seed=seed), FISH) for seed in (1, 2, 3))
    columns = propensity_inputs.inputs(FISH, ["fish"], ["DELI"])
    result = propensity_fit.fit(FISH.model, train, validation, columns, CONFIG)
    base = propensity_evaluate.baseline(FISH, train.assign(**{"fish:visits_total": 0.0, "fish:visits_decay_56": 0.0}))
    assert (
        evaluate_binary(result.model, gate, LABEL).by_customer.mean()
        > evaluate_binary(base.model, gate, LABEL).by_customer.mean() + 0.05
    )
    again = propensity_fit.fit(FISH.model, train, validation, columns, CONFIG)
    assert result.model.to_bytes() == again.model.to_bytes()
    assert result.params["candidate"] in ("naive Bayes", "own history", "logistic regression", "trees")


def test_bands_are_fixed_by_a_window_and_coverage_is_told():
    train, gate = (propensity_inputs.rows(window(seed=seed), FISH) for seed in (1, 3))
    model = propensity_fit.with_bands(propensity_evaluate.baseline(FISH, train), gate).model
    middle, high = model.meta.extra["bands"]
    probability = model.predict(gate)
    assert (probability >= high).mean() >= 0.1
    assert (probability >= middle).mean() >= 0.3
    judged = propensity_evaluate.figures(evaluate_binary(model, gate, LABEL))
    named = [judged.metrics[f"coverage_at_precision_{share:g}"] for share in (0.5, 0.7, 0.9)]
    assert 1 >= named[0] >= named[1] >= named[2] >= 0


def test_a_base_rate_is_one_number():
    train = propensity_inputs.rows(window().assign(**{"recorded:parent": np.arange(900) % 3 == 0}), PARENT)
    assert propensity_evaluate.baseline(PARENT, train).model.predict(train) == pytest.approx(1 / 3, abs=0.01)


def test_an_adopter_has_no_history_in_the_scope_among_the_inputs():
    assert not any(name.startswith("fish:") for name in propensity_inputs.inputs(NEW_FISH, ["fish", "wine"], []))
    assert "wine:visits_decay_112" in propensity_inputs.inputs(NEW_FISH, ["fish", "wine"], [])
