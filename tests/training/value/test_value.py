from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from training.evaluation import amounts
from training.models.artifacts import digest, from_bytes
from training.value import (
    evaluate as value_evaluate,
    fit as value_fit,
    models as value_models,
    spec as value_spec,
)
from training.value.bg_nbd import BgNbd, bg_nbd, gamma_gamma
from training.value.models import Bands, PurchaseForecast


def cdnow(data):
    """Repeat purchases, weeks to the last, weeks seen, and mean money of the CDNOW sample up to week 39."""
    columns = ["master", "id", "day", "pieces", "money"]
    rows = pd.read_csv(data / "value" / "cdnow_sample.txt", sep=r"\s+", names=columns)
    rows["day"] = pd.to_datetime(rows["day"].astype(str))
    rows = rows[rows["day"] <= "1997-09-30"].groupby(["id", "day"])["money"].sum().reset_index()
    days = rows.groupby("id")["day"].agg(["min", "max", "count"])
    repeats = rows[rows["day"] > rows["id"].map(days["min"])].groupby("id")["money"].mean()
    weeks = [(until - days["min"]).dt.days / 7 for until in (days["max"], pd.Timestamp("1997-09-30"))]
    mean = repeats.reindex(days.index).fillna(0.0)
    return tuple(np.asarray(v, dtype="float64") for v in (days["count"] - 1, *weeks, mean))


def test_the_published_fits_of_cdnow_come_out(data):
    x, t_x, seen, mean = cdnow(data)
    result = bg_nbd(x, t_x, seen)
    assert (round(result.r, 3), round(result.alpha, 3)) == (0.243, 4.414)
    assert (round(result.a, 3), round(result.b, 3)) == (0.793, 2.426)
    assert result.log_likelihood == pytest.approx(-9582.4, abs=0.1)
    money = gamma_gamma(x, mean)
    assert (round(money.p, 2), round(money.q, 2), round(money.v, 1)) == (6.25, 3.74, 15.4)


def test_the_published_customer_of_the_paper():
    result = BgNbd(0.243, 4.414, 0.793, 2.426).expected(39, np.array([2.0]), np.array([30.43]), np.array([38.86]))
    assert result[0] == pytest.approx(1.226, abs=0.001)


def test_who_came_often_and_long_ago_is_gone():
    model = BgNbd(0.243, 4.414, 0.793, 2.426)
    x, seen = np.array([0.0, 10.0, 10.0]), np.full(3, 40.0)
    alive = model.alive(x, np.array([0.0, 39.0, 5.0]), seen)
    assert alive[0] == 1
    assert alive[1] > 0.9 > 0.1 > alive[2]
    assert model.expected(1e-9, x, np.zeros(3), seen) == pytest.approx(np.zeros(3), abs=1e-6)


@pytest.fixture(scope="module")
def customers():
    """Customers whose spend to come follows the spend of the last 84 days; a fifth come no more."""
    rng = np.random.default_rng(2)
    frame = pd.DataFrame(rng.gamma(2, 5, (1500, len(value_spec.DECLARED))), columns=value_spec.DECLARED)
    frame["tenure_days"] = rng.integers(60, 300, len(frame))
    frame["recency_days"] = np.floor(frame["tenure_days"] * rng.random(len(frame)))
    frame["visits_total"] = 1 + rng.poisson(frame["tenure_days"] / 20)
    frame["spend_84"] = rng.gamma(1.5, 100, len(frame))
    frame.loc[::7, "gap_last"] = np.nan
    come = frame["spend_84"] * rng.lognormal(-0.125, 0.5, len(frame))
    frame["spend_after"] = np.where(rng.random(len(frame)) < 0.2, 0.0, come)
    return frame.assign(customer_id=[f"{n:05d}" for n in range(len(frame))])


FITS = {
    "spend": lambda frame: value_evaluate.baseline(frame),
    "purchases": lambda frame: value_fit.fit_purchases(frame, 12),
    "steps": lambda frame: value_fit.fit_steps(frame, 12),
}


@pytest.mark.parametrize("form", FITS)
def test_every_form_is_read_back_as_it_was_and_brackets_what_comes(customers, form):
    train, held = customers[:1000], customers[1000:]
    model = FITS[form](train).model
    again = from_bytes(model.to_bytes())
    assert digest(again.to_bytes()) == digest(FITS[form](train).model.to_bytes())
    np.testing.assert_array_equal(again.predict(held), model.predict(held))
    low, high = model.interval(held)
    assert (low <= high).all()
    assert (low >= 0).all()
    judged = value_evaluate.evaluate(model, held)
    assert 0.75 < judged.metrics["coverage"] < 0.97  # a fifth spends nothing, which is within every interval
    assert model.contributions(held).shape == (500, len(model.meta.inputs))


def test_steps_follow_the_value_beyond_their_simple_peers(customers):
    train, held = customers[:1000], customers[1000:]
    result = {form: value_evaluate.evaluate(fit(train).model, held).metrics for form, fit in FITS.items()}
    assert result["steps"]["deviance"] < result["purchases"]["deviance"]
    attainable = np.corrcoef(held["spend_84"], held["spend_after"])[0, 1]
    assert result["steps"]["correlation"] > 0.85 * attainable
    assert result["steps"]["total"] == pytest.approx(1, abs=0.15)


def test_steps_are_shares_whose_reasons_are_exact(customers):
    model = value_fit.fit_steps(customers, 12).model
    shares = model.shares(customers)
    np.testing.assert_allclose(shares.sum(axis=1), 1)
    assert shares.min() >= 0
    assert (np.diff(model.worth) > 0).all()
    middle = len(model.borders) // 2
    odds = model.logits.log_odds(model._inputs(customers))[:, middle] - model.logits.intercepts[middle]
    np.testing.assert_allclose(model.contributions(customers).sum(axis=1), odds, atol=1e-9)


def test_what_a_forecast_of_purchases_adds_adds_up(customers):
    model = value_fit.fit_purchases(customers, 12).model
    typical = pd.DataFrame([model.form["typical"]], columns=list(model.meta.inputs))
    whole = np.log(model.predict(customers)) - np.log(model.predict(typical))
    np.testing.assert_allclose(model.contributions(customers).sum(axis=1), whole, atol=1e-9)


def test_the_interval_of_steps_is_even_within_a_step_and_fades_beyond_the_last():
    money = value_fit.gamma_gamma(np.array([2.0, 3.0]), np.array([5.0, 9.0]))
    result = value_models.packed(
        value_models.Meta("value", "value", "", (), (), {"form": "steps"}),
        {
            "inputs": [], "purchases": value_models.purchases_form(PurchaseForecast(BgNbd(1, 1, 2, 1), money, 12)),
            "logits": {name: [] for name in ("median", "mean", "scale", "coefficients", "intercepts")},
            "borders": [0.0, 10.0, 30.0], "worth": [0, 5, 20, 50],
        },
    )  # fmt: skip
    over = np.array([[0.8, 0.5, 0.2]])
    assert result._exceeded(over, 0.9)[0] == 0  # one in five spends nothing
    assert result._exceeded(over, 0.65)[0] == pytest.approx(5)  # half way from 0.8 to 0.5
    assert result._exceeded(over, 0.2)[0] == pytest.approx(30)
    assert result._exceeded(over, 0.1)[0] == pytest.approx(30 + 20 * np.log(2))  # 50 - 30 is the mean beyond the last


def test_deviance_by_hand():
    result = amounts.deviances(np.array([0.0, 4.0, 9.0]), np.array([4.0, 4.0, 1.0]))
    np.testing.assert_allclose(result, [8.0, 0.0, 16.0])  # 4 (sqrt(y) - sqrt(m))^2 / sqrt(m)


def test_bands_hold_the_share_they_promise():
    rng = np.random.default_rng(1)
    expected = rng.gamma(2, 50, 5000)
    low, high = Bands.of(expected, expected * rng.random(5000)).around(expected)
    np.testing.assert_allclose(low / expected, 0.1, atol=0.03)
    np.testing.assert_allclose(high / expected, 0.9, atol=0.03)
