"""Writes out what a source's tables leave out: usual expressions, and how an export writes numbers and days.

What comes out is plain Spark SQL over the export's columns, so that everything after the settings reads one language.
"""

from __future__ import annotations

import re
from typing import Any

from conf.settings.expressions import bare, quote, replaced
from conf.tables.canonical import CANONICAL

_NUMBERS = ("decimal", "double", "int", "long")
#: all blanks that stand between thousands: plain, no-break, narrow and thin
_BLANKS = " \u00a0\u202f\u2009"


def expanded(tables: dict[Any, Any], exports: dict[Any, Any], timezone: str) -> dict[Any, Any]:
    """Return the tables of a source with every expression written out.

    Args:
        tables: as in the YAML file; what is no table is left as it is.
        exports: as in the YAML file.
        timezone: of the business day.
    """
    return {name: _table(name, table, exports, timezone) for name, table in tables.items()}


def _table(name: Any, table: Any, exports: dict[Any, Any], timezone: str) -> Any:
    if not isinstance(table, dict) or not isinstance(table.get("parts"), list) or name not in CANONICAL:
        return table
    return {**table, "parts": [_part(name, part, exports, timezone) for part in table["parts"]]}


def _part(table: str, part: Any, exports: dict[Any, Any], timezone: str) -> Any:
    if not isinstance(part, dict) or not isinstance(part.get("columns"), dict):
        return part
    given = {name: text for name, text in part["columns"].items() if isinstance(text, str)}
    export = exports.get(part.get("export"))
    texts = _in_form(table, given, export if isinstance(export, dict) else {})
    usual = {name: text for name, text in _usual(table, texts, timezone).items() if name not in part["columns"]}
    return {**part, "columns": {**part["columns"], **texts, **usual}}


def _usual(table: str, texts: dict[str, str], timezone: str) -> dict[str, str]:
    """Return expressions of columns that nearly every source would map alike."""
    if table == "products":
        return {"counted": "true", "offerable": "true"}
    if table != "order_lines":
        return {}
    usual = {"discount": "0"}
    if "product_id" in texts:
        usual["line_id"] = texts["product_id"]
    if "ordered_at" in texts:
        usual["ordered_on"] = f"to_date(from_utc_timestamp({texts['ordered_at']}, '{timezone}'))"
    elif "ordered_on" in texts:
        usual["ordered_at"] = f"to_utc_timestamp(cast({texts['ordered_on']} as timestamp), '{timezone}')"
    signed = [f"try_cast({texts[name]} as decimal(18,4)) < 0" for name in ("quantity", "amount") if name in texts]
    usual["is_return"] = f"coalesce({' or '.join(signed)}, false)" if signed else "false"
    return usual


def _in_form(table: str, texts: dict[str, str], export: dict[Any, Any]) -> dict[str, str]:
    """Return the expressions with numbers and days read as the export writes them."""
    kinds = {column.name: column.type for column in CANONICAL[table].columns}
    numbers, stamps = export.get("numbers"), export.get("stamps")
    result = {}
    for name, text in texts.items():
        kind = kinds.get(name, "")
        if kind.startswith(_NUMBERS) and isinstance(numbers, dict):
            text = _number(text, str(numbers.get("decimal", ".")), str(numbers.get("thousands", "")))
        elif kind in ("date", "timestamp") and bare(text) is not None:
            text = _stamp(text.strip(), kind, stamps if isinstance(stamps, dict) else {})
        result[name] = text
    return result


def _number(text: str, decimal: str, thousands: str) -> str:
    """Let an expression read plain numbers where its columns hold written ones; any other text is no number."""
    between = "[" + (_BLANKS if thousands == " " else "\\\\" + thousands) + "]" if thousands else ""
    whole = rf"[0-9]{{1,3}}({between}[0-9]{{3}})+|[0-9]+" if between else "[0-9]+"
    shape = f"^ *[+-]?({whole})([{decimal}][0-9]+)? *$"
    drop = (_BLANKS if thousands == " " else thousands) + " "

    def plain(name: str) -> str:
        column = f"cast({quote(name)} as string)"
        signs, other_signs = _sql(decimal + drop), _sql(".")
        return f"(case when {column} rlike '{_sql(shape)}' then translate({column}, '{signs}', '{other_signs}') end)"

    return replaced(text, plain)


def _stamp(column: str, kind: str, form: dict[Any, Any]) -> str:
    """Return the expression of a day or moment that is one column."""
    formats = [str(item) for item in form.get("formats") or []]
    read = [f"to_timestamp({column}, '{_sql(text)}')" for text in formats] or [f"to_timestamp({column})"]
    moment = read[0] if len(read) == 1 else f"coalesce({', '.join(read)})"
    if kind == "date":
        return f"to_date({moment})"
    zone = form.get("zone")
    has_offset = re.search("[xXzZ]", "".join(formats))
    return f"to_utc_timestamp({moment}, '{_sql(str(zone))}')" if zone and not has_offset else moment


def _sql(text: str) -> str:
    return text.replace("'", "''")
