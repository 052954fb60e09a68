from __future__ import annotations

import math
from datetime import date

import pytest

from conf.tables.features import PROFILE, WINDOWS
from features.customers.profile import profile

AS_OF = date(2017, 12, 3)  # a Sunday
PRODUCTS = (
    "milk DAIRY COOL brand=Private", "bun BREAD BAKERY brand=National", "fuel GAS FUEL counted=no offerable=no",
)  # fmt: skip
CUSTOMERS = (
    "c1 2017-01-01 age_band=35-44", "c2 2017-01-01", "c3 2017-05-01", "c4 2018-01-01", "c5 -", "c8 2018-01-01",
)  # fmt: skip
LINES = (
    "c1 o1 2017-12-03 milk 10.00 discount=2.50 quantity=2 utc=23:30",  # 18:30 in New York
    "c1 o1 2017-12-03 bun 6.00 utc=23:30",
    "c1 o2 2017-11-23 milk 4.00 store=s2",
    "c1 o2 2017-11-23 fuel 20.00 quantity=9000 store=s2",
    "c1 o3 2017-11-03 milk 8.00 utc=22:30",  # 18:30 too: summer time; 31 days, counted from today
    "c1 o4 2017-12-01 milk 5.00 return=yes store=s3",
    "c2 o5 2017-12-02 bun 23.00",
    "c8 o6 2016-11-01 unheard 7.00 utc=22:59",  # longer ago than any window
    "c8 o7 2016-11-01 unheard 7.00 utc=22:59",
)
LATER = ("c1 o8 2017-12-04 bun 99.00", "c7 o9 2017-12-04 milk 1.00")
TARGETS = ("k1 c1 2017-12-03", "k2 c1 2017-01-01", "k3 c1 2017-12-04", "k1 c6 2017-11-01")
RESPONSES = (
    "r1 c1 a redeemed 2017-12-03", "r2 c1 b redeemed 2017-09-10", "r3 c1 c clicked 2017-12-01",
    "r4 c1 d redeemed 2017-12-04",
)  # fmt: skip


@pytest.fixture(scope="module")
def result(crm):
    frame = profile(
        crm.customers(*CUSTOMERS), crm.lines(*LINES), crm.products(*PRODUCTS), crm.targets(*TARGETS),
        crm.responses(*RESPONSES), AS_OF, "America/New_York",
    )  # fmt: skip
    return frame.collect()


@pytest.fixture(scope="module")
def by_customer(result):
    return {row["customer_id"]: row.asDict() for row in result}


def test_who_is_known(result):
    assert sorted(row["customer_id"] for row in result) == ["c1", "c2", "c3", "c5", "c6", "c8"]


def test_a_buyer_by_hand(by_customer):
    row = by_customer["c1"]
    expected = {
        "tenure_days": 30,
        "recency_days": 0,
        "baskets_total": 3,
        **{f"baskets_{days}": 2 if days <= 30 else 3 for days in WINDOWS},
        **{f"spend_{days}": 35.0 if days <= 30 else 43.0 for days in WINDOWS},
        "spend_total": 43.0,
        "discount_share_28": 2.5 / 37.5,
        "discount_share_365": 2.5 / 45.5,
        "lines_84": 6,
        "types_84": 2,
        "types_total": 2,
        "stores_84": 2,
        "main_store_share_84": 2 / 3,
        "basket_value_84": 43 / 3,
        "basket_lines_84": 5 / 3,
        "basket_pieces_84": 5 / 3,
        "private_brand_share_84": 17 / 23,
        "interval_days": 15.0,
        "interval_deviation_days": math.sqrt(50),
        "overdue_ratio": 0.0,
        "trend_28": math.log(7 / 4),
        "weekend_share_84": 1 / 3,
        "evening_share_84": 2 / 3,
        "campaigns_total": 2,
        "responses_total": 2,
        "responses_84": 1,
        "top_department": "COOL",
        "age_band": "35-44",
        "is_cold": False,
    }
    assert {name: row[name] for name in expected} == pytest.approx(expected)
    # five lines, shares 17/23 and 6/23 against 17/46 and 29/46, each with five lines of credit
    assert row["department_affinity"] == {"COOL": "1.27", "BAKERY": "0.77"}


def test_cold_customers_have_zeros_for_counts_and_nothing_else(by_customer):
    for customer in ("c3", "c5", "c6"):
        row = by_customer[customer]
        counts = [n for n in PROFILE.names if n.startswith(("baskets_", "spend_", "lines_", "types_", "stores_"))]
        assert {row[name] for name in counts} == {0}
        assert row["is_cold"]
        assert row["trend_28"] == 0.0
        actual = {"customer_id", "is_cold", "trend_28", "campaigns_total", "responses_total", "responses_84", *counts}
        assert {row[name] for name in PROFILE.names if name not in actual} == {None}
    assert by_customer["c6"]["campaigns_total"] == 1


def test_one_basket_is_cold_and_has_no_interval(by_customer):
    row = by_customer["c2"]
    assert (row["is_cold"], row["baskets_total"], row["recency_days"]) == (True, 1, 1)
    assert (row["interval_days"], row["interval_deviation_days"], row["overdue_ratio"]) == (None, None, None)


def test_two_baskets_of_one_day_long_ago_of_unknown_products(by_customer):
    row = by_customer["c8"]
    assert (row["baskets_total"], row["spend_total"], row["spend_365"], row["types_total"]) == (2, 14.0, 0.0, 0)
    assert (row["interval_days"], row["overdue_ratio"], row["basket_value_84"]) == (0.0, None, None)
    assert (row["discount_share_365"], row["top_department"]) == (None, None)


def test_neither_later_rows_nor_the_order_of_rows_change_anything(crm, result):
    again = profile(
        crm.customers(*reversed(CUSTOMERS)), crm.lines(*LATER, *reversed(LINES)), crm.products(*PRODUCTS),
        crm.targets(*reversed(TARGETS)), crm.responses(*reversed(RESPONSES)), AS_OF, "America/New_York",
    ).collect()  # fmt: skip
    key = PROFILE.names.index("customer_id")
    assert sorted(map(tuple, again), key=lambda r: r[key]) == sorted(map(tuple, result), key=lambda r: r[key])


def test_a_source_without_campaigns_and_responses(crm, rows):
    frame = profile(
        crm.customers("c1 2017-01-01"), crm.lines(*LINES), crm.products(*PRODUCTS), None, None, AS_OF, "UTC"
    )
    row = rows(frame.where("customer_id = 'c1'"), "customer_id")["c1"]
    assert (row["campaigns_total"], row["responses_total"], row["responses_84"]) == (0, 0, 0)
    assert row["evening_share_84"] == 2 / 3  # 23:30 and 22:30 in UTC
