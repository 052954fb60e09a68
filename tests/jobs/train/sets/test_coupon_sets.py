"""What the coupon models learn from: labels after the day alone, and the same inputs in windows further back."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest

from conf.settings.load import load
from conf.tables.canonical import CANONICAL
from features.customers.profile import profile
from features.schemas import struct
from jobs.train.sets.coupon_sets import write_coupons, write_redemptions
from jobs.train.sets.set_source import SetSource
from training.evaluation.windows import windows
from training.rankers.inputs import COUPON_INPUTS, RESPONSE_INPUTS

if TYPE_CHECKING:
    from pathlib import Path

    from pyspark.sql import DataFrame, SparkSession

AS_OF = date(2017, 10, 1)


def line(customer: str, days: int, product: str, amount: int = 5) -> dict[str, Any]:
    day = AS_OF + timedelta(days=days)
    return {
        "order_id": f"{customer}{day}", "line_id": product, "customer_id": customer, "product_id": product,
        "ordered_at": datetime(day.year, day.month, day.day, 20, tzinfo=UTC), "ordered_on": day,
        "quantity": Decimal(1), "amount": Decimal(amount), "discount": Decimal(0), "is_return": False,
    }  # fmt: skip


#: a buys MILK before and after, b only after; a redeems k1 in time, k2 had been redeemed before; b redeems k1 too late
ROWS: dict[str, list[dict[str, Any]]] = {
    "customers": [{"customer_id": "a"}, {"customer_id": "b"}],
    "products": [
        {"product_id": name, "product_type": name, "department": "D", "counted": True, "offerable": True}
        for name in ("MILK", "TEA")
    ],
    "order_lines": [line("a", -3, "MILK"), line("a", -90, "MILK"), line("a", 4, "MILK", 7), line("b", 28, "MILK"),
                    line("b", 29, "TEA")],
    "offers": [{"offer_id": name, "campaign_id": "A", "kind": "coupon", "valid_from": AS_OF - timedelta(days=9),
                "valid_to": AS_OF + timedelta(days=40)} for name in ("k1", "k2", "k3")],
    "offer_products": [{"offer_id": "k1", "product_id": "MILK"}, {"offer_id": "k2", "product_id": "MILK"},
                       {"offer_id": "k3", "product_id": "TEA"}],
    "campaigns": [{"campaign_id": "A", "kind": "post", "starts_on": AS_OF, "ends_on": AS_OF + timedelta(days=40)}],
    "campaign_targets": [{"campaign_id": "A", "customer_id": who, "targeted_on": AS_OF} for who in "ab"],
    "responses": [
        {"response_id": f"{who}{offer}", "customer_id": who, "offer_id": offer, "kind": "redeemed",
         "responded_on": AS_OF + timedelta(days=days)}
        for who, offer, days in (("a", "k2", 0), ("a", "k1", 4), ("b", "k1", 29))
    ],
}  # fmt: skip


@pytest.mark.spark
def test_labels_follow_the_day_and_both_kinds_of_windows_have_the_same_inputs(
    spark: SparkSession, tmp_path: Path
) -> None:
    def table(name: str) -> DataFrame:
        schema = struct(CANONICAL[name])
        return spark.createDataFrame([tuple(row.get(name) for name in schema.names) for row in ROWS[name]], schema)

    settings, clean = load(), {name: table(name) for name in ROWS}
    actual = [clean[name] for name in ("customers", "order_lines", "products", "campaign_targets", "responses")]
    who = profile(*actual, AS_OF, settings.source.timezone)  # type: ignore[call-arg,arg-type]
    result = windows(AS_OF + timedelta(days=28), 28, 1, date(2017, 1, 1), 84)
    assert result is not None
    near, far = (SetSource(settings, clean, 2, AS_OF, result, f"{tmp_path}/{part}") for part in ("near", "far"))
    write_coupons(near, AS_OF, AS_OF, clean, who)
    write_redemptions(far, AS_OF, AS_OF, clean)
    keys = ["customer_id", "offer_id"]
    full, slim = (pd.read_parquet(f"{source.target}/coupons/{AS_OF}").sort_values(keys) for source in (near, far))
    assert set(full.columns) == {*keys, *COUPON_INPUTS, *RESPONSE_INPUTS, "redeemed", "bought", "spend", "as_of"}
    labels = full.set_index(keys)[["redeemed", "bought", "spend"]].fillna(0).T.to_dict("list")
    assert labels == {
        ("a", "k1"): [True, True, 7.0], ("a", "k3"): [False, False, 0.0], ("b", "k1"): [False, True, 5.0],
        ("b", "k2"): [False, True, 5.0], ("b", "k3"): [False, False, 0.0],
    }  # fmt: skip
    pd.testing.assert_frame_equal(full[list(slim.columns)].reset_index(drop=True), slim.reset_index(drop=True))
