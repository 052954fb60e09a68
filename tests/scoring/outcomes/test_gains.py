"""Gains over many nights: ratios by hand, and intervals against resampling done the long way."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from scoring.outcomes.gains import COLUMNS, gains, ratio_values

NIGHTS = ("2017-12-01", "2017-12-02")


def rows(*cells: tuple[str, str, str, float, float]) -> pd.DataFrame:
    return pd.DataFrame(cells, columns=list(COLUMNS))


#: redemptions found of redemptions: NBO 3 of 4, then 1 of 2; the other 1 of 4, then 0 of 2
BY_HAND = rows(
    (NIGHTS[0], "nbo", "a", 2, 2), (NIGHTS[0], "nbo", "b", 1, 2), (NIGHTS[1], "nbo", "a", 1, 1),
    (NIGHTS[1], "nbo", "c", 0, 1),
    (NIGHTS[0], "popularity", "a", 0, 2), (NIGHTS[0], "popularity", "b", 1, 2), (NIGHTS[1], "popularity", "a", 0, 1),
    (NIGHTS[1], "popularity", "c", 0, 1),
)  # fmt: skip


def test_the_mean_is_that_of_the_nights_ratios() -> None:
    assert gains(BY_HAND, 200, 1)["popularity"].value == pytest.approx((3 / 4 + 1 / 2) / 2 - (1 / 4 + 0) / 2)
    one = ratio_values(BY_HAND[BY_HAND["method"] == "nbo"], pd.Index(["a", "b", "c", "d"]))
    # a: (2 - 3/4 * 2) / 4 + (1 - 1/2) / 2; b: (1 - 3/4 * 2) / 4; c: -1/2 / 2; each over 2 nights, times 4 customers
    moved = np.array([0.125 + 0.25, -0.125, -0.25, 0.0]) / 2 * 4
    assert one.to_numpy() == pytest.approx(moved + 0.625)


def test_a_method_counts_on_the_nights_that_both_have() -> None:
    late = pd.concat([BY_HAND[BY_HAND["offers_of"] == NIGHTS[1]], BY_HAND[BY_HAND["method"] == "nbo"].head(2)])
    assert gains(late, 50, 1)["popularity"].value == pytest.approx(1 / 2)
    apart = BY_HAND[(BY_HAND["method"] == "nbo") == (BY_HAND["offers_of"] == NIGHTS[0])]
    assert gains(apart, 50, 1) == {}


def test_a_night_told_seven_times_is_no_surer_than_told_once() -> None:
    """Redemptions of overlapping horizons are the same redemptions."""
    once = _night(60)
    often = pd.concat([once.assign(offers_of=f"2017-12-0{n}") for n in range(1, 8)])
    actual, again = (gains(result, 500, 3)["popularity"] for result in (once, often))
    assert (again.value, again.low, again.high) == pytest.approx((actual.value, actual.low, actual.high))


def test_intervals_are_those_of_resampled_ratios() -> None:
    night = _night(400)
    result = gains(night, 2000, 5)["popularity"]
    wide = night.pivot(index="customer_id", columns="method", values=["above", "below"])
    drawn = np.random.default_rng(7).integers(0, len(wide), (2000, len(wide)))
    cells = {key: wide[key].to_numpy()[drawn].sum(axis=1) for key in wide.columns}
    shares = {m: cells["above", m] / cells["below", m] for m in ("nbo", "popularity")}
    low, high = np.quantile(shares["nbo"] - shares["popularity"], [0.025, 0.975])
    assert (result.low, result.high) == pytest.approx((low, high), abs=0.15 * (high - low))


def _night(customers: int) -> pd.DataFrame:
    rng = np.random.default_rng(11)
    wanted = rng.integers(1, 6, customers).astype(float)
    who = [f"c{n:03d}" for n in range(customers)]
    parts = [
        pd.DataFrame({"offers_of": "2017-12-01", "method": method, "customer_id": who,
                      "above": rng.binomial(wanted.astype(int), chance).astype(float), "below": wanted})
        for method, chance in (("nbo", 0.4), ("popularity", 0.3))
    ]  # fmt: skip
    return pd.concat(parts, ignore_index=True)
