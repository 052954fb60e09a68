"""Training windows moved onto the night."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest

from conf.tables.canonical import CUSTOMERS, OFFERS, ORDER_LINES, PRODUCTS
from features.customers.profile import profile
from features.schemas import struct
from jobs.train.sets.set_source import moved

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

AS_OF = date(2017, 10, 1)
DAYS = 56


@pytest.fixture(scope="module")
def clean(spark: SparkSession) -> dict[str, DataFrame]:
    def rows(table: object, values: list[dict[str, object]]) -> DataFrame:
        schema = struct(table)  # type: ignore[arg-type]
        return spark.createDataFrame([tuple(value.get(name) for name in schema.names) for value in values], schema)

    line = {"quantity": Decimal(1), "amount": Decimal(5), "discount": Decimal(1), "is_return": False, "line_id": "1"}
    days = [AS_OF - timedelta(days=back) for back in (-3, 0, 1, 6, 29, 83, 84, 200)]
    return {
        "customers": rows(
            CUSTOMERS,
            [
                {"customer_id": "a", "registered_on": AS_OF, "birth_date": date(1980, 5, 1)},
                {"customer_id": "b", "registered_on": AS_OF + timedelta(days=1)},
            ],
        ),
        "products": rows(
            PRODUCTS,
            [{"product_id": "p", "product_type": "MILK", "department": "GROCERY", "counted": True, "offerable": True}],
        ),
        "order_lines": rows(
            ORDER_LINES,
            [
                {**line, "order_id": str(day), "customer_id": "a", "product_id": "p", "store_id": "s",
                 "ordered_on": day, "ordered_at": datetime(day.year, day.month, day.day, 20, 30, tzinfo=UTC)}
                for day in days
            ],
        ),
        "offers": rows(
            OFFERS,
            [{"offer_id": "o", "campaign_id": "c", "kind": "coupon", "valid_from": AS_OF, "valid_to": AS_OF}],
        ),
    }  # fmt: skip


@pytest.mark.spark
def test_a_moved_window_has_the_features_of_the_window(clean: dict[str, DataFrame]) -> None:
    def described(tables: dict[str, DataFrame], as_of: date) -> list[object]:
        lines = tables["order_lines"]
        return profile(tables["customers"], lines, tables["products"], None, None, as_of, "America/New_York").collect()

    expected = described(clean, AS_OF)
    assert [row["customer_id"] for row in expected] == ["a"]  # b registers a day later
    assert expected[0]["recency_days"] == 0
    assert described(moved(clean, DAYS), AS_OF + timedelta(days=DAYS)) == expected


@pytest.mark.spark
def test_every_date_moves_but_personal_ones(clean: dict[str, DataFrame]) -> None:
    offer, customer = moved(clean, DAYS)["offers"].first(), moved(clean, DAYS)["customers"].first()
    assert offer is not None
    assert customer is not None
    assert offer["valid_from"] == offer["valid_to"] == AS_OF + timedelta(days=DAYS)
    assert customer["registered_on"] == AS_OF + timedelta(days=DAYS)
    assert customer["birth_date"] == date(1980, 5, 1)
