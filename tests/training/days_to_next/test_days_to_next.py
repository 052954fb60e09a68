"""Days to the next purchase: a log-normal distribution with censoring, from visits to scores."""

from __future__ import annotations

from datetime import date, timedelta
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm

from conf.settings.schema import Models
from training.contenders import NotEnoughData
from training.days_to_next import evaluate, fit, inputs, score, spec
from training.days_to_next.log_normal import log_likelihoods
from training.evaluation.gate import decide, faults
from training.evaluation.leakage import leaks
from training.evaluation.windows import windows
from training.models.artifacts import digest, from_bytes

NIGHT, START = date(2017, 12, 3), date(2017, 1, 1)
MODELS = Models(churn_windows=12)


class Sets:
    """Customers whose gaps are log-normal around 3, 9 or 27 days, and who hurry when a promotion runs on ``as_of``.

    Of the inputs only the median gap, the days since the last visit and ``visit_rate_56`` (the promotion) are filled.
    """

    def __init__(self, customers: int) -> None:
        rng = np.random.default_rng(11)
        laid = windows(NIGHT, 28, 4, START, 84)
        assert laid is not None
        self.windows, self.night, self.visit_days, self.asked = laid, NIGHT, [], []  # type: ignore[var-annotated]
        for _ in range(customers):
            gaps = np.maximum(1, np.rint(rng.lognormal(np.log(rng.choice([3, 9, 27])), 0.4, 200))).astype(int)
            reached = np.cumsum(gaps)
            self.visit_days.append(reached[reached <= 336])
        self.checkpoints: Any = None

    def visits(self) -> pd.DataFrame:
        ago = [(336 - days)[::-1].astype("int32") for days in self.visit_days]
        return pd.DataFrame(
            {"customer_id": self._names(), "actions": [["D"] * len(days) for days in ago], "days_ago": ago}
        )

    def purchase_series(self, days: Any) -> pd.DataFrame:
        self.asked.append(days)
        return pd.concat([self._of(day) for day in days], ignore_index=True)

    def _of(self, day: date) -> pd.DataFrame:
        at = (day - START).days
        past = [days[days <= at] for days in self.visit_days]
        frame = pd.DataFrame(np.zeros((len(past), len(spec.INPUTS))), columns=list(spec.INPUTS))
        frame["gap_median"] = [np.median(np.diff(days)) if len(days) > 1 else np.nan for days in past]
        frame["recency_days"] = [float(at - days[-1]) if len(days) else 999.0 for days in past]
        return frame.assign(customer_id=self._names(), as_of=day)

    def _names(self) -> list[str]:
        return [f"c{number:04d}" for number in range(len(self.visit_days))]


def test_the_likelihood_by_hand():
    """Day 1 is everything up to 1.5, day 3 is from 2.5 to 3.5, and who is censored on day 3 came after 3.5."""
    result = log_likelihoods(np.array([1.0, 3.0, 3.0]), np.array([False, False, True]), np.log([2.0, 2.0, 2.0]), 0.5)
    edge = {day: norm.cdf((np.log(day) - np.log(2)) / 0.5) for day in (1.5, 2.5, 3.5)}
    np.testing.assert_allclose(np.exp(result), [edge[1.5], edge[3.5] - edge[2.5], 1 - edge[3.5]])


def test_slopes_are_derivatives():
    rng = np.random.default_rng(1)
    x, days = np.column_stack([rng.normal(size=(40, 2)), np.ones(40)]), rng.integers(1, 30, 40).astype(float)
    censored, theta = rng.random(40) < 0.3, np.array([0.2, -0.4, 1.5, -0.3])
    _, slopes = fit._loss(theta, x, days, censored)
    for place, step in enumerate(1e-6 * np.eye(4)):
        up, down = (fit._loss(theta + sign * step, x, days, censored)[0] for sign in (1, -1))
        assert slopes[place] == pytest.approx((up - down) / 2e-6, abs=1e-6)


def test_the_distribution_is_recovered_though_a_third_is_censored():
    rng = np.random.default_rng(2)
    gap = rng.choice([4.0, 16.0], 6000)
    days = np.maximum(1, np.rint(rng.lognormal(np.log(gap), 0.5)))
    followed = 14
    train = pd.DataFrame({"gap_median": gap, "customer_id": np.arange(6000), inputs.LABEL: np.minimum(days, followed),
                          inputs.CENSORED: days > followed})  # fmt: skip
    assert 0.25 < train[inputs.CENSORED].mean() < 0.35
    model = fit.fit(train, ["gap_median"], fit.DaysConfig(penalty=0.0)).model
    np.testing.assert_allclose(model.predict(pd.DataFrame({"gap_median": [4.0, 16.0]})), [4.0, 16.0], rtol=0.04)
    assert model.spread == pytest.approx(0.5, abs=0.02)  # type: ignore[attr-defined]
    assert model.chance_within(pd.DataFrame({"gap_median": [16.0]}), 16)[0] == pytest.approx(0.52, abs=0.03)  # type: ignore[attr-defined]
    again = from_bytes(model.to_bytes())
    assert digest(again.to_bytes()) == digest(model.to_bytes())
    np.testing.assert_array_equal(again.predict(train), model.predict(train))


def test_customers_are_followed_until_the_day_that_may_be_known():
    """Visits 10 and 40 days before the night: 28 days before it, the next comes after 18 days, and 7 are too few."""
    night = date(2017, 12, 3)
    series = pd.DataFrame({"customer_id": ["a", "gone"], "recency_days": [12.0, 90.0]})
    visits = pd.DataFrame({"customer_id": ["a", "gone"], "actions": [["D", "D"], ["D"]], "days_ago": [[10, 40], [118]]})
    day = night - timedelta(days=28)
    sets: Any = SimpleNamespace(
        night=night, visits=lambda: visits, purchase_series=lambda days: series.assign(as_of=days[0])
    )
    for until, expected in ((night, (18.0, 28, False)), (day + timedelta(days=7), (7.0, 7, True))):
        result = inputs.rows(sets, (day,), 84, until)
        assert result["customer_id"].tolist() == ["a"]
        assert tuple(result.loc[0, [inputs.LABEL, inputs.OBSERVED, inputs.CENSORED]]) == expected


def test_contenders_go_from_visits_to_a_decision():
    sets: Any = Sets(300)
    result = evaluate.contenders(sets, MODELS)
    gate_day, days = inputs.gate_and_training(sets.windows, MODELS)
    assert sets.asked == [days, (gate_day,)]
    assert set(inputs.days(sets.windows, MODELS)) == {gate_day, *days}
    assert gate_day + timedelta(days=84) == NIGHT
    assert leaks(result.split, NIGHT) == []
    assert leaks(result.split, NIGHT - timedelta(days=1)) != []  # the gate's labels end on the night itself
    plain, of_absence, challenger = (
        result.evaluate(one.model) for one in (result.baseline, *result.further, result.challenger)
    )
    meta = result.challenger.model.meta
    assert faults(challenger.probability, challenger.truth, meta.inputs, spec.INPUTS) == []
    assert challenger.by_customer.index.equals(plain.by_customer.index)
    assert decide(of_absence.by_customer, {"gap": plain.by_customer}, rounds=200).promote  # the absence so far counts
    assert challenger.metrics["sooner_share"] == pytest.approx(0.5, abs=0.08)
    assert challenger.probability.mean() == pytest.approx(challenger.truth.mean(), abs=0.05)


def test_five_customers_are_too_few_to_learn_from():
    sets: Any = Sets(1)
    with pytest.raises(NotEnoughData, match="came back in training"):
        evaluate.contenders(sets, MODELS)


def test_active_customers_are_scored_and_nobody_beyond_the_days_followed():
    train = pd.DataFrame({"gap_median": np.repeat([4.0, 40.0], 50), "customer_id": np.arange(100),
                          inputs.LABEL: np.repeat([4.0, 40.0], 50), inputs.CENSORED: False})  # fmt: skip
    model = fit.fit(train, ["gap_median"], fit.DaysConfig(penalty=0.0)).model
    frame = pd.DataFrame({"gap_median": [4.0, 4.0, 400.0]})
    match = score.score(model, frame, np.array([True, False, True])).numbers["days_to_next_purchase"]
    assert match[0] == pytest.approx(4, abs=0.5)
    assert np.isnan(match[1:]).all()
    assert score.score(None, frame, np.array([True] * 3)).numbers == {}
