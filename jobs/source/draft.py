"""Drafts the settings of a source from a look at its files; what has to be checked by a person says so in a comment."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path

from conf.settings.exports import Csv
from conf.settings.expressions import quote
from jobs.source.look import ISO, PATTERNS, Look, SampleColumn
from jobs.source.roles import CANCELLED, is_personal, plain, roles, table_of

WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
#: distinct values that a column of states has at most
STATES = 30


@dataclass(frozen=True)
class ExportDraft:
    """An export that was looked at: its name, path in the YAML, days it came on, and newest file."""

    name: str
    path: str
    days: list[date]
    look: Look
    again: bool = False

    @property
    def table(self) -> str | None:
        """Return the canonical table it seems to be."""
        return table_of(self.look)


def draft(name: str, exports: list[ExportDraft], timezone: str, currency: str) -> str:
    """Return the YAML of a source.

    Args:
        name: of the source.
        exports: its exports.
        timezone: IANA zone of the shop.
        currency: ISO 4217 code.
    """
    days = sorted({day for export in exports for day in export.days})
    lines = [
        f"# Drafted from {len(exports)} export(s) by their first rows. Read what is marked CHECK.",
        f"name: {name}",
        f"timezone: {timezone}           # CHECK: the zone of the business day",
        f"currency: {currency}                # CHECK",
        f"history_starts: {days[0] if days else date.today() - timedelta(days=1)}"
        + ("" if days else "     # the first night; files without a day in their name are read whole"),
    ]
    if closed := _closed(days):
        lines.append(f"closed_weekdays: [{', '.join(closed)}]      # no file ever came on them")
    consents = any(export.table == "consents" for export in exports)
    lines += (
        ["consent: {recorded: true}"]
        if consents
        else [
            "# CHECK: no export of consents was seen, so nobody may be contacted and segment files stay empty; if",
            "# customers agreed elsewhere, write {recorded: false, assume: granted, why: ...}",
            "consent: {recorded: false, assume: refused}",
        ]
    )
    lines += ["", "exports:"]
    for export in exports:
        lines += _export(export, timezone)
    lines += ["", "tables:"]
    for export in exports:
        lines += _table(export)
    return "\n".join(lines) + "\n"


def _export(export: ExportDraft, timezone: str) -> Iterator[str]:
    look = export.look
    yield f"  {export.name}:"
    yield f'    path: "{export.path}"'
    if not re.search(r"\.(csv|tsv|txt|jsonl|ndjson|json|parquet|xlsx)(\.gz|\.zip)?$", export.path):
        yield f"    format: {look.format}"
    if schedule := _schedule(export.days):
        yield f"    schedule: {schedule}"
    if form := _dialect(look.csv):
        yield f"    csv: {{{form}}}"
    if export.table is None:  # nothing is mapped, so that the contract has to be declared
        yield f"    columns: [{', '.join(_quoted(column.name) for column in look.columns)}]"
    if look.records:
        yield f"    records: {look.records}"
    if look.numbers:
        signs = ", ".join(f'{name}: "{sign}"' for name, sign in look.numbers.items())
        yield f"    numbers: {{{signs}}}"
    patterns = list(dict.fromkeys(c.pattern for c in look.columns if c.pattern and c.pattern not in ISO))
    moments = [column for column in look.columns if column.kind == "moment"]
    bare = [column for column in moments if not re.search(r"(Z|[+-]\d\d:?\d\d)$", column.values[0])]
    if patterns or bare:
        parts = [f"formats: [{', '.join(map(_quoted, patterns))}]"] if patterns else []
        parts += [f"zone: {timezone}"] if bare else []
        note = _hours(bare[0]) if bare else ""
        yield f"    stamps: {{{', '.join(parts)}}}{note}"
    if any(pattern.startswith(("dd/", "MM/")) for pattern in patterns) and _day_or_month(look, patterns):
        yield "    # CHECK: day and month may be the other way round; no value of the sample decides"


def _table(export: ExportDraft) -> Iterator[str]:
    table, look = export.table, export.look
    if table is None:
        names = ", ".join(column.name for column in look.columns[:12])
        yield f"  # CHECK: {export.name} ({names}) seems to be none of the tables that are known;"
        yield "  # map it, or remove it from `exports`"
        return
    fill = roles(look, table)
    yield f"  {table}:"
    yield "    parts:"
    yield f"      - export: {export.name}"
    if table in ("customers", "products") and export.again:
        yield "        mode: snapshot             # each file holds all there are"
    if table == "order_lines":
        yield from _conditions(export, fill)
    yield "        columns:"
    for canonical, text in _columns(table, fill, look):
        yield f"          {canonical}: {text}"
    personal = [column.name for column in look.columns if is_personal(column)]
    if personal:
        yield f"    # seem personal: {', '.join(personal)}"


def _conditions(export: ExportDraft, fill: dict[str, SampleColumn]) -> Iterator[str]:
    """Yield what lines are left out: those taken back, and those of days to come."""
    state, conditions = _state(export.look), []
    if state:
        condition, column = state
        yield f"        # CHECK: states of the sample: {', '.join(sorted(set(column.values))[:STATES])}"
        conditions.append(f"not coalesce({condition}, false)")
    if not export.days:  # the file may hold more than the night
        conditions.append(_today(fill["ordered_at"]))
    if conditions:
        yield f"        where: {_quoted(' and '.join(conditions))}"


def _columns(table: str, fill: dict[str, SampleColumn], look: Look) -> Iterator[tuple[str, str]]:
    """Yield canonical columns with their expressions, as YAML writes them."""
    text = {role: _name(column.name) for role, column in fill.items()}
    if table == "order_lines":
        text.setdefault("order_id", f"concat_ws('-', {text['customer_id']}, {text['ordered_at']})")
        text.setdefault("product_id", text.get("title", ""))
        text["amount"] = _money(fill, look)
        text.setdefault("quantity", "1")
        if fill["ordered_at"].kind == "date":
            text["ordered_on"] = text.pop("ordered_at")
        for helper in ("price", "title", "status"):
            text.pop(helper, None)
    if table == "products":
        text.setdefault("product_type", text.get("category", text.get("title", "")))
    if table == "customers":
        text.setdefault("customer_id", text.get("email", ""))
    for canonical, expression in text.items():
        yield canonical, expression if _PLAIN.fullmatch(expression) else _quoted(expression)


def _state(look: Look) -> tuple[str, SampleColumn] | None:
    """Return the condition on which a line is taken back, with its column."""
    names = re.compile(r"status|state|stage|статус|стадия|этап")
    few = [column for column in look.columns if column.kind == "text" and column.distinct <= STATES]
    for column in few:
        if "deleted" in plain(column.name) and {value.lower() for value in column.values} <= {"true", "false"}:
            return f"lower({_name(column.name)}) = 'true'", column
    for column in (column for column in few if names.search(plain(column.name))):
        if back := sorted({value for value in column.values if CANCELLED.search(value)}):
            return f"{_name(column.name)} in ({', '.join(map(_text, back))})", column
    return None


def _money(fill: dict[str, SampleColumn], look: Look) -> str:
    """Return the expression of a line's amount: its column, or quantity x price where that is an order's total."""
    product = "coalesce({quantity}, 1) * {price}" if "quantity" in fill else "{price}"
    if "discount" in fill:
        product += " - coalesce({discount}, 0)"
    if "price" not in fill:
        return _name(fill["amount"].name)
    product = product.format(**{role: _name(column.name) for role, column in fill.items()})
    if "amount" not in fill:
        return product
    if "quantity" not in fill:
        return _name(fill["amount"].name)
    rows = list(zip(fill["quantity"].values, fill["price"].values, fill["amount"].values, strict=False))
    alike = [abs(as_number(q, look) * as_number(p, look) - as_number(a, look)) <= 0.01 for q, p, a in rows]
    of_line = len(fill["amount"].values) == len(fill["price"].values) and sum(alike) >= 0.5 * len(alike)
    return _name(fill["amount"].name) if of_line else product


def as_number(value: str, look: Look) -> float:
    """Return the number that a text of the sample is; 0 where it is none."""
    decimal = (look.numbers or {}).get("decimal", ".")
    digits = re.sub(rf"[^\d{re.escape(decimal)}-]", "", value).replace(decimal, ".")
    try:
        return float(digits)
    except ValueError:
        return 0.0


def _today(column: SampleColumn) -> str:
    name, pattern = _name(column.name), column.pattern
    read = f"to_date({name})" if pattern in ISO else f"to_date({name}, '{pattern}')"
    return f"{read} <= _ds"


def _schedule(days: list[date]) -> str | None:
    """Return when files came, where it is not daily but for closed weekdays."""
    if len(days) < 2:
        return None
    closed = set(_closed(days))
    span = [days[0] + timedelta(days=number) for number in range((days[-1] - days[0]).days + 1)]
    missing = [day for day in span if day not in days and WEEKDAYS[day.weekday()] not in closed]
    if not missing or len(missing) <= 0.02 * len(span):
        return None
    if len({day.weekday() for day in days}) == 1 and len(days) > 2:
        return f"weekly:{WEEKDAYS[days[0].weekday()]}"
    if len({day.day for day in days}) == 1 and days[0].day <= 28 and len(days) > 2:
        return f"monthly:{days[0].day}"
    return "optional"


def _closed(days: list[date]) -> list[str]:
    """Return the weekdays on which no file came, where most others had one."""
    if len(days) < 10 or (days[-1] - days[0]).days > 1.8 * len(days):
        return []
    return [name for number, name in enumerate(WEEKDAYS) if all(day.weekday() != number for day in days)]


def _dialect(form: Csv) -> str:
    sign = "tab" if form.delimiter == "\t" else _quoted(form.delimiter)
    parts = {"delimiter": sign, "encoding": form.encoding, "skip_lines": str(form.skip_lines)}
    usual = {"delimiter": _quoted(","), "encoding": "utf-8", "skip_lines": "0"}
    return ", ".join(f"{name}: {value}" for name, value in parts.items() if value != usual[name])


def _hours(column: SampleColumn) -> str:
    """Say at which hours most and least happens, which shows whether the zone is right."""
    hours = Counter(match.group(1) for value in column.values if (match := re.search(r"[ T](\d\d):", value)))
    if len(hours) < 5:
        return "   # CHECK the zone: moments have no hour to judge by"
    most = ", ".join(f"{hour} h" for hour, _ in hours.most_common(3))
    return f"   # CHECK the zone: most of `{column.name}` is at {most}"


def _day_or_month(look: Look, patterns: list[str]) -> bool:
    other = {"dd/MM": "MM/dd", "MM/dd": "dd/MM"}
    for column in look.columns:
        if column.pattern in patterns and column.pattern[:5] in other:
            swapped = PATTERNS[other[column.pattern[:5]] + column.pattern[5:]]
            if all(_fits(value, swapped) for value in column.values[:500]):
                return True
    return False


def _fits(value: str, form: str) -> bool:
    try:
        datetime.strptime(value, form)
    except ValueError:
        return False
    return True


def _name(name: str) -> str:
    return (
        name
        if _PLAIN.fullmatch(name) and plain(name) not in ("date", "timestamp", "end", "order", "group")
        else quote(name)
    )


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _text(value: str) -> str:
    return "'" + value.replace("\\", "\\\\").replace("'", "''") + "'"


def slug(path: Path) -> str:
    """Return a name for an export from that of its files: letters of any script in Latin ones.

    >>> slug(Path("Заказы_2026.csv")), slug(Path("order-lines.csv.gz"))
    ('zakazy', 'order_lines')
    """
    stem = path.name.split(".")[0].lower()
    latin = "".join(_LATIN.get(sign, sign) for sign in stem)
    return re.sub(r"[^a-z]+", "_", latin).strip("_") or "export"


_LATIN = dict(
    zip(
        "абвгдеёжзийклмнопрстуфхцчшщъыьэюя",
        "a b v g d e e zh z i y k l m n o p r s t u f kh ts ch sh shch - y - e yu ya".replace("-", "").split(" "),
        strict=True,
    )
)
