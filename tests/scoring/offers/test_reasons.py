from __future__ import annotations

from typing import Any

import pytest
from pyspark.sql import types as T

from scoring.offers.reasons import offer_title, reason, reason_codes, with_partner

TYPE = {
    "offer_kind": "product_type", "product_type": "FLUID MILK", "source": "personal_frequency",
    "type_popularity_28": 0.344, "segment_share_28": 0.4, "segment_name": "Weekly families", "type_title": "Fluid milk",
}  # fmt: skip
COUPON = {
    "offer_kind": "coupon", "source": "campaign", "offer_title": "Coupon 9",
    "scope_title": "Beef, pasta sauce and soup", "scope_baskets_total": 0.0, "offer_responses": 0.0, "days_left": 20.0,
}  # fmt: skip
CASES: dict[str, tuple[dict[str, Any], str, str]] = {
    "habit": (
        TYPE | {"pair_baskets_total": 7.0, "pair_interval_days": 12.2, "pair_days_since_last": 5.0,
                "pair_due_ratio": 0.41},
        "BOUGHT_OFTEN", "Bought 7 times, usually every 12 days; last bought 5 days ago.",
    ),
    "due": (
        TYPE | {"pair_baskets_total": 3.0, "pair_interval_days": 1.0, "pair_days_since_last": 1.0,
                "pair_due_ratio": 1.0},
        "BOUGHT_OFTEN;DUE_AGAIN", "Bought 3 times, usually every day; last bought yesterday. It is due again.",
    ),
    "twice is no rhythm": (
        TYPE | {"pair_baskets_total": 2.0, "pair_interval_days": 9.0, "pair_days_since_last": 0.0,
                "pair_due_ratio": 0.9},
        "BOUGHT_BEFORE", "Bought twice; last bought today.",
    ),
    "seldom, but due like others": (
        TYPE | {"pair_baskets_total": 1.0, "pair_days_since_last": 25.0, "type_interval_days": 29.6,
                "type_repeat_year": 0.9},
        "BOUGHT_BEFORE;DUE_LIKE_OTHERS",
        "Bought once; last bought 25 days ago. It is due again: who buys it is back after about 30 days.",
    ),
    "most never come back": (
        TYPE | {"pair_baskets_total": 1.0, "pair_days_since_last": 25.0, "type_interval_days": 29.6,
                "type_repeat_year": 0.4},
        "BOUGHT_BEFORE", "Bought once; last bought 25 days ago.",
    ),
    "not due yet": (
        TYPE | {"pair_baskets_total": 2.0, "pair_days_since_last": 20.0, "type_interval_days": 29.6,
                "type_repeat_year": 0.9},
        "BOUGHT_BEFORE", "Bought twice; last bought 20 days ago.",
    ),
    "with": (
        TYPE | {"source": "bought_together", "partner": "CEREAL / CORN FLAKES", "partner_title": "Corn flakes",
                "partner_confidence": 0.256},
        "BOUGHT_WITH;NEVER_BOUGHT",
        "26 % of baskets with corn flakes, which this customer buys, hold it too. This customer never bought it.",
    ),
    "similar": (
        TYPE | {"source": "similar_customers"},
        "SIMILAR_CUSTOMERS;NEVER_BOUGHT",
        "Customers with similar purchases buy it; 34 % of active customers did in the last 28 days. "
        "This customer never bought it.",
    ),
    "segment": (
        TYPE | {"source": "popular_in_segment", "pair_baskets_total": 1.0, "pair_days_since_last": 40.0},
        "BOUGHT_BEFORE;POPULAR_IN_SEGMENT",
        'Bought once; last bought 40 days ago. 40 % of the customers in the segment "Weekly families" bought it '
        "in the last 28 days.",
    ),
    "segment without a buyer": (
        TYPE | {"source": "popular_in_segment", "segment_share_28": 0.0},
        "POPULAR;NEVER_BOUGHT",
        "34 % of active customers bought it in the last 28 days. This customer never bought it.",
    ),
    "rare": (
        TYPE | {"source": "popular", "type_popularity_28": 0.004},
        "POPULAR;NEVER_BOUGHT",
        "Less than 1 % of active customers bought it in the last 28 days. This customer never bought it.",
    ),
    "popular": (
        TYPE | {"source": "popular"},
        "POPULAR;NEVER_BOUGHT",
        "34 % of active customers bought it in the last 28 days. This customer never bought it.",
    ),
    "new coupon": (
        COUPON,
        "COUPON_TARGETED;NEVER_BOUGHT",
        "The running campaign targets this customer; the coupon has not been redeemed yet. "
        "This customer never bought anything in its scope.",
    ),
    "coupon that ends": (
        COUPON | {"days_left": 1.0, "offer_responses": 4.0, "scope_baskets_total": 5.0, "scope_days_since_last": 2.0},
        "COUPON_TARGETED;COUPON_ENDS_SOON;BOUGHT_OFTEN",
        "The running campaign targets this customer; the coupon has been redeemed 4 times so far. It ends in 1 day. "
        "Bought in its scope 5 times; last bought 2 days ago.",
    ),
}  # fmt: skip
NUMBERS = (
    "pair_baskets_total", "pair_interval_days", "pair_days_since_last", "pair_due_ratio", "type_popularity_28",
    "segment_share_28", "partner_confidence", "scope_baskets_total", "scope_days_since_last",
    "offer_responses", "days_left", "type_interval_days", "type_repeat_year",
)  # fmt: skip
TEXTS = (
    "offer_kind",
    "product_type",
    "source",
    "partner",
    "segment_name",
    "offer_title",
    "scope_title",
    "type_title",
    "partner_title",
    "case",
)


@pytest.fixture(scope="module")
def actual(spark) -> dict[str, Any]:
    fields = [T.StructField(n, T.StringType()) for n in TEXTS] + [T.StructField(n, T.DoubleType()) for n in NUMBERS]
    values = [{**row, "case": case} for case, (row, _, _) in CASES.items()]
    frame = spark.createDataFrame([tuple(v.get(f.name) for f in fields) for v in values], T.StructType(fields))
    asked = frame.select("case", reason_codes().alias("codes"), reason().alias("reason"), offer_title().alias("title"))
    return {row["case"]: row for row in asked.collect()}


@pytest.mark.parametrize("case", CASES)
def test_reasons_are_sentences_with_the_customers_numbers(actual, case):
    assert (actual[case]["codes"], actual[case]["reason"]) == CASES[case][1:]


def test_titles_can_be_read(actual):
    assert actual["habit"]["title"] == "Fluid milk"
    assert actual["new coupon"]["title"] == "Coupon 9: Beef, pasta sauce and soup"


def test_the_partner_is_what_the_customer_bought_lately_and_speaks_most_for_the_offer(frame, rows):
    chosen = rows(
        "customer_id string, product_type string, source string",
        ("a", "JAM", "bought_together"), ("a", "TEA", "popular"), ("b", "JAM", "bought_together"),
    )  # fmt: skip
    pairs = frame(
        "bought_together",
        {"product_type": "BREAD", "other": "JAM", "confidence": 0.2},
        {"product_type": "BUTTER", "other": "JAM", "confidence": 0.3},
        {"product_type": "HONEY", "other": "JAM", "confidence": 0.9, "llr": -1.0},
        {"product_type": "BREAD", "other": "TEA"},
    )
    bought = frame(
        "affinity",
        *({"customer_id": "a", "product_type": name, "baskets_84": 1} for name in ("BREAD", "BUTTER", "HONEY")),
        {"customer_id": "b", "product_type": "BUTTER"},
    )
    result = with_partner(chosen, pairs, bought).collect()
    assert {(r["customer_id"], r["product_type"]): r["partner"] for r in result} == {
        ("a", "JAM"): "BUTTER", ("a", "TEA"): None, ("b", "JAM"): None,
    }  # fmt: skip
