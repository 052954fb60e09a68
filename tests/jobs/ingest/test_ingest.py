"""Ingest: which drops a night takes, and that rows come through as they were."""

from __future__ import annotations

import gzip
import hashlib
import json
import logging
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings as hypothesis, strategies as st

from conf.settings.exports import Export
from conf.settings.load import load
from conf.settings.schema import Settings
from conf.settings.source import Source
from jobs.ingest import ingest
from jobs.ingest.exports import find
from jobs.inputs.export_calendar import due
from jobs.lake.lake import Lake
from jobs.stages import Stage

FIRST = date(2026, 3, 1)  # a Sunday
COLUMNS = ["id", "note", "amount"]
ORDERS = {"path": "{date}/orders*.csv", "format": "csv", "schedule": "daily", "columns": COLUMNS}


def crm(home: Path, closed: list[str] | None = None, **exports: dict[str, Any]) -> Settings:
    """Settings of a CRM with these exports, in ``home``."""
    source = Source.model_validate(
        {
            "name": "tiny",
            "title": "A small CRM",
            "timezone": "UTC",
            "currency": "EUR",
            "history_starts": FIRST,
            "closed_days": closed or [],
            "consent": {"recorded": True},
            "exports": exports,
            "tables": {},
        }
    )
    places = {"home": str(home), "lake": str(home / "lake"), "exports": str(home / "crm")}
    (home / "crm").mkdir(exist_ok=True)
    return load().model_copy(update={**places, "source": source})


def day(number: int) -> date:
    """The day ``number`` days after the first drop."""
    return FIRST + timedelta(days=number)


def put(settings: Settings, number: int, name: str, content: str | bytes) -> None:
    """Drop a file on day ``number``."""
    file = Path(settings.exports, str(day(number)), name)
    file.parent.mkdir(exist_ok=True)
    file.write_bytes(content.encode() if isinstance(content, str) else content)


def rows(settings: Settings, number: int, export: str = "orders") -> list[tuple[Any, ...]]:
    """The contract's columns of a night's raw table, in the order of file and row."""
    table = (
        Lake(settings.lake)
        .arrow(f"raw/tiny/{export}", day(number))
        .sort_by([("_file", "ascending"), ("_row", "ascending")])
    )
    return list(zip(*(table[column].to_pylist() for column in COLUMNS), strict=True))


def read(home: Path, content: bytes, name: str = "orders.csv", **changes: Any) -> list[tuple[Any, ...]]:
    """What ingest makes of one CSV file."""
    settings = crm(home, orders={**ORDERS, **changes})
    put(settings, 0, name, content)
    ingest.run(settings, FIRST, force=True)
    return rows(settings, 0)


def test_the_first_night_takes_all_and_later_nights_what_is_new(tmp_path: Path) -> None:
    settings = crm(tmp_path, orders=ORDERS)
    for number in range(5):
        put(settings, number, "orders.csv", f"id,note,amount\n{number},x,1\n")
    put(settings, 3, "orders_corrected.csv", "id,note,amount\n1,y,2\n")
    first = ingest.run(settings, day(1))
    assert first.facts["since"] is None
    assert rows(settings, 1) == [("0", "x", "1"), ("1", "x", "1")]
    second = ingest.run(settings, day(3))
    assert second.facts["since"] == str(day(1))
    assert rows(settings, 3) == [("2", "x", "1"), ("3", "x", "1"), ("1", "y", "2")]
    assert [file["path"] for file in second.facts["files"]["orders"]] == [
        "2026-03-03/orders.csv",
        "2026-03-04/orders.csv",
        "2026-03-04/orders_corrected.csv",
    ]
    whole = crm(tmp_path, orders=ORDERS).model_copy(update={"lake": str(tmp_path / "whole")})
    ingest.run(whole, day(3))
    assert sorted(rows(whole, 3)) == sorted(rows(settings, 1) + rows(settings, 3))


def test_origin_and_facts_lead_back_to_the_file(tmp_path: Path) -> None:
    settings = crm(tmp_path, orders=ORDERS)
    content = "id,note,amount\n1,x,1\n2,x\n3,x,1\n"
    put(settings, 0, "orders.csv", content)
    manifest = ingest.run(settings, FIRST)
    table = Lake(settings.lake).arrow("raw/tiny/orders", FIRST)
    assert table.column_names == [*COLUMNS, "_file", "_row", "_ds"]
    assert table.select(["_file", "_row", "_ds"]).sort_by("_row").to_pylist() == [
        {"_file": "2026-03-01/orders.csv", "_row": 1, "_ds": FIRST},
        {"_file": "2026-03-01/orders.csv", "_row": 3, "_ds": FIRST},
    ]
    [file] = manifest.facts["files"]["orders"]
    assert file == {
        "path": "2026-03-01/orders.csv",
        "ds": "2026-03-01",
        "sha256": hashlib.sha256(content.encode()).hexdigest(),
        "bytes": len(content),
        "rows": 2,
    }
    assert manifest.facts["rejected"] == {"orders": 1}
    assert "ingested_at" in manifest.facts


def test_an_unchanged_night_is_not_read_again_and_a_changed_one_is(tmp_path: Path) -> None:
    settings = crm(tmp_path, orders=ORDERS)
    put(settings, 0, "orders.csv", "id,note,amount\n1,x,1\n")
    first = ingest.run(settings, FIRST)
    assert ingest.run(settings, FIRST).version == first.version
    forced = ingest.run(settings, FIRST, force=True)
    assert forced.version != first.version
    assert forced.content == first.content, "the same files give the same rows, value by value"
    put(settings, 0, "orders.csv", "id,note,amount\n1,x,2\n")
    assert ingest.run(settings, FIRST).content != first.content


def test_closed_and_skipped_days_need_no_file_and_schedules_do(tmp_path: Path) -> None:
    settings = crm(
        tmp_path,
        closed=["03-02"],
        orders={**ORDERS, "skipped_days": ["2026-03-04"]},
        weekly={**ORDERS, "path": "{date}/weekly.csv", "schedule": "weekly:mon"},
        monthly={**ORDERS, "path": "{date}/monthly.csv", "schedule": "monthly:1"},
        extra={**ORDERS, "path": "{date}/extra.csv", "schedule": "optional"},
    )
    _, faults = find(settings, None, day(9))
    missing = [fault.split(":")[0] for fault in faults]
    expected = [f"{day(number)}/orders*.csv" for number in (0, 2, 4, 5, 6, 7, 8, 9)]
    assert missing == [*expected, f"{day(8)}/weekly.csv", f"{day(0)}/monthly.csv"]  # Monday the 2nd is closed


@pytest.mark.parametrize("schedule", ["daily", "weekly:sun", "monthly:28", "optional"])
def test_how_often_a_schedule_is_due_in_a_year(schedule: str) -> None:
    export = Export.model_validate({**ORDERS, "schedule": schedule})
    source = load().source  # closed on 25 December
    count = sum(due(export, source, date(2026, 1, 1) + timedelta(days=number)) for number in range(365))
    assert count == {"daily": 364, "weekly:sun": 52, "monthly:28": 12, "optional": 0}[schedule]


def test_an_export_without_a_new_file_has_no_table_and_an_empty_one_has(tmp_path: Path) -> None:
    extra = {**ORDERS, "path": "{date}/extra.csv", "schedule": "optional"}
    changes = {**ORDERS, "path": "{date}/changes.jsonl", "format": "jsonl", "may_be_empty": True}
    settings = crm(tmp_path, orders={**ORDERS, "may_be_empty": True}, extra=extra, changes=changes)
    put(settings, 0, "orders.csv", "id,note,amount\n")
    put(settings, 0, "changes.jsonl", "")
    manifest = ingest.run(settings, FIRST)
    lake = Lake(settings.lake)
    assert sorted(manifest.tables) == ["raw/tiny/changes", "raw/tiny/orders"]
    for name in manifest.tables:
        table = lake.arrow(name, FIRST)
        assert table.num_rows == 0
        assert table.column_names == [*COLUMNS, "_file", "_row", "_ds"]


def test_the_file_of_the_day_before_is_warned_of(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    settings = crm(tmp_path, orders=ORDERS)
    for number, amount in enumerate([1, 2, 2, 2]):
        put(settings, number, "orders.csv", f"id,note,amount\n1,x,{amount}\n")
    with caplog.at_level(logging.WARNING):
        ingest.run(settings, day(2))
    assert [record.getMessage() for record in caplog.records] == [
        "2026-03-03/orders.csv: has the same content as the file of 2026-03-02; ask whether it is stale"
    ]
    caplog.clear()
    with caplog.at_level(logging.WARNING):
        ingest.run(settings, day(3))  # the day before belongs to the night before
    assert "2026-03-04/orders.csv: has the same content as the file of 2026-03-03" in caplog.text


AS_IT_CAME: dict[str, tuple[bytes, dict[str, Any], tuple[Any, ...]]] = {
    "leading zeros": (b"007,x,1", {}, ("007", "x", "1")),
    "telephone number": (b"+79261234567,x,1", {}, ("+79261234567", "x", "1")),
    "number with a fraction": (b"123.0,x,1e3", {}, ("123.0", "x", "1e3")),
    "spaces": (b" 1 ,x y,1 234", {}, (" 1 ", "x y", "1 234")),
    "digits of another script": ("٠١٢,x,1".encode(), {}, ("٠١٢", "x", "1")),
    "beyond 64 bits": (b"9223372036854775808,x,1", {}, ("9223372036854775808", "x", "1")),
    "NA is a value": (b"NA,null,None", {}, ("NA", "null", "None")),
    "empty is null": (b'1,,""', {}, ("1", None, None)),
    "declared nulls only": (b"1,,NA", {"csv": {"nulls": ["NA"]}}, ("1", "", None)),
    "no nulls": (b"1,,NA", {"csv": {"nulls": []}}, ("1", "", "NA")),
    "line ends in a value": (b'1,"x\ny",1', {}, ("1", "x\ny", "1")),
    "quotes in a value": (b'1,"say ""a,b""",1', {}, ("1", 'say "a,b"', "1")),
    "other quote": (b"1,'a,\"b',1", {"csv": {"quote": "'"}}, ("1", 'a,"b', "1")),
    "formula": (b"1,=1+1,1", {}, ("1", "=1+1", "1")),
    "comment sign": (b"#1,x,1", {}, ("#1", "x", "1")),
    "backslash": (rb"1,a\,1", {}, ("1", "a\\", "1")),
}


@pytest.mark.parametrize("case", AS_IT_CAME)
def test_values_come_as_they_were(case: str, tmp_path: Path) -> None:
    line, changes, expected = AS_IT_CAME[case]
    assert read(tmp_path, b"id,note,amount\n" + line + b"\n", **changes) == [expected]


TEXT = "id,note,amount\n1,Анна,2\n3,Олег,4\n"
ENCODED: dict[str, tuple[bytes, dict[str, Any], str]] = {
    "utf-8": (TEXT.encode(), {}, "orders.csv"),
    "byte order mark": (TEXT.encode("utf-8-sig"), {}, "orders.csv"),
    "no last line end": (TEXT.encode()[:-1], {}, "orders.csv"),
    "Windows line ends": (TEXT.replace("\n", "\r\n").encode(), {}, "orders.csv"),
    "old Mac line ends": (TEXT.replace("\n", "\r").encode(), {}, "orders.csv"),
    "mixed line ends": (TEXT.replace("2\n", "2\r\n").encode(), {}, "orders.csv"),
    "cp1251": (TEXT.encode("cp1251"), {"csv": {"encoding": "cp1251"}}, "orders.csv"),
    "utf-16": (TEXT.encode("utf-16"), {"csv": {"encoding": "utf-16"}}, "orders.csv"),
    "semicolons": (TEXT.replace(",", ";").encode(), {"csv": {"delimiter": ";"}}, "orders.csv"),
    "tabs": (TEXT.replace(",", "\t").encode(), {"csv": {"delimiter": "\t"}}, "orders.csv"),
    "quoted throughout": (
        b'"id","note","amount"\n"1","\xd0\x90\xd0\xbd\xd0\xbd\xd0\xb0","2"\n' + TEXT.split("\n", 2)[2].encode(),
        {},
        "orders.csv",
    ),
    "packed": (gzip.compress(TEXT.encode()), {"path": "{date}/orders.csv.gz"}, "orders.csv.gz"),
    "packed in two pieces": (
        gzip.compress(TEXT.encode()[:30]) + gzip.compress(TEXT.encode()[30:]),
        {"path": "{date}/orders.csv.gz"},
        "orders.csv.gz",
    ),
    "packed with a byte order mark": (
        gzip.compress(TEXT.encode("utf-8-sig")),
        {"path": "{date}/orders.csv.gz"},
        "orders.csv.gz",
    ),
    "packed cp1251": (
        gzip.compress(TEXT.encode("cp1251")),
        {"path": "{date}/orders.csv.gz", "csv": {"encoding": "cp1251"}},
        "orders.csv.gz",
    ),
    "name with brackets": (TEXT.encode(), {}, "orders[1].csv"),
}


@pytest.mark.parametrize("case", ENCODED)
def test_every_declared_form_reads_the_same(case: str, tmp_path: Path) -> None:
    content, changes, name = ENCODED[case]
    assert read(tmp_path, content, name, **changes) == [("1", "Анна", "2"), ("3", "Олег", "4")]


def test_the_order_of_columns_is_free(tmp_path: Path) -> None:
    settings = crm(tmp_path, orders=ORDERS)
    put(settings, 0, "orders.csv", "id,note,amount\n1,x,2\n")
    put(settings, 0, "orders_more.csv", "amount,id,note\n2,1,x\n")
    ingest.run(settings, FIRST)
    assert rows(settings, 0) == [("1", "x", "2")] * 2


def test_json_keeps_nulls_and_nested_values(tmp_path: Path) -> None:
    settings = crm(tmp_path, people={**ORDERS, "path": "{date}/people.jsonl", "format": "jsonl"})
    objects = [
        '{"id": "007", "note": {"a": [1, null]}, "amount": 1.50}',
        '{"amount": null, "id": 9223372036854775808, "note": ""}',
        "",
        '{"id": true, "note": "null"}',
    ]
    put(settings, 0, "people.jsonl", "\n".join(objects))
    ingest.run(settings, FIRST)
    result = rows(settings, 0, "people")
    assert result[0][0] == "007"
    assert json.loads(result[0][1]) == {"a": [1, None]}
    assert float(result[0][2]) == 1.5
    assert result[1:] == [("9223372036854775808", "", None), ("true", "null", None)]
    assert Lake(settings.lake).arrow("raw/tiny/people", FIRST)["_row"].to_pylist() == [1, 2, 4]


def test_parquet_keeps_its_types(tmp_path: Path) -> None:
    settings = crm(tmp_path, items={**ORDERS, "path": "{date}/items.parquet", "format": "parquet"})
    table = pa.table({"amount": pa.array([1, None], pa.int32()), "id": ["007", "8"], "note": pa.array([FIRST, None])})
    put(settings, 0, "items.parquet", b"")
    pq.write_table(table, Path(settings.exports, str(FIRST), "items.parquet"))
    ingest.run(settings, FIRST)
    result = Lake(settings.lake).arrow("raw/tiny/items", FIRST)
    assert result.schema.field("amount").type == pa.int32()
    assert result.schema.field("note").type == pa.date32()
    assert result.select(COLUMNS).to_pylist() == table.select(COLUMNS).to_pylist()
    assert result["_row"].to_pylist() == [1, 2]


#: all of Unicode but NUL, which is refused, lone surrogates, which are no text, and line ends, see below
VALUES = st.text(st.characters(blacklist_characters="\0\r", blacklist_categories=["Cs"]), max_size=12)


@hypothesis(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(VALUES, VALUES, VALUES), min_size=1, max_size=8))
def test_any_text_comes_through_csv_and_json(tmp_path: Path, values: list[tuple[str, str, str]]) -> None:
    people = {**ORDERS, "path": "{date}/people.jsonl", "format": "jsonl"}
    settings = crm(tmp_path, orders={**ORDERS, "csv": {"nulls": []}}, people=people)
    quoted = "".join(",".join('"' + value.replace('"', '""') + '"' for value in row) + "\n" for row in values)
    put(settings, 0, "orders.csv", "id,note,amount\n" + quoted)
    put(settings, 0, "people.jsonl", "".join(json.dumps(dict(zip(COLUMNS, row, strict=True))) + "\n" for row in values))
    manifest = ingest.run(settings, FIRST)
    assert manifest.facts["rejected"] == {"orders": 0, "people": 0}
    assert rows(settings, 0) == values
    assert rows(settings, 0, "people") == values


def test_rows_keep_their_numbers_in_a_file_read_in_pieces(tmp_path: Path) -> None:
    lines = [f"{number},{'x' * 180},1" for number in range(1, 250_001)]  # 48 MB: more than one buffer of DuckDB
    for number in (3, 4, 124_999, 250_000):
        lines[number - 1] = f"{number},x"
    settings = crm(tmp_path, orders=ORDERS)
    put(settings, 0, "orders.csv", "id,note,amount\n" + "\n".join(lines) + "\n")
    ingest.run(settings, FIRST)
    table = Lake(settings.lake).arrow("raw/tiny/orders", FIRST)
    assert table.num_rows == 249_996
    assert table["id"].cast(pa.int64()).equals(table["_row"]), "a row's number is its place in the file"
    refused = Lake(settings.lake).arrow("raw/tiny/orders__rejected", FIRST)
    assert refused["_row"].to_pylist() == [3, 4, 124_999, 250_000]


def test_nothing_but_the_lake_and_its_locks_is_left_in_the_home(tmp_path: Path) -> None:
    read(tmp_path, TEXT.encode("cp1251"), csv={"encoding": "cp1251"})
    assert sorted(file.name for file in tmp_path.iterdir()) == ["crm", "lake", "locks"]
    assert Lake(str(tmp_path / "lake")).days(Stage.INGEST) == [FIRST]
