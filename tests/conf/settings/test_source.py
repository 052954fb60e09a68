"""A source says little and means much; what is wrong in it is refused by name."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from conf.settings.expressions import identifiers, referenced
from conf.settings.source import Source

PART = {
    "export": "orders",
    "where": "status <> 'x'",
    "columns": {"order_id": "`Номер`", "ordered_on": "to_date(`Дата, время`, 'dd.MM.yyyy')", "amount": "qty * price"},
}


def source(orders: dict[str, Any] | None = None, **changes: Any) -> Source:
    """A source of one export."""
    raw = {
        "name": "shop",
        "timezone": "Europe/Moscow",
        "currency": "RUB",
        "history_starts": "2026-03-01",
        "exports": {"orders": {"path": "{date}/orders.csv.gz", **(orders or {})}},
        "tables": {"order_lines": {"parts": [PART]}},
    }
    return Source.model_validate({**raw, **changes})


def test_what_is_left_out_follows_from_the_rest() -> None:
    made = source()
    export = made.exports["orders"]
    assert (made.title, made.consent.recorded, made.consent.assume) == ("shop", False, "refused")
    assert (export.format, export.schedule, export.other_columns) == ("csv", "daily", "ignore")
    assert export.columns == ["Номер", "Дата, время", "qty", "price", "status"]


def test_declared_columns_are_a_contract() -> None:
    export = source({"columns": ["a", "b", "B"]}).exports["orders"]
    assert (export.columns, export.names, export.other_columns) == (["a", "b", "B_2"], ["a", "b", "B"], "refuse")


@pytest.mark.parametrize(
    ("path", "form"),
    [
        ("orders_{date:%Y%m%d}.txt", "csv"),
        ("{date}/o.ndjson.gz", "jsonl"),
        ("o.json", "json"),
        ("{date}/*.parquet", "parquet"),
        ("o.xlsx", "xlsx"),
        ("o.csv.zip", "csv"),
    ],
)
def test_the_format_follows_from_the_name(path: str, form: str) -> None:
    assert source({"path": path}).exports["orders"].format == form


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "zone": ({"timezone": "Europe/Lndon"}, "'Europe/Lndon' is no zone of the IANA list"),
    "zone outside": ({"timezone": "../etc/passwd"}, "is no zone of the IANA list"),
    "weekday as a day": ({"closed_days": ["sat"]}, "'sat' is no day; write MM-DD .* and weekdays under closed_weekday"),
    "day first": ({"closed_days": ["25-12"]}, "'25-12' is no day"),
    "no such day": ({"closed_days": ["2026-02-31"]}, "'2026-02-31' is no day"),
    "day in another form": ({"closed_days": ["20261225"]}, "'20261225' is no day"),
    "weekday": ({"closed_weekdays": ["saturday"]}, "closed_weekdays"),
    "currency": ({"currency": "xx1"}, "currency"),
    "currency of tests": ({"currency": "XXX"}, "XXX stands for no currency"),
    "absolute path": ({"orders": {"path": "/etc/{date}.csv"}}, "path must be relative"),
    "path above": ({"orders": {"path": "{date}/../../out.csv"}}, "stay within the export folder"),
    "date without a day": ({"orders": {"path": "{date:%Y-%m}/o.csv"}}, "%Y-%m does not name a day"),
    "braces": ({"orders": {"path": "{day}/o.csv"}}, "all that may stand in braces"),
    "format unknown": ({"orders": {"path": "{date}/orders.dat"}}, "format"),
    "path and query": ({"orders": {"database": {"url": "X", "query": "select 1"}}}, "exactly one of them"),
    "password in the file": (
        {"orders": {"path": None, "database": {"url": "postgresql://u:p@h/d", "query": "select 1"}}},
        "should match pattern",
    ),
    "encoding": ({"orders": {"csv": {"encoding": "utf-99"}}}, "'utf-99' is no codec of Python"),
    "codec of bytes": ({"orders": {"csv": {"encoding": "zlib"}}}, "'zlib' is no codec of Python"),
    "delimiter": ({"orders": {"csv": {"delimiter": ";;"}}}, "must be one character, or `tab`"),
    "number signs": ({"orders": {"numbers": {"decimal": ",", "thousands": ","}}}, "decimal and thousands must differ"),
    "name of the origin": (
        {"orders": {"columns": ["id", "_row"]}},
        "column\\(s\\) _row: .* give yours another name in `columns`, and `headers: {other_name: _row}`",
    ),
    "unmapped": ({"tables": {}}, "no table reads a column of it"),
    "header of nothing": ({"orders": {"columns": ["a"], "headers": {"b": "B"}}}, "headers: b are not among"),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_setting_is_named(case: str) -> None:
    changes, message = WRONG[case]
    with pytest.raises(ValidationError, match=message):
        source(**changes)


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("concat(a, ' b ', \"c\", `d e`)", ["a", "d e"]),
        ("case when x = 'end' then cast(y as decimal(18,4)) else null end", ["x", "y"]),
        ("to_date(`a``b`) + interval 1 day", ["a`b"]),
        ("transform(items, item -> item.price * rate)", ["items", "rate"]),
        ("address.city", ["address"]),
        ("`end` is not null and `date` > date '2026-01-01'", ["end", "date"]),
    ],
)
def test_columns_that_an_expression_reads(text: str, read: list[str]) -> None:
    assert identifiers(text) == read
    assert referenced(text, [name.upper() for name in read]) == [name.upper() for name in read]
