from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import pytest

from conf.tables.features import PURCHASE_SERIES
from features.customers.purchase_series import Series, basket_series, describe, purchase_series
from features.customers.series_labels import Horizons

DAY = 17_000


def series(*baskets: tuple[int, int, float]) -> Series:
    """Baskets as (owner, days ago, amount)."""
    rows = sorted((owner, DAY - ago, round(amount * 10_000)) for owner, ago, amount in baskets)
    owner, day, amount = (np.array(column, dtype="int64") for column in zip(*rows, strict=True))
    ones = np.ones(len(rows), dtype="int64")
    return Series(int(owner.max()) + 1, owner, day, amount, ones * 0, ones * 3)


def test_a_customer_by_hand():
    result = describe(series((0, 50, 10.0), (0, 40, 20.0), (0, 10, 5.0), (0, 10, 7.0), (0, -3, 99.0)), DAY)
    one = {name: float(values[0]) for name, values in result.items()}
    assert (one["recency_days"], one["tenure_days"], one["visits_total"], one["baskets_total"]) == (10, 50, 3, 4)
    assert (one["baskets_28"], one["spend_28"], one["spend_84"], one["lines_84"]) == (2, 12.0, 42.0, 12)
    assert (one["visits_week_2"], one["spend_week_2"], one["visits_week_1"]) == (1, 12.0, 0)
    assert (one["interval_days"], one["interval_deviation_days"], one["gap_max"], one["gap_last"]) == (20, 10, 30, 30)
    assert (one["gap_median"], one["absences"], one["days_since_visit_2"], one["days_since_visit_5"]) == (10, 1, 40, 51)
    assert one["visits_decay_28"] == pytest.approx(0.5 ** (10 / 28) + 0.5 ** (40 / 28) + 0.5 ** (50 / 28))
    assert one["absence_share"] == pytest.approx((2 + 2.8) / (40 + 28))
    assert one["absence_by_habit"] == pytest.approx((0 + 0.3) / (1 + 2))  # of the gaps longer than 10, none grew to 38
    assert (one["last_basket_spend"], one["largest_basket_84"]) == (7.0, 20.0)
    assert one["weeks_active_share"] == pytest.approx(3 / 8)


def test_every_declared_column_is_there_and_the_future_is_not_seen():
    past = describe(series((0, 5, 1.0), (1, 3, 2.0)), DAY)
    later = describe(series((0, 5, 1.0), (1, 3, 2.0), (1, -1, 50.0), (0, -9, 3.0)), DAY)
    assert set(past) == set(PURCHASE_SERIES.names[1:])
    for name, values in past.items():
        np.testing.assert_array_equal(values, later[name], err_msg=name)


def test_neighbours_do_not_leak_into_each_other():
    rng = np.random.default_rng(3)
    baskets = [(owner, int(ago), float(v)) for owner in range(5) for ago, v in rng.integers(0, 200, (12, 2))]
    together = describe(series(*baskets), DAY)
    for owner in range(5):
        alone = describe(series(*[(0, ago, value) for who, ago, value in baskets if who == owner]), DAY)
        for name, values in alone.items():
            np.testing.assert_allclose(values[0], together[name][owner], rtol=1e-12, err_msg=name)


def test_frames_carry_windows_and_labels(spark):
    day = date(2017, 12, 3)
    rows = [("a", day - timedelta(days=ago), 10_000, 0, 1, True) for ago in (60, 30, 2)]
    rows += [("b", day - timedelta(days=31), 20_000, 0, 1, True), ("b", day, 5, 0, 1, False)]
    columns = "customer_id string, ordered_on date, amount long, discount long, lines long, is_basket boolean"
    horizons = Horizons(28, 84, (day - date(1970, 1, 1)).days)
    result = purchase_series(
        basket_series(spark.createDataFrame(rows, columns)), [day, day - timedelta(days=40)], horizons
    )
    actual = {(row["customer_id"], row["as_of"]): row for row in result.collect()}
    assert set(actual) == {("a", day), ("b", day), ("a", day - timedelta(days=40))}
    assert [actual[key]["returned"] for key in sorted(actual)] == [True, False, False]
    assert actual["a", day]["recency_days"] == 2
    assert actual["b", day]["spend_total"] == 2.0
    assert [actual["a", when]["spend_after"] for when in (day, day - timedelta(days=40))] == [None, None]
