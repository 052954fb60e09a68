from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from pyspark.sql import DataFrame, Row, SparkSession

from conf.tables.canonical import CONSENTS, ORDER_LINES
from conf.tables.table import Column, Table
from features.canonical.merge import Replacing, merged

TABLE = Table("things", "one thing", ("a", "b"), tuple(Column(name, "string", name) for name in ("a", "b", "value")))
FIRST, SECOND = date(2017, 1, 1), date(2017, 1, 2)


def new(spark: SparkSession, *rows: tuple[Any, ...]) -> DataFrame:
    return spark.createDataFrame(rows, "a string, b string, value string, _ds date, _rank int, _file string, _row long")


def base(spark: SparkSession, *rows: tuple[Any, ...]) -> DataFrame:
    return spark.createDataFrame(rows, "a string, b string, value string")


def held(frame: DataFrame) -> list[tuple[Any, ...]]:
    return sorted(tuple(row) for row in frame.collect())


@pytest.mark.parametrize(
    ("loser", "winner"),
    [
        ((FIRST, 1, "z", 9), (SECOND, 0, "a", 1)),  # the newest drop
        ((FIRST, 0, "z", 9), (FIRST, 1, "a", 1)),  # a change over the snapshot of its day
        ((FIRST, 0, "a", 9), (FIRST, 0, "b", 1)),  # the later file
        ((FIRST, 0, "a", 1), (FIRST, 0, "a", 2)),  # the later row
    ],
)
def test_the_newest_row_of_a_key_wins(spark: SparkSession, loser: tuple[Any, ...], winner: tuple[Any, ...]) -> None:
    rows = [("k", "1", "old", *loser), ("k", "1", "new", *winner), ("k", "2", "other", *loser)]
    for order in (rows, rows[::-1]):
        assert held(merged(new(spark, *order), None, TABLE)) == [("k", "1", "new"), ("k", "2", "other")]


def test_equal_rows_collapse_and_the_base_loses(spark: SparkSession) -> None:
    came = new(spark, ("k", "1", None, FIRST, 0, "f", 1), ("k", "1", None, FIRST, 0, "f", 2))
    before = base(spark, ("k", "1", "old"), ("k", "9", "kept"))
    assert held(merged(came, before, TABLE)) == [("k", "1", None), ("k", "9", "kept")]


def test_refusal_wins_over_a_consent_of_the_same_moment(spark: SparkSession) -> None:
    moment, later = datetime(2017, 1, 1, tzinfo=UTC), datetime(2017, 1, 2, tzinfo=UTC)
    columns = "customer_id string, channel string, purpose string, granted boolean, changed_at timestamp"
    came = spark.createDataFrame(
        [
            Row("c1", "mail", "*", False, moment, FIRST, 0, "a", 1),
            Row("c1", "mail", "*", True, moment, SECOND, 0, "b", 1),
            Row("c2", "mail", "*", True, moment, FIRST, 0, "a", 2),
            Row("c2", "mail", "*", True, later, FIRST, 0, "a", 3),
        ],
        f"{columns}, _ds date, _rank int, _file string, _row long",
    )
    before = spark.createDataFrame([("c2", "mail", "*", False, moment)], columns)
    granted = {(row.customer_id, row.changed_at.day): row.granted for row in merged(came, before, CONSENTS).collect()}
    assert granted == {("c1", 1): False, ("c2", 1): False, ("c2", 2): True}


LINES = "order_id string, line_id string, customer_id string, product_id string, store_id string, ordered_at timestamp"
LINES += ", ordered_on date, quantity decimal(18,3), amount decimal(18,4), discount decimal(18,4), is_return boolean"
PLACE = "_ds date, _rank int, _file string, _row long, _out string, _hash long"


def line(order: str, sku: str, amount: int, on: date = FIRST, returned: bool = False) -> tuple[Any, ...]:
    moment = datetime(on.year, on.month, on.day, 12, tzinfo=UTC)
    return (order, sku, "c", sku, None, moment, on, Decimal(1), Decimal(amount), Decimal(0), returned)


def lines_of(
    spark: SparkSession,
    came: list[tuple[Any, ...]],
    before: list[tuple[Any, ...]] = (),
    replacing: Replacing | None = None,
) -> dict[tuple[str, str], int]:
    """Merge (line, day of drop, row, out, hash) into lines as they were; amounts by order and line."""
    new_rows = spark.createDataFrame(
        [(*row, ds, 0, "f", n, out, h) for row, ds, n, out, h in came], f"{LINES}, {PLACE}"
    )
    base_rows = spark.createDataFrame(list(before), LINES) if before else None
    result = merged(new_rows, base_rows, ORDER_LINES, replacing=replacing).collect()
    assert len({(row.order_id, row.line_id) for row in result}) == len(result)
    assert all(row._part == f"{row.ordered_on:%Y-%m}" for row in result)
    return {(row.order_id, row.line_id): int(row.amount) for row in result}


def test_a_key_twice_in_a_delivery_is_two_lines_and_an_exact_double_one(spark: SparkSession) -> None:
    came = [
        (line("1", "a", 10), FIRST, 1, None, 11),
        (line("1", "a", 5), FIRST, 2, None, 12),
        (line("1", "a", 5), FIRST, 3, None, 12),  # the same row again
        (line("1", "a", 5), FIRST, 4, None, 13),  # another row, by a column that nothing is mapped from
    ]
    assert lines_of(spark, came) == {("1", "a"): 10, ("1", "a~~2"): 5, ("1", "a~~3"): 5}
    assert lines_of(spark, came, replacing=Replacing(later=True)) == {("1", "a"): 5}
    before = [line("1", "a", 10), line("1", "a~~2", 5), line("2", "a", 7)]
    assert lines_of(spark, [(line("1", "a", 8), SECOND, 1, None, 14)], before) == {("1", "a"): 8, ("2", "a"): 7}


def test_a_return_stands_beside_its_sale(spark: SparkSession) -> None:
    back = (line("1", "a", -10, SECOND, True), SECOND, 1, None, 21)
    assert lines_of(spark, [back], [line("1", "a", 10)]) == {("1", "a"): 10, ("1", "a~~return"): -10}
    again = lines_of(spark, [back], [line("1", "a", 10), line("1", "a~~return", -3, SECOND, True)])
    assert again == {("1", "a"): 10, ("1", "a~~return"): -10}  # a corrected return replaces the return


def test_withdrawals_take_back_what_came_before_them(spark: SparkSession) -> None:
    before = [line("1", "a", 10), line("1", "b", 4), line("1", "a~~return", -10, returned=True)]
    gone = (line("1", "a", 10), SECOND, 1, "row", 31)
    assert lines_of(spark, [gone], before) == {("1", "b"): 4}
    assert lines_of(spark, [gone, (line("1", "a", 6), SECOND, 2, None, 32)], before) == {("1", "a"): 6, ("1", "b"): 4}
    assert lines_of(spark, [gone], before, Replacing("order")) == {}
    in_one = [(line("3", "a", 9), SECOND, 1, None, 33), (line("3", "a", 9), SECOND, 2, "row", 34)]
    assert lines_of(spark, in_one) == {}
    left_out = [(line("3", "a", 9), SECOND, 1, None, 33), (line("3", "a", 9), SECOND, 2, "delivery", 34)]
    assert lines_of(spark, left_out, [line("3", "a", 5)]) == {("3", "a"): 9}


def test_a_row_may_move_to_another_month(spark: SparkSession) -> None:
    april = date(2017, 4, 1)
    came = [(line("1", "a", 10, april), april, 1, None, 41)]
    assert lines_of(spark, came, [line("1", "a", 10, date(2017, 3, 31))]) == {("1", "a"): 10}


def test_a_delivery_may_replace_whole_orders_or_days(spark: SparkSession) -> None:
    before = [line("1", "a", 10), line("1", "b", 4), line("2", "a", 7), line("9", "a", 1, SECOND)]
    came = [(line("1", "a", 11), SECOND, 1, None, 51)]
    assert lines_of(spark, came, before, Replacing("order")) == {("1", "a"): 11, ("2", "a"): 7, ("9", "a"): 1}
    assert lines_of(spark, came, before, Replacing("day")) == {("1", "a"): 11, ("9", "a"): 1}
