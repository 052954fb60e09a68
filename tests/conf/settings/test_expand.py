"""Numbers and days are read as the export declares them, and usual expressions follow from those that are given."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from pyspark.sql import SparkSession, functions as F

from conf.settings.expand import expanded

LINE = {"order_id": "no", "product_id": "sku", "quantity": "qty", "amount": "qty * `Цена, €`", "ordered_at": "`when`"}


def columns(table: str, given: dict[str, str], **export: Any) -> dict[str, str]:
    """What becomes of a table's expressions."""
    tables = {table: {"parts": [{"export": "x", "columns": given}]}}
    result: dict[str, str] = expanded(tables, {"x": export}, "Europe/Moscow")[table]["parts"][0]["columns"]
    return result


def test_what_is_given_is_kept_and_the_usual_is_added() -> None:
    result = columns("order_lines", {**LINE, "discount": "less"})
    assert {name: result[name] for name in ("order_id", "quantity", "discount")} == {
        "order_id": "no",
        "quantity": "qty",
        "discount": "less",
    }
    assert result["line_id"] == "sku"
    assert result["ordered_at"] == "to_timestamp(`when`)"
    assert result["ordered_on"] == "to_date(from_utc_timestamp(to_timestamp(`when`), 'Europe/Moscow'))"
    assert columns("products", {"product_id": "sku", "offerable": "stock > 0"}) == {
        "product_id": "sku",
        "offerable": "stock > 0",
        "counted": "true",
    }
    assert columns("customers", {"customer_id": "id"}) == {"customer_id": "id"}


GERMAN = {"decimal": ",", "thousands": "."}
NUMBERS: list[tuple[dict[str, str], str, str | None]] = [
    (GERMAN, "1.000", "1000.0000"),
    (GERMAN, "1.355,90", "1355.9000"),
    (GERMAN, "-12,5", "-12.5000"),
    (GERMAN, "1234567,8", "1234567.8000"),
    (GERMAN, "1.5", None),
    (GERMAN, "1,355.90", None),
    (GERMAN, "01.03.2025", None),
    ({"decimal": ",", "thousands": " "}, "1 234,50", "1234.5000"),
    ({"decimal": ",", "thousands": " "}, "12\u00a0234\u202f567,5", "12234567.5000"),
    ({"decimal": ".", "thousands": "'"}, "1'234.50", "1234.5000"),
    ({"decimal": ".", "thousands": ","}, "1,234.50", "1234.5000"),
    ({"decimal": ","}, "1.000", None),
]


def test_numbers_are_read_in_the_declared_form_and_in_no_other(spark: SparkSession) -> None:
    lenient = spark.newSession()
    lenient.conf.set("spark.sql.ansi.enabled", "false")
    for form, written, read in NUMBERS:
        text = columns("order_lines", {"amount": "`Сумма`"}, numbers=form)["amount"]
        frame = lenient.createDataFrame([(written,)], "`Сумма` string")
        [result] = frame.select(F.expr(text).try_cast("decimal(18,4)")).collect()
        assert result[0] == (None if read is None else Decimal(read)), (form, written)
    text = columns("order_lines", {"amount": "qty * `Цена, €`"}, numbers=GERMAN)["amount"]
    frame = lenient.createDataFrame([("2", "1.000,50")], "qty string, `Цена, €` string")
    assert float(frame.select(F.expr(text)).collect()[0][0]) == 2001.0


def test_days_and_moments_are_read_in_the_declared_formats_and_zone(spark: SparkSession) -> None:
    lenient = spark.newSession()
    lenient.conf.set("spark.sql.ansi.enabled", "false")
    lenient.conf.set("spark.sql.session.timeZone", "UTC")
    stamps = {"formats": ["dd.MM.yyyy HH:mm", "dd.MM.yyyy"], "zone": "Europe/Moscow"}
    given = columns("order_lines", {"ordered_at": "at"}, stamps=stamps)
    rows = [("01.03.2026 01:30",), ("02.03.2026",), ("31.02.2026",)]
    frame = lenient.createDataFrame(rows, "at string").select(
        F.expr(given["ordered_at"]).cast("string"), F.expr(given["ordered_on"])
    )
    assert [tuple(row) for row in frame.collect()] == [
        ("2026-02-28 22:30:00", date(2026, 3, 1)),
        ("2026-03-01 21:00:00", date(2026, 3, 2)),
        (None, None),
    ]
    alone = columns("order_lines", {"ordered_on": "day"}, stamps={"formats": ["yyyyMMdd"]})
    frame = lenient.createDataFrame([("20260302",)], "day string")
    [row] = frame.select(F.expr(alone["ordered_on"]), F.expr(alone["ordered_at"]).cast("string")).collect()
    assert tuple(row) == (date(2026, 3, 2), "2026-03-01 21:00:00")


@pytest.mark.parametrize(("qty", "paid", "back"), [("1", "5", False), ("-1", "5", True), ("1", "-5", True)])
def test_a_line_below_zero_is_a_return(spark: SparkSession, qty: str, paid: str, back: bool) -> None:
    text = columns("order_lines", {"quantity": "q", "amount": "a"})["is_return"]
    assert spark.createDataFrame([(qty, paid)], "q string, a string").select(F.expr(text)).collect()[0][0] is back
