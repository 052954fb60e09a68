"""Pairs counted by their history, and whether they were bought again after the cut."""

from __future__ import annotations

from datetime import date

import pytest

from features.customers.repeat_counts import counted_days, repeat_counts

pytestmark = pytest.mark.spark
PRODUCTS = ("milk DAIRY D", "bun BREAD B")
LINES = (
    "c1 o1 2017-10-01 milk 2.00",  # 35 days before the cut
    "c1 o2 2017-11-01 milk 2.00",  # 4 days before it
    "c1 o3 2017-11-20 milk 2.00",  # after it: bought again
    "c2 o4 2017-11-05 bun 1.00",  # on the day of the cut, never again
    "c3 o5 2017-11-04 bun 1.00",
    "c3 o6 2017-12-03 bun 1.00",  # the last day counts
    "c4 o7 2017-11-06 bun 1.00",  # first bought after the cut: no history
    "c5 o8 2017-11-05 bun 1.00",
    "c5 o9 2017-12-04 bun 1.00",  # later than may be seen
)


def test_example(crm):
    rows = repeat_counts(crm.lines(*LINES), crm.products(*PRODUCTS), date(2017, 12, 3), 28).collect()
    assert sorted(map(tuple, rows)) == [(1, 0, 0, 3, 1), (2, 0, 5, 1, 1)]


@pytest.mark.parametrize(
    ("last", "days"), [("2017-01-02", 1), ("2017-01-20", 10), ("2017-02-25", 28), ("2027-01-01", 28)]
)
def test_a_short_history_is_cut_in_half(last, days):
    assert counted_days(date(2017, 1, 1), date.fromisoformat(last), 28) == days
