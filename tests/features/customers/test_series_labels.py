from __future__ import annotations

import numpy as np

from features.customers.series_labels import Horizons, after, labels, own_limit

DAY = 17_000


def described(days: dict[int, list[int]], until: int = DAY + 200, **recorded: list[float]):
    """Labels of customers with a basket worth 10 on the given days after DAY."""
    rows = [(owner, DAY + day) for owner, one in days.items() for day in one]
    owner, day = (np.array(column, dtype="int64") for column in zip(*rows, strict=True))
    later = after(owner, day, np.full(len(rows), 100_000), max(days) + 1, DAY)
    size = max(days) + 1
    actual = {"gap_p95": np.full(size, 20.0), "visits_total": np.full(size, 9.0), "recency_days": np.full(size, 5.0)}
    actual |= {name: np.array(values) for name, values in recorded.items()}
    return labels(later, actual, Horizons(28, 84, until))


def test_labels_by_hand():
    result = described({0: [1, 20, 60, 84, 85], 1: [-3, 29], 2: [0]})
    assert result["returned"].tolist() == [True, False, False]
    assert result["spend_after"].tolist() == [40.0, 10.0, 0.0]
    # customer 0 comes on day 20 and then on day 60: days 22 to 49 are the first 28 without, from week 4 on
    np.testing.assert_array_equal(result["leaves_in_week"], [4, 1, 1])


def test_what_the_known_days_do_not_settle_is_unknown():
    result = described({0: [1, 30], 1: [3]}, until=DAY + 41)
    assert result["weeks_observed"].tolist() == [2, 2]  # days 8 to 35 are known, days 15 to 42 are not
    np.testing.assert_array_equal(result["leaves_in_week"], [np.nan, 2])
    assert np.isnan(result["spend_after"]).all()
    assert described({0: [1]}, until=DAY + 27)["weeks_observed"].tolist() == [0]


def test_the_own_limit_counts_from_the_last_visit():
    result = described({0: [15], 1: [16], 2: [1], 3: [1]}, recency_days=[5, 5, 21, 5], visits_total=[9, 9, 9, 5])
    np.testing.assert_array_equal(result["beyond_limit"], [0, 1, np.nan, np.nan])  # 15 days are left of 20
    unknown = described({0: [30]}, until=DAY + 14)
    assert np.isnan(unknown["beyond_limit"]).all()


def test_limits_are_kept_within_bounds():
    np.testing.assert_array_equal(
        own_limit(np.array([2.0, 30.0, 90.0, 30.0]), np.array([9, 9, 9, 5])), [7, 30, 56, np.nan]
    )
