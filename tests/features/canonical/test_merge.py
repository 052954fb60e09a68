from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import pytest
from pyspark.sql import DataFrame, Row, SparkSession

from conf.tables.canonical import CONSENTS
from conf.tables.table import Column, Table
from features.canonical.merge import merged

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
