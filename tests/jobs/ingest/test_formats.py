"""What kinds of files are read, and that a value comes out as it stands there."""

from __future__ import annotations

import gzip
import io
import json
import zipfile
from collections.abc import Callable
from datetime import date, datetime
from typing import Any

import openpyxl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from conf.errors import DataError

HEAD = ["id", "name", "total"]
ROWS = [["007", "Зоя, «Ёж»", "1234.50"], ["8", "two\nlines", ""]]
READ = [
    {"id": "007", "name": "Зоя, «Ёж»", "total": "1234.50"},
    {"id": "8", "name": "two\nlines", "total": None},
]


def csv(delimiter: str = ",", quote: str = '"', end: str = "\n") -> str:
    """The rows as CSV with every value quoted."""
    return "".join(
        delimiter.join(f"{quote}{value.replace(quote, quote * 2)}{quote}" for value in row) + end
        for row in [HEAD, *ROWS]
    )


def zipped(**members: str) -> bytes:
    """A zip of text files; two underscores stand for the dot of the name."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name.replace("__", "."), content)
    return stream.getvalue()


def workbook(rows: list[list[Any]], sheet: str = "Sheet") -> bytes:
    """An Excel file whose sheet stands after an empty one."""
    book = openpyxl.Workbook()
    page = book.active
    assert page is not None
    page.title = sheet
    for row in rows:
        page.append(row)
    book.create_sheet("Notes")
    stream = io.BytesIO()
    book.save(stream)
    return stream.getvalue()


def parquet(**columns: list[Any]) -> bytes:
    """A Parquet file."""
    stream = io.BytesIO()
    pq.write_table(pa.table(columns), stream)
    return stream.getvalue()


OBJECTS = [dict(zip(HEAD, row, strict=True)) for row in ROWS]
FILES: dict[str, tuple[str, str | bytes, dict[str, Any]]] = {
    "all quoted, semicolon": ("{date}/o.csv", csv(";"), {"csv": {"delimiter": ";"}}),
    "tab": ("{date}/o.tsv", csv("\t"), {"csv": {"delimiter": "tab"}}),
    "pipe and single quotes": ("{date}/o.txt", csv("|", "'"), {"csv": {"delimiter": "|", "quote": "'"}}),
    "Windows line ends": ("{date}/o.csv", csv(end="\r\n"), {}),
    "byte order mark": ("{date}/o.csv", "\ufeff" + csv(), {}),
    "cp1251": ("{date}/o.csv", csv().encode("cp1251"), {"csv": {"encoding": "cp1251"}}),
    "utf-16 with tabs, as Excel saves text": (
        "{date}/o.txt",
        csv("\t").encode("utf-16"),
        {"csv": {"encoding": "utf-16", "delimiter": "tab"}},
    ),
    "a title above the header": ("{date}/o.csv", "Report of March\n\n" + csv(), {"csv": {"skip_lines": 2}}),
    "zip of one file": ("{date}/o.csv.zip", zipped(**{"export__csv": csv()}), {}),
    "zip with others in it": (
        "{date}/all.zip",
        zipped(orders__csv=csv(), people__csv="id\n1\n", readme__txt="x"),
        {"format": "csv", "member": "orders*.csv"},
    ),
    "JSON array": ("{date}/o.json", json.dumps(OBJECTS, ensure_ascii=False, indent=1), {}),
    "JSON array in an object": (
        "{date}/o.json",
        json.dumps({"count": 2, "next": {"page": [1]}, "orders": OBJECTS, "more": None}),
        {"records": "orders"},
    ),
    "packed JSON array": ("{date}/o.json.gz", gzip.compress(json.dumps(OBJECTS).encode()), {}),
    "Excel": ("{date}/o.xlsx", workbook([HEAD, *ROWS]), {}),
    "a sheet by name, under a title": (
        "{date}/o.xlsx",
        workbook([["Report"], HEAD, *ROWS, [None, None, None]], "Заказы"),
        {"sheet": "Заказы", "csv": {"skip_lines": 1}},
    ),
}


@pytest.mark.parametrize("case", FILES)
def test_every_kind_of_file_gives_the_same_rows(shop: Callable[..., Any], case: str) -> None:
    path, content, changes = FILES[case]
    crm = shop({"orders": {"path": path, "columns": HEAD, **changes}})
    crm.put(path.replace("{date}", "2026-03-02"), content)
    result = [{**row, "total": row["total"] or None} for row in crm.night()]
    assert result == READ


def test_a_backslash_may_escape_and_nothing_may_quote(shop: Callable[..., Any]) -> None:
    crm = shop(
        {
            "escaped": {"path": "{date}/a.csv", "columns": ["a", "b"], "csv": {"escape": "\\"}},
            "bare": {"path": "{date}/b.csv", "columns": ["a", "b"], "csv": {"quote": ""}},
        }
    )
    crm.put("2026-03-02/a.csv", 'a,b\n"say \\"hi\\"",2\n')
    crm.put("2026-03-02/b.csv", 'a,b\n5" pipe,2\n')
    assert crm.night(0, "escaped") == [{"a": 'say "hi"', "b": "2"}]
    assert crm.night(0, "bare") == [{"a": '5" pipe', "b": "2"}]


def test_excel_numbers_and_dates_keep_their_digits(shop: Callable[..., Any]) -> None:
    rows = [
        ["id", "paid", "on", "at", "ok"],
        [791612345678, 19.99, date(2026, 3, 1), datetime(2026, 3, 1, 9, 5), True],
        [20250000123.0, 1e16, None, None, False],
    ]
    crm = shop({"orders": {"path": "{date}/o.xlsx", "columns": rows[0]}})
    crm.put("2026-03-02/o.xlsx", workbook(rows))
    assert crm.night() == [
        {"id": "791612345678", "paid": "19.99", "on": "2026-03-01", "at": "2026-03-01 09:05:00", "ok": "true"},
        {"id": "20250000123", "paid": "1e+16", "on": None, "at": None, "ok": "false"},
    ]


NAMES = ["path", "n", "file_row_number", "Сумма, руб.", 'He said "x"', "a`b", "select", "unit-price", "e mail"]


@pytest.mark.parametrize("kind", ["csv", "jsonl", "json", "parquet", "xlsx"])
def test_a_column_may_have_any_name(shop: Callable[..., Any], kind: str) -> None:
    values = {name: f"v{place}" for place, name in enumerate(NAMES)}
    crm = shop({"orders": {"path": "{date}/o." + kind, "columns": NAMES[::-1]}})
    header = ",".join('"' + name.replace('"', '""') + '"' for name in NAMES)
    content: str | bytes = {
        "csv": header + "\n" + ",".join(values.values()) + "\n",
        "jsonl": json.dumps(values) + "\n",
        "json": json.dumps([values]),
        "parquet": parquet(**{name: [value] for name, value in values.items()}),
        "xlsx": workbook([NAMES, list(values.values())]),
    }[kind]
    crm.put(f"2026-03-02/o.{kind}", content)
    assert crm.night() == [values]


def test_names_that_stand_twice_are_read_by_their_order(shop: Callable[..., Any]) -> None:
    crm = shop(
        {
            "orders": {"path": "{date}/o.csv", "columns": ["id", "phone", "phone", "row"], "headers": {"row": "_row"}},
            "cases": {"path": "{date}/c.csv", "columns": ["Id", "id"]},
        }
    )
    crm.put("2026-03-02/o.csv", "_row,phone,id,phone\n9,first,1,second\n")
    crm.put("2026-03-02/c.csv", "Id,id\n1,2\n")
    assert crm.night() == [{"id": "1", "phone": "first", "phone_2": "second", "row": "9"}]
    assert crm.night(0, "cases") == [{"Id": "1", "id_2": "2"}]


def test_other_columns_are_left_alone_where_the_contract_says_so(shop: Callable[..., Any]) -> None:
    crm = shop({"orders": {"path": "{date}/o.csv", "columns": ["id"], "other_columns": "ignore"}})
    crm.put("2026-03-02/o.csv", "name,name,id,\nx,y,1,\n")
    crm.put("2026-03-03/o.csv", "name,id\nz,2\n")
    assert crm.night() == [{"id": "1"}]
    assert crm.night(1) == [{"id": "2"}]


REFUSED: dict[str, tuple[str, bytes, dict[str, Any], str]] = {
    "utf-8 declared cp1251": (
        "o.csv",
        "id,town\n1,Тверь\n".encode(),
        {"csv": {"encoding": "cp1251"}},
        "o.csv: is UTF-8 and not cp1251",
    ),
    "some lines utf-8, some cp1251": (
        "o.csv",
        "id,town\n1,Тверь\n".encode("cp1251") * 50 + "2,Калуга\n".encode(),
        {"csv": {"encoding": "cp1251"}},
        "o.csv: is UTF-8 and not cp1251, wholly or in part",
    ),
    "utf-16 declared cp1251": (
        "o.csv",
        "id,town\n1,Тверь\n".encode("utf-16"),
        {"csv": {"encoding": "cp1251"}},
        "begins with the mark of utf-16",
    ),
    "Excel named csv": ("o.csv", workbook([["id", "town"]]), {}, "is a zip or an Excel file"),
    "old Excel": ("o.csv", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 99, {}, "is an old Excel file (.xls)"),
    "no such sheet": ("o.xlsx", workbook([["id", "town"], [1, 2]]), {"sheet": "March"}, "has no sheet 'March'"),
    "text named xlsx": ("o.xlsx", b"id,town\n1,2\n", {}, "is no whole Excel file"),
    "Excel with values beyond its names": (
        "o.xlsx",
        workbook([["id", "town"], [1, 2, 3]]),
        {},
        "a row has values beyond its last named column",
    ),
    "zip without the member": (
        "o.zip",
        zipped(a__csv="id\n"),
        {"format": "csv", "member": "b.csv"},
        "no member is called 'b.csv'; it holds 'a.csv'",
    ),
    "zip cut off": ("o.csv.zip", zipped(a__csv="id,town\n1,2\n")[:-30], {}, "is no whole zip"),
    "zip bomb": (
        "o.csv.zip",
        zipped(a__csv="id,town\n" + "1,2\n" * 25_000_000),
        {},
        "unpacks to over 500 times its size",
    ),
    "JSON object": ("o.json", b'{"orders": []}', {}, "is one JSON object, not an array; name the key"),
    "JSON key missing": ("o.json", b'{"orders": []}', {"records": "rows"}, "has no key 'rows'"),
    "JSON array cut off": ("o.json", b'[{"id": 1, "town": "x"}, {"id"', {}, "no whole JSON array"),
    "something after the JSON array": ("o.json", b'[{"id": 1, "town": "x"}] x', {}, "something follows the array"),
    "JSON nested too deep": ("o.json", b"[" * 200_000, {}, "no whole JSON array"),
    "an element without end": ("o.json", b'["' + b"x" * 9_000_000, {}, "no value ends within 4,000,000"),
    "empty JSON array": ("o.json", b"[]", {}, "is empty (no row)"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_file_that_is_something_else_is_named(shop: Callable[..., Any], case: str) -> None:
    name, content, changes, message = REFUSED[case]
    crm = shop({"orders": {"path": "{date}/" + name, "columns": ["id", "town"], **changes}})
    crm.put(f"2026-03-02/{name}", content)
    with pytest.raises(DataError) as caught:
        crm.night()
    assert message in str(caught.value)
    assert "Тверь" not in str(caught.value)


def test_cp1251_text_is_not_taken_for_utf8(shop: Callable[..., Any]) -> None:
    crm = shop({"orders": {"path": "{date}/o.csv", "columns": ["id", "town"], "csv": {"encoding": "cp1251"}}})
    crm.put("2026-03-02/o.csv", "id,town\n1,ТЁПЛЫЙ СТАН\n2,В» ЕЁ\n3,Орёл\n".encode("cp1251"))
    assert [row["town"] for row in crm.night()] == ["ТЁПЛЫЙ СТАН", "В» ЕЁ", "Орёл"]


#: what cannot be a row among rows that are, and the ids of those
SET_ASIDE = {
    "CSV": ("o.csv", b"id,town\n1,x\n2,%s\n3,y\n4,z\n"),
    "JSON Lines": (
        "o.jsonl",
        b'{"id":"1","town":"x"}\n{"id":"2","town":"%s"}\n{"id":"3","town":"y"}\n{"id":"4","town":"z"}\n',
    ),
}


@pytest.mark.parametrize("kind", SET_ASIDE)
def test_a_line_without_end_is_set_aside(shop: Callable[..., Any], kind: str) -> None:
    """The line of 100 MB is malformed, and all others are read."""
    name, content = SET_ASIDE[kind]
    crm = shop({"orders": {"path": "{date}/" + name, "columns": ["id", "town"]}})
    crm.put(f"2026-03-02/{name}", content % (b"x" * 100_000_000))
    assert [row["id"] for row in crm.night()] == ["1", "3", "4"]


def test_a_row_with_nul_bytes_is_set_aside(shop: Callable[..., Any]) -> None:
    crm = shop({"orders": {"path": "{date}/o.csv", "columns": ["id", "town"]}})
    crm.put("2026-03-02/o.csv", SET_ASIDE["CSV"][1] % b"a\x00b")
    assert [row["id"] for row in crm.night()] == ["1", "3", "4"]


def test_sql_in_a_column_name_is_a_name(shop: Callable[..., Any]) -> None:
    name = 'x"; drop table good; --'
    crm = shop({"orders": {"path": "{date}/o.csv", "columns": ["id", name]}})
    crm.put("2026-03-02/o.csv", b'id,"x""; drop table good; --"\n1,a\n')
    assert crm.night() == [{"id": "1", name: "a"}]
