from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import Any

import pytest
from pyspark.sql import DataFrame, SparkSession

from conf.errors import ConfigError
from conf.settings.load import load
from conf.settings.schema import Settings
from conf.settings.source import Part, Source, SourceTable
from conf.tables.canonical import CANONICAL
from conf.tables.table import Column, Table
from features.canonical.mapping import (
    canonical_rows,
    check_expressions,
    check_source,
    missing_columns,
    referenced,
    shown_columns,
)

TABLE = Table(
    "things",
    "one thing",
    ("id",),
    (
        Column("id", "string", "key", nullable=False),
        Column("amount", "decimal(18,4)", "money"),
        Column("day", "date", "day"),
        Column("moment", "timestamp", "moment"),
        Column("flag", "boolean", "yes or no"),
        Column("attributes", "map<string,string>", "more"),
    ),
)
RAW = "id string, amount string, day string, moment string, flag string, cents int, _file string, _row long, _ds date"


@pytest.fixture(scope="module")
def lenient(spark: SparkSession) -> SparkSession:
    """The session that jobs map in."""
    session = spark.newSession()
    session.conf.set("spark.sql.ansi.enabled", "false")
    session.conf.set("spark.sql.session.timeZone", "UTC")
    return session


def raw(session: SparkSession, **values: Any) -> DataFrame:
    names = ("id", "amount", "day", "moment", "flag", "cents")
    row = ("f.csv", 1, date(2017, 1, 1))
    return session.createDataFrame([(*(values.get(name) for name in names), *row)], RAW)


def mapped(session: SparkSession, columns: dict[str, str], where: str | None = None, **values: Any) -> Any:
    part = Part(export="e", columns={"id": "id", **columns}, where=where)
    return canonical_rows(raw(session, **{"id": "x", **values}), part, TABLE).first()


def test_values_are_typed_and_origin_is_kept(lenient: SparkSession) -> None:
    columns = {
        "amount": "amount",
        "day": "to_date(from_utc_timestamp(to_timestamp(moment), 'America/New_York'))",
        "moment": "to_timestamp(moment)",
        "flag": "flag",
        "attributes": "map('day', day)",
    }
    row = mapped(lenient, columns, amount="1234.56789", moment="2017-03-12 04:30:00", flag="true")
    assert row.asDict() == {
        "id": "x",
        "amount": Decimal("1234.5679"),
        "day": date(2017, 3, 11),
        "moment": datetime(2017, 3, 12, 4, 30),
        "flag": True,
        "attributes": {"day": None},
        "_file": "f.csv",
        "_row": 1,
        "_ds": date(2017, 1, 1),
        "_fault": None,
    }


def test_column_not_mentioned_is_null_and_no_fault(lenient: SparkSession) -> None:
    row = mapped(lenient, {}, amount="abc", day="never")
    assert (row.amount, row.day, row.attributes, row._fault) == (None, None, None, None)


@pytest.mark.parametrize(
    ("column", "expression", "values"),
    [
        ("amount", "amount", {"amount": "abc"}),
        ("amount", "amount", {"amount": "1,50"}),
        ("amount", "amount", {"amount": "1e30"}),
        ("amount", "cast(amount as decimal(18,4)) / 0", {"amount": "1"}),
        ("amount", "cast(amount as int) * 2", {"amount": "99999999999"}),
        ("day", "day", {"day": "2017-02-30"}),
        ("day", "to_date(day)", {"day": "soon"}),
        ("day", "to_date(day, 'dd.MM.yyyy')", {"day": "2017-01-05"}),
        ("day", "to_date(nullif(day, '0000-00-00'))", {"day": "soon"}),
        (
            "day",
            "case when flag = 'y' then to_date(day) else to_date(day, 'dd.MM.yyyy') end",
            {"day": "x", "flag": "y"},
        ),
        ("moment", "to_timestamp(moment)", {"moment": "2017-01-01 25:00:00"}),
        ("moment", "to_timestamp(concat(day, ' ', moment))", {"day": "2017-01-01", "moment": "noon"}),
        ("flag", "flag", {"flag": "perhaps"}),
    ],
)
def test_bad_value_is_a_fault_of_its_row(
    lenient: SparkSession, column: str, expression: str, values: dict[str, str]
) -> None:
    row = mapped(lenient, {column: expression}, **values)
    assert row[column] is None
    assert row._fault == f"cast:{column}"


@pytest.mark.parametrize(
    ("column", "expression", "values"),
    [
        ("amount", "amount", {"amount": None}),
        ("amount", "amount", {"amount": ""}),  # an empty string says nothing
        ("day", "to_date(nullif(day, '0000-00-00'))", {"day": "0000-00-00"}),
        ("day", "to_date(day)", {}),
        ("moment", "to_timestamp(concat(day, ' ', moment))", {"day": "2017-01-01"}),
        ("flag", "flag = 'y' and amount is not null", {"amount": "1"}),
    ],
)
def test_no_value_is_no_fault(lenient: SparkSession, column: str, expression: str, values: dict[str, Any]) -> None:
    row = mapped(lenient, {column: expression}, **values)
    assert (row[column], row._fault) == (None, None)


def test_the_first_fault_is_named(lenient: SparkSession) -> None:
    row = mapped(lenient, {"amount": "amount", "day": "day"}, amount="abc", day="soon")
    assert row._fault == "cast:amount"


def test_whole_numbers_of_parquet_do_not_wrap_around(lenient: SparkSession) -> None:
    row = mapped(lenient, {"amount": "cents * cents"}, cents=2_000_000_000 // 1000)
    assert row.amount == Decimal("4000000000000.0000")


def test_condition_picks_rows(lenient: SparkSession) -> None:
    assert mapped(lenient, {}, where="flag = 'paid'", flag="open") is None
    assert mapped(lenient, {}, where="flag = 'paid'", flag="paid") is not None


@pytest.mark.parametrize("expression", ["nosuch + 1", "to_date(", "no_function(day)", "map('a', day)"])
def test_expression_that_cannot_work_is_named(lenient: SparkSession, expression: str) -> None:
    part = Part(export="e", columns={"id": "id", "day": expression})
    with pytest.raises(ConfigError, match=r"tables\.things\.day over export e: `") as caught:
        check_expressions(raw(lenient), part, TABLE)
    assert expression in str(caught.value)


def test_missing_columns_of_the_contract(lenient: SparkSession) -> None:
    export = load().source.exports["redemptions"]
    assert missing_columns(raw(lenient), export) == export.columns


def test_columns_an_expression_reads() -> None:
    known = ["id", "campaign_id", "day", "Mixed"]
    assert referenced("concat('day ', campaign_id)", known) == ["campaign_id"]
    assert referenced("to_date(`day`)", known) == ["day"]
    assert referenced("upper(mixed)", known) == ["Mixed"]
    assert referenced("'it''s id'", known) == []


@pytest.fixture
def source(settings: Settings) -> Source:
    return settings.source


def changed(source: Source, table: str, **update: Any) -> Source:
    return source.model_copy(
        update={"tables": {**source.tables, table: source.tables[table].model_copy(update=update)}}
    )


def test_shipped_source_is_mapped_rightly(source: Source) -> None:
    check_source(source, CANONICAL)


def test_all_faults_of_a_mapping_are_told_at_once(source: Source) -> None:
    broken = changed(
        source,
        "responses",
        parts=[Part(export="nosuch", columns={"colour": "x", "response_id": "y"})],
        references={"kind": 1.0},
        personal=["shoe"],
    )
    with pytest.raises(ConfigError) as caught:
        check_source(broken, CANONICAL)
    for fault in (
        "no export is called nosuch",
        "column(s) colour do not exist",
        "must fill column(s) customer_id, kind, offer_id, responded_on",
        "column(s) shoe do not exist",
        "tables.responses.references: kind is the key of no table of this source",
    ):
        assert fault in str(caught.value)


def test_books_of_needs_refer_to_tables_that_the_source_has(source: Source) -> None:
    needs = SourceTable(parts=[Part(export="products", columns={"need_id": "brand", "name": "brand"})])
    links = SourceTable(parts=[Part(export="products", columns={"characteristic": "brand", "need_id": "brand"})])
    check_source(source.model_copy(update={"tables": {**source.tables, "needs": needs}}), CANONICAL)
    with pytest.raises(ConfigError, match=r"characteristic_needs: need_id refers to needs, which the source does not"):
        check_source(source.model_copy(update={"tables": {**source.tables, "characteristic_needs": links}}), CANONICAL)


def test_only_columns_known_to_be_harmless_are_shown(source: Source) -> None:
    assert shown_columns(source, "customers", CANONICAL) == ["household_id", "member_since"]
    assert "week" not in shown_columns(source, "orders", CANONICAL)  # feeds nothing
    assert "sales_value" in shown_columns(source, "orders", CANONICAL)
