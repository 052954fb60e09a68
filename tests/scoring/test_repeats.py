"""Durables, from literal purchases to the offers: what was bought once is not offered to its owner again."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from pyspark.sql import functions as F

from conf.load import load
from features.repurchase import repurchase
from scoring.next_best_offers import product_type_ranking
from scoring.policy import DURABLE
from scoring.repeats import with_repeats

DAY = date(2017, 12, 3)
NUMBERS = (
    "pair_baskets_84", "pair_baskets_total", "pair_spend_84", "pair_days_since_last", "type_popularity_28",
    "segment_popularity", "type_spend_per_buyer_28",
)  # fmt: skip
CANDIDATE = ", ".join(["customer_id string, product_type string, source string", *(f"{n} double" for n in NUMBERS)])


@pytest.fixture(scope="module")
def intervals(spark, frame):
    """Eighty households buy milk every fortnight and windows once."""
    bought = [(f"h{n}", "milk", DAY - timedelta(days=n % 14 + 14 * k)) for n in range(80) for k in range(8)]
    bought += [(f"h{n}", "windows", DAY - timedelta(days=90 + 2 * n)) for n in range(80)]
    lines = frame(
        "order_lines",
        *(
            {
                "order_id": f"{who}{day}", "line_id": what, "customer_id": who, "product_id": what, "ordered_on": day,
                "ordered_at": datetime(day.year, day.month, day.day, 12, tzinfo=UTC), "quantity": Decimal(1),
                "amount": Decimal(5), "discount": Decimal(0), "is_return": False,
            }
            for who, what, day in bought
        ),
    )  # fmt: skip
    goods = (
        {"product_id": n, "product_type": n.upper(), "counted": True, "offerable": True} for n in ("milk", "windows")
    )
    return repurchase(lines, frame("products", *goods), DAY).persist()


def test_no_owner_is_offered_a_durable_again(intervals, rows):
    settings = load()
    found = rows(
        CANDIDATE,
        ("owner", "WINDOWS", "personal_frequency", 3.0, 9.0, 50.0, 20.0, 0.9, 0.9, 50.0),
        ("owner", "MILK", "personal_frequency", 1.0, 1.0, 5.0, 15.0, 0.1, 0.1, 5.0),
        ("owner", "NEW", "popular", None, None, None, None, 0.1, 0.1, 5.0),
        ("tenant", "WINDOWS", "popular", None, None, None, None, 0.9, 0.9, 50.0),
    )
    told = with_repeats(found, intervals, settings.horizon_days)
    ranked = product_type_ranking(told, {}, None, settings.offers, settings.policy, DAY).collect()
    table = {(row["customer_id"], row["product_type"]): row for row in ranked}
    assert table["owner", "WINDOWS"]["rank"] == 1, "it is most probable by its past, and still ranked for measuring"
    assert table["owner", "WINDOWS"]["removed_by"] == DURABLE
    offered = {key for key, row in table.items() if row["offer_rank"] is not None}
    assert offered == {("owner", "MILK"), ("owner", "NEW"), ("tenant", "WINDOWS")}


def test_renewal_rises_to_the_interval_and_is_null_for_what_was_never_bought(intervals, rows):
    ages = rows("product_type string, pair_baskets_total double, pair_days_since_last double",
                ("MILK", 1.0, 0.0), ("MILK", 1.0, 12.0), ("WINDOWS", 1.0, 12.0), ("MILK", 0.0, None),
                ("X", 1.0, 3.0))  # fmt: skip
    found = {
        (row["product_type"], row["pair_days_since_last"]): row["renewal_probability"]
        for row in with_repeats(ages, intervals, 7).orderBy(F.col("product_type")).collect()
    }
    assert found["MILK", None] is found["X", 3.0] is None
    assert found["MILK", 0.0] < 0.1 < found["MILK", 12.0]
    assert found["WINDOWS", 12.0] < 0.05
