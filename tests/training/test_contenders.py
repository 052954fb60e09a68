"""The contenders of churn, value and survival on made-up customers, from labels to the gate; no Spark, no registry."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import numpy as np
import pandas as pd
import pytest

from conf.settings.schema import Models
from features.customers.purchase_series import Series, describe
from features.customers.series_labels import Horizons, after, labels
from training import registry
from training.contenders import Contenders, NotEnoughData
from training.evaluation.gate import decide, faults
from training.evaluation.leakage import leaks
from training.evaluation.windows import windows
from training.rankers.inputs import RESPONSE_INPUTS
from training.spec import ModelSpec, loaded

NIGHT, START, EPOCH = date(2017, 12, 3), date(2017, 1, 1), date(1970, 1, 1)


class Sets:
    """Customers who buy at a rate of their own until they leave, described as the set ``purchase_series`` is."""

    def __init__(self, customers: int) -> None:
        rng = np.random.default_rng(8)
        result = windows(NIGHT, 28, 4, START, 84)
        assert result is not None
        self.windows, rows = result, []
        for owner in range(customers):
            rate, leaves = rng.choice([0.05, 0.12, 0.3]), rng.exponential(400)
            days = np.flatnonzero((rng.random(337) < rate) & (np.arange(337) < leaves))
            rows += [(owner, int(day), int(10_000 * rng.lognormal(3 + 3 * rate, 0.3))) for day in days]
        owner, day, amount = (np.array(column, dtype="int64") for column in zip(*rows, strict=True))
        first = (START - EPOCH).days
        self.baskets = Series(customers, owner, day + first, amount, amount * 0, amount * 0 + 1)

    def purchase_series(self, days: Any) -> pd.DataFrame:
        return pd.concat([self._of(day) for day in (days if isinstance(days, tuple) else (days,))], ignore_index=True)

    def _of(self, as_of: date) -> pd.DataFrame:
        series, day = self.baskets, (as_of - EPOCH).days
        recorded = describe(series, day)
        later = after(series.owner, series.day, series.amount, series.customers, day)
        frame = pd.DataFrame(recorded | labels(later, recorded, Horizons(28, 84, (NIGHT - EPOCH).days)))
        frame = frame.assign(as_of=as_of, customer_id=[f"c{number:04d}" for number in range(series.customers)])
        return frame[frame["baskets_total"] > 0]


def declared(name: str) -> ModelSpec:
    return next(spec for spec in registry.specs() if spec.name == name)


def contenders(spec: ModelSpec, sets: Any, models: Models) -> Contenders:
    fitted: Contenders = loaded(spec.contenders)(sets, models)
    return fitted


@pytest.fixture(scope="module")
def sets() -> Sets:
    return Sets(400)


@pytest.mark.parametrize("name", ["overdue", "survival", "value", "value_purchases"])
def test_contenders_go_from_labels_to_a_decision(sets: Sets, name: str) -> None:
    spec, models = declared(name), Models(churn_windows=12)
    fitted = contenders(spec, sets, models)  # type: ignore[arg-type]
    challenger, baseline = (fitted.evaluate(one.model) for one in (fitted.challenger, fitted.baseline))
    assert challenger.by_customer.index.equals(baseline.by_customer.index)
    meta = fitted.challenger.model.meta
    assert meta.name == spec.model
    assert faults(challenger.probability, challenger.truth, meta.inputs, spec.inputs) == []
    assert leaks(fitted.split, NIGHT) == []
    assert leaks(fitted.split, NIGHT - timedelta(days=1)) != []  # the gate's labels end on the night itself
    decision = decide(challenger.by_customer, {meta.family: baseline.by_customer}, rounds=100)
    assert np.isfinite([decision.value, decision.low, decision.high]).all()
    if name == "survival":
        assert decision.promote  # rates differ sixfold, which recency alone predicts badly


def test_no_training_row_knows_anything_of_the_gate(sets: Sets) -> None:
    gate, days = sets.windows.longer(84, 12)
    assert max(days) + timedelta(days=84) <= gate
    gate, days = sets.windows.surviving(12, 12)
    assert max(days) + timedelta(days=28) <= gate
    assert gate + timedelta(days=28 + 7 * 11) == NIGHT


@pytest.mark.parametrize("name", ["overdue", "survival", "value", "value_purchases"])
def test_five_customers_are_too_few_to_learn_from(name: str) -> None:
    with pytest.raises(NotEnoughData):
        contenders(declared(name), Sets(5), Models(churn_windows=12))  # type: ignore[arg-type]


class Coupons:
    """Coupons of a few windows: who buys in the scope often redeems, above all where they buy more than others do."""

    def __init__(self, customers: int) -> None:
        result = windows(NIGHT, 28, 2, START, 84)
        assert result is not None
        self.windows, self.customers, self.asked = result, customers, []  # type: ignore[var-annotated]

    def read(self, name: str, day: date) -> pd.DataFrame:
        assert name == "coupons"
        self.asked.append(day)
        rng, one = np.random.default_rng(day.toordinal()), 20
        n = self.customers * one
        rows = pd.DataFrame(rng.random((n, len(RESPONSE_INPUTS))), columns=list(RESPONSE_INPUTS))
        odds = -7 + 3 * rows["scope_frequency"] + 5 * rows["scope_lift"]
        return rows.assign(
            as_of=day,
            customer_id=np.repeat([f"c{number:03d}" for number in range(self.customers)], one),
            offer_id=[f"o{number:02d}" for number in range(one)] * self.customers,
            redeemed=rng.random(n) < 1 / (1 + np.exp(-odds)),
        )


def test_redemptions_are_learnt_from_all_windows_below_the_gate_and_judged_as_lists() -> None:
    sets, spec = Coupons(120), declared("coupon_response")
    fitted = contenders(spec, sets, Models(coupon_windows=12))  # type: ignore[arg-type]
    assert sets.asked == [sets.windows.validation, *sets.windows.back(12), sets.windows.gate]
    assert len(sets.asked) > len(sets.windows.all)
    judged = {one.model.meta.family: fitted.evaluate(one.model) for one in (fitted.baseline, *fitted.further)}
    challenger = fitted.evaluate(fitted.challenger.model)
    assert faults(challenger.probability, challenger.truth, fitted.challenger.model.meta.inputs, spec.inputs) == []
    assert leaks(fitted.split, NIGHT) == []
    decision = decide(challenger.by_customer, {name: one.by_customer for name, one in judged.items()}, rounds=200)
    assert decision.promote
    assert decision.baseline == "personal frequency in the scope"
    with pytest.raises(NotEnoughData, match="'redeemed' holds for training"):
        contenders(spec, Coupons(1), Models())  # type: ignore[arg-type]
