from __future__ import annotations

from datetime import date

import pytest

from features.customers.affinity import affinity

AS_OF = date(2017, 12, 3)
PRODUCTS = ("milk DAIRY D", "cream DAIRY D", "bun BREAD B", "fuel GAS F counted=no offerable=no", "odd - D")
LINES = (
    "c1 o1 2017-12-03 milk 2.00",
    "c1 o1 2017-12-03 cream 1.00",  # the same type in the same order: one basket
    "c1 o2 2017-11-06 milk 2.00",  # the 28th day
    "c1 o3 2017-11-05 milk 2.00",  # the 29th
    "c1 o4 2017-09-10 milk 2.00",  # the 85th
    "c1 o5 2017-12-02 milk 0.50 return=yes",
    "c1 o1 2017-12-03 fuel 30.00",
    "c1 o1 2017-12-03 odd 30.00",
    "c1 o1 2017-12-03 unheard 30.00",
    "c1 o6 2017-10-01 bun 1.00",
    "c2 o7 2017-12-01 bun 1.00 return=yes",
)


@pytest.fixture(scope="module")
def result(crm):
    return affinity(crm.lines(*LINES), crm.products(*PRODUCTS), AS_OF).collect()


def test_example(result):
    pairs = {(row["customer_id"], row["product_type"]): row.asDict() for row in result}
    assert set(pairs) == {("c1", "DAIRY"), ("c1", "BREAD")}  # no fuel, no type unknown, no return alone
    assert pairs["c1", "DAIRY"] == {
        "customer_id": "c1",
        "product_type": "DAIRY",
        "baskets_28": 2,
        "baskets_84": 3,
        "baskets_total": 4,
        "spend_84": 6.5,
        "spend_total": 8.5,
        "days_since_last": 0,
        "days_since_first": 84,
        "interval_days": 28.0,
        # ages of 0, 27, 28 and 84 days, halved every 120
        "faded_baskets": pytest.approx(1 + 0.855595 + 0.850667 + 0.615572, abs=2e-6),
    }
    assert pairs["c1", "BREAD"]["interval_days"] is None


def test_neither_later_lines_nor_the_order_of_rows_change_anything(crm, result):
    later = ("c1 o8 2017-12-04 milk 9.00", "c1 o5 2017-12-04 milk 9.00 return=yes", "c3 o9 2018-01-01 bun 1.00")
    again = affinity(crm.lines(*reversed(LINES), *later), crm.products(*reversed(PRODUCTS)), AS_OF).collect()
    assert sorted(again) == sorted(result, key=lambda row: (row["customer_id"], row["product_type"]))
