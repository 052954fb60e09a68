from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from training.value import BgNbd, bg_nbd, deciles, gamma_gamma, steps


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
    found = bg_nbd(x, t_x, seen)
    assert (round(found.r, 3), round(found.alpha, 3)) == (0.243, 4.414)
    assert (round(found.a, 3), round(found.b, 3)) == (0.793, 2.426)
    assert found.log_likelihood == pytest.approx(-9582.4, abs=0.1)
    money = gamma_gamma(x, mean)
    assert (round(money.p, 2), round(money.q, 2), round(money.v, 1)) == (6.25, 3.74, 15.4)


def test_the_published_customer_of_the_paper():
    found = BgNbd(0.243, 4.414, 0.793, 2.426).expected(39, np.array([2.0]), np.array([30.43]), np.array([38.86]))
    assert found[0] == pytest.approx(1.226, abs=0.001)


def test_who_came_often_and_long_ago_is_gone():
    model = BgNbd(0.243, 4.414, 0.793, 2.426)
    x, seen = np.array([0.0, 10.0, 10.0]), np.full(3, 40.0)
    alive = model.alive(x, np.array([0.0, 39.0, 5.0]), seen)
    assert alive[0] == 1
    assert alive[1] > 0.9 > 0.1 > alive[2]
    assert model.expected(1e-9, x, np.zeros(3), seen) == pytest.approx(np.zeros(3), abs=1e-6)


def test_steps_add_up_and_follow_the_value():
    rng = np.random.default_rng(2)
    frame = pd.DataFrame({"a": rng.normal(size=600)})
    frame["money"] = np.where(frame["a"] > 0, 100 * frame["a"], 0.0)
    model = steps(frame, ["a"], "money", count=4)
    shares = model.shares(frame)
    np.testing.assert_allclose(shares.sum(axis=1), 1)
    assert shares.min() >= 0
    assert shares.shape[1] == len(model.worth) == 5
    assert np.corrcoef(model.expected(frame), frame["money"])[0, 1] > 0.9
    low, high = model.interval(frame)
    assert (low <= high).all()
    assert model.worth == tuple(sorted(model.worth))


def test_deciles_hold_everybody_once():
    told = deciles(np.arange(25.0), np.arange(25.0))
    assert told["customers"].sum() == 25
    assert told["predicted"].is_monotonic_increasing
    np.testing.assert_allclose(told["predicted"], told["came"])
