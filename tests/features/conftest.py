"""A tiny CRM written down as lines of text."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from conf.tables.canonical import CANONICAL
from features.schemas import struct

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession


class Crm:
    """Makes canonical tables of words; further columns are written ``name=value``, ``-`` is null."""

    def __init__(self, spark: SparkSession) -> None:
        self.spark = spark

    def table(self, name: str, rows: list[dict[str, Any]]) -> DataFrame:
        columns = CANONICAL[name].names
        values = [tuple(row.get(column) for column in columns) for row in rows]
        return self.spark.createDataFrame(values, struct(CANONICAL[name]))

    def lines(self, *texts: str) -> DataFrame:
        """``customer order day product amount``."""
        rows = []
        for number, text in enumerate(texts):
            words, more = _split(text)
            customer, order, day, product, amount = words
            rows.append(
                {
                    "order_id": order,
                    "line_id": str(number),
                    "customer_id": customer,
                    "product_id": product,
                    "store_id": more.get("store", "s1"),
                    "ordered_at": datetime.fromisoformat(f"{day}T{more.get('utc', '17:00')}:00").replace(tzinfo=UTC),
                    "ordered_on": date.fromisoformat(day),
                    "quantity": Decimal(more.get("quantity", "1")),
                    "amount": Decimal(amount),
                    "discount": Decimal(more.get("discount", "0")),
                    "is_return": more.get("return") == "yes",
                }
            )
        return self.table("order_lines", rows)

    def products(self, *texts: str) -> DataFrame:
        """``product type department``."""
        rows = []
        for text in texts:
            words, more = _split(text)
            rows.append(
                {
                    **dict(zip(("product_id", "product_type", "department"), words, strict=True)),
                    "brand": more.get("brand"),
                    "counted": more.get("counted") != "no",
                    "offerable": more.get("offerable") != "no",
                }
            )
        return self.table("products", rows)

    def customers(self, *texts: str) -> DataFrame:
        """``customer registered_on``."""
        rows = []
        for text in texts:
            (customer, day), more = _split(text)
            rows.append({"customer_id": customer, "registered_on": day and date.fromisoformat(day), **more})
        return self.table("customers", rows)

    def targets(self, *texts: str) -> DataFrame:
        """``campaign customer day``."""
        return self._days("campaign_targets", ("campaign_id", "customer_id", "targeted_on"), texts)

    def responses(self, *texts: str) -> DataFrame:
        """``response customer offer kind day``."""
        return self._days("responses", ("response_id", "customer_id", "offer_id", "kind", "responded_on"), texts)

    def offers(self, *texts: str) -> DataFrame:
        """``offer campaign kind from to``."""
        return self._days("offers", ("offer_id", "campaign_id", "kind", "valid_from", "valid_to"), texts)

    def campaigns(self, *texts: str) -> DataFrame:
        """``campaign kind from to``."""
        return self._days("campaigns", ("campaign_id", "kind", "starts_on", "ends_on"), texts)

    def scope(self, *texts: str) -> DataFrame:
        """``offer product``."""
        return self._days("offer_products", ("offer_id", "product_id"), texts)

    def _days(self, name: str, columns: tuple[str, ...], texts: tuple[str, ...]) -> DataFrame:
        types = {column.name: column.type for column in CANONICAL[name].columns}
        rows = [
            {
                column: date.fromisoformat(word) if types[column] == "date" else word
                for column, word in zip(columns, text.split(), strict=True)
            }
            for text in texts
        ]
        return self.table(name, rows)


def _split(text: str) -> tuple[list[str | None], dict[str, str]]:
    words = [None if word == "-" else word for word in text.split() if "=" not in word]
    return words, dict(word.split("=", 1) for word in text.split() if "=" in word)


@pytest.fixture(scope="session")
def crm(spark: SparkSession) -> Crm:
    return Crm(spark)


@pytest.fixture
def rows() -> Callable[..., dict[Any, Any]]:
    """Collect a frame as {key: row}; the key is one value, or a tuple of several."""

    def collect(frame: DataFrame, *key: str) -> dict[Any, Any]:
        result = frame.collect()
        table = {tuple(row[k] for k in key) if len(key) > 1 else row[key[0]]: row for row in result}
        assert len(table) == len(result), "the key is not unique"
        return table

    return collect
