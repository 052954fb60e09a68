from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import Any

import pytest
from pyspark.sql import DataFrame, SparkSession

from conf.errors import ConfigError
from conf.settings.consent import Ids
from conf.settings.expressions import referenced
from conf.settings.load import load
from conf.settings.schema import Settings
from conf.settings.source import Part, Source, SourceTable
from conf.tables.canonical import CANONICAL
from conf.tables.table import Column, Table
from features.canonical.mapping import (
    Reading,
    canonical_rows,
    check_expressions,
    check_source,
    missing_columns,
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
    assert isinstance(row._hash, int)
    assert {name: value for name, value in row.asDict().items() if name != "_hash"} == {
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
        "_out": None,
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


def test_condition_leaves_rows_out_and_deletions_withdraw(lenient: SparkSession) -> None:
    def out(flag: str, implied: bool, **conditions: str) -> str | None:
        part = Part(export="e", columns={"id": "id", "amount": "amount"}, **conditions)
        row = canonical_rows(raw(lenient, id="x", flag=flag, amount="1"), part, TABLE, Reading(implied=implied)).first()
        assert row
        assert (row.id, str(row.amount)) == ("x", "1.0000")
        return row._out

    assert out("paid", True, where="flag = 'paid'") is None
    assert out("open", False, where="flag = 'paid'") == "dropped"
    assert out("open", True, where="flag = 'paid'") == "delivery"  # of what came earlier it is no such row any more
    assert out("open", True, deleted_when="flag = 'gone'") is None
    assert out("gone", True, deleted_when="flag = 'gone'") == "row"
    assert out("gone", True, deleted_when="flag = 'gone'", where="flag = 'paid'") == "row"
    assert out("open", True, deleted_when="flag = 'gone'", where="flag = 'paid'") == "dropped"


@pytest.mark.parametrize(
    ("column", "expression", "value"),
    [
        ("moment", "to_timestamp(moment)", "10:15:00"),  # Spark takes today's
        ("moment", "to_timestamp(moment)", "T10:15"),
        ("moment", "moment", "10:15"),
        ("moment", "cast(moment as timestamp)", "10:15"),
        ("moment", "to_utc_timestamp(moment, 'Europe/Moscow')", "10:15"),
        ("day", "to_date(day)", "2025-03-01 garbage"),
        ("day", "day", "2025-03-01 garbage"),
        ("day", "to_date(day)", "2025-03-01 10:00:00 garbage"),
        ("day", "date(day)", "2025"),
        ("day", "to_date(to_timestamp(day))", "2025-03-01Tea"),
    ],
)
def test_what_is_no_whole_day_is_no_day(lenient: SparkSession, column: str, expression: str, value: str) -> None:
    row = mapped(lenient, {column: expression}, **{column: value})
    assert (row[column], row._fault) == (None, f"cast:{column}")


@pytest.mark.parametrize(
    "value", ["2025-03-01", "2025-3-1", "2025-03-01T10:00", "2025-03-01 10:00:00.25+03:00", "2025-03-01T00:00:00Z"]
)
def test_whole_days_are_read(lenient: SparkSession, value: str) -> None:
    assert mapped(lenient, {"day": "to_date(day)"}, day=value).day == date(2025, 3, 1)


NAMES = Table("people", "one", ("customer_id",), (Column("customer_id", "string", "key"), Column("day", "date", "day")))
ODD = "`Код` string, `Дата, рег` string, number double, _file string, _row long, _ds date"


def keys(session: SparkSession, *texts: str | None, column: str = "`Код`", **rule: Any) -> list[tuple[Any, Any]]:
    origin = ("f", 1, date(2025, 1, 1))
    rows = [(None, None, text, *origin) if column == "number" else (text, None, None, *origin) for text in texts]
    part = Part(export="e", columns={"customer_id": column})
    result = canonical_rows(session.createDataFrame(rows, ODD), part, NAMES, Reading(Ids(**rule)))
    return [(row.customer_id, row._fault) for row in result.collect()]


def test_columns_of_any_name_are_watched(lenient: SparkSession) -> None:
    frame = lenient.createDataFrame([("C1", "2025-02-31", None, "f", 1, date(2025, 1, 1))], ODD)
    part = Part(export="e", columns={"customer_id": "`Код`", "day": "to_date(`Дата, рег`, 'yyyy-MM-dd')"})
    assert canonical_rows(frame, part, NAMES).first()._fault == "cast:day"


def test_keys_are_unified_by_one_rule(lenient: SparkSession) -> None:
    written = [" C1", "C1\u00a0", "\u200bC1 ", "1001.0", "2.0250000123E10", "'+7916"]
    assert [key for key, _ in keys(lenient, *written)] == ["C1", "C1", "C1", "1001", "20250000123", "+7916"]
    assert keys(lenient, "007", "aB") == [("007", None), ("aB", None)]
    assert keys(lenient, "007", "aB", leading_zeros="strip", case="upper") == [("7", None), ("AB", None)]
    assert keys(lenient, 1001.0, 20250000123.0, None, float("nan"), column="number") == [
        ("1001", None), ("20250000123", None), (None, None), (None, None)
    ]  # fmt: skip
    assert keys(lenient, 1e17, column="number") == [(None, "cast:customer_id")]  # it may have been 10^17 + 1


def test_what_is_no_key_is_named(lenient: SparkSession) -> None:
    placeholders = ["0", "N/A", " unknown", "-", "nan", "NULL", "гость"]
    assert {fault for _, fault in keys(lenient, *placeholders)} == {"placeholder:customer_id"}
    assert keys(lenient, "7.91612E+11", "7,91612E+11", "1E+10") == [
        (key, "mangled_key:customer_id") for key in ("7.91612E+11", "7,91612E+11", "1E+10")
    ]
    assert {fault for _, fault in keys(lenient, "Итого", "TOTAL:", "Grand total")} == {"total_line"}
    assert keys(lenient, "0", "web", placeholders=["WEB"], customers=["0"]) == [
        ("0", None), ("web", "placeholder:customer_id")
    ]  # fmt: skip
    assert keys(lenient, None, "") == [(None, None), (None, None)]


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
    recorded = ["id", "campaign_id", "day", "Mixed"]
    assert referenced("concat('day ', campaign_id)", recorded) == ["campaign_id"]
    assert referenced("to_date(`day`)", recorded) == ["day"]
    assert referenced("upper(mixed)", recorded) == ["Mixed"]
    assert referenced("'it''s id'", recorded) == []


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
