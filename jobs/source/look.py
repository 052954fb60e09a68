"""Looks at export files: how they are written, and what each column seems to hold, by a sample of their rows."""

from __future__ import annotations

import csv
import io
import json
import re
import tempfile
from collections import Counter
from dataclasses import dataclass
from datetime import date, datetime
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from conf.errors import DataError
from conf.settings.exports import Csv, Export, numbered
from jobs.ingest.encodings import byte_order_mark
from jobs.ingest.excel import sheet_to_csv
from jobs.ingest.exports import Drop
from jobs.ingest.unpack import Piece, chunks, pieces

#: characters and rows that are looked at
HEAD, ROWS = 1 << 20, 5_000
_DELIMITERS = ",;\t|"
#: Spark's pattern of a day or moment, and Python's
PATTERNS = {
    "yyyy-MM-dd HH:mm:ss": "%Y-%m-%d %H:%M:%S",
    "yyyy-MM-dd HH:mm": "%Y-%m-%d %H:%M",
    "yyyy-MM-dd": "%Y-%m-%d",
    "dd.MM.yyyy H:mm:ss": "%d.%m.%Y %H:%M:%S",
    "dd.MM.yyyy H:mm": "%d.%m.%Y %H:%M",
    "dd.MM.yyyy": "%d.%m.%Y",
    "dd/MM/yyyy H:mm:ss": "%d/%m/%Y %H:%M:%S",
    "dd/MM/yyyy H:mm": "%d/%m/%Y %H:%M",
    "dd/MM/yyyy": "%d/%m/%Y",
    "MM/dd/yyyy H:mm:ss": "%m/%d/%Y %H:%M:%S",
    "MM/dd/yyyy H:mm": "%m/%d/%Y %H:%M",
    "MM/dd/yyyy": "%m/%d/%Y",
    "yyyyMMdd": "%Y%m%d",
}
ISO = ("yyyy-MM-dd HH:mm:ss", "yyyy-MM-dd HH:mm", "yyyy-MM-dd")
_COMMA = re.compile(r"[+-]?(\d{1,3}([.\s\u00a0\u202f]\d{3})+|\d+),\d+")
_GROUPED = re.compile(r"[+-]?\d{1,3}([.,\s\u00a0\u202f'])\d{3}(\1\d{3})*([.,]\d+)?")
_DOT = re.compile(r"[+-]?(\d{1,3}([,\s\u00a0\u202f']\d{3})+|\d+)(\.\d+)?")
_TOTAL = re.compile(r"\s*(total|sub.?total|summe|gesamt|итог|всего)", re.IGNORECASE)
_MAIL = re.compile(r"[^@\s,;]+@[^@\s,;]+\.[^@\s,;]+")
_PHONE = re.compile(r"\+?[\d\s().-]{10,20}")


@dataclass(frozen=True)
class SampleColumn:
    """What a column of the sample seems to hold; ``kind`` is number, date, moment, mail, phone, text or nothing."""

    name: str
    kind: str
    pattern: str | None
    values: list[str]
    distinct: int

    @property
    def unique(self) -> bool:
        """Return whether no value stands twice, in a sample that could show it."""
        return len(self.values) > 1 and self.distinct == len(self.values)


@dataclass(frozen=True)
class Look:
    """How a file is written and what stands in it."""

    format: str
    csv: Csv
    columns: list[SampleColumn]
    rows: int
    records: str | None = None
    numbers: dict[str, str] | None = None

    def column(self, name: str | None) -> SampleColumn | None:
        """Return the column of that name."""
        return next((column for column in self.columns if column.name == name), None)


def look(path: Path, form: str) -> Look:
    """Look at one file.

    Args:
        path: the file.
        form: csv, jsonl, json, parquet or xlsx.

    Raises:
        DataError: it cannot be read, or holds no rows.
    """
    drop = Drop("", date.min, path.name, path, path.stat().st_size, 0, "")
    export = Export.model_validate(
        {"path": path.name.replace("{", "_").replace("}", "_"), "format": form, "columns": ["x"]}
    )
    dialect, records = Csv(), None
    if form == "parquet":
        names, rows = _parquet(path)
    elif form == "xlsx":
        with tempfile.TemporaryDirectory() as scratch:
            copy, _, _ = sheet_to_csv(Piece(drop), export, Path(scratch))
            names, rows = _rows(copy.read_text(encoding="utf-8")[:HEAD], Csv())
    else:
        encoding, text = _text(pieces(drop, export)[0], export)
        if form == "csv":
            dialect = Csv(delimiter=_delimiter(text), encoding=encoding)
            dialect = dialect.model_copy(update={"skip_lines": _title_lines(text, dialect)})
            names, rows = _rows(text, dialect)
        else:
            records, objects = _objects(text, form)
            names = list(dict.fromkeys(key for record in objects for key in record))
            rows = [[_plain(record.get(name)) for name in names] for record in objects]
    rows = [row for row in rows if not _TOTAL.match(next((value for value in row if value.strip()), ""))]
    if not rows:
        raise DataError(f"{path.name}: holds no rows to look at")
    names, _ = numbered(names)
    columns = [_column(name, [row[place] for row in rows if place < len(row)]) for place, name in enumerate(names)]
    return Look(form, dialect, columns, len(rows), records, _number_form(columns))


def _text(piece: Piece, export: Export) -> tuple[str, str]:
    """Return the encoding that a text file seems to have, and its beginning."""
    head = b""
    for chunk in chunks(piece, export):
        head += chunk
        if len(head) >= HEAD:
            break
    marked = byte_order_mark(head)
    for encoding in [marked] if marked else ["utf-8", "cp1251", "cp1252"]:
        try:
            text = head[: HEAD - HEAD % 4].decode(encoding, errors="strict")
        except UnicodeDecodeError as error:
            if error.start < len(head) - 4:
                continue
            text = head[: error.start].decode(encoding)
        if encoding != "cp1251" or _is_cyrillic(text):
            return encoding, text.removeprefix("\ufeff")
    return "cp1252", head.decode("cp1252", errors="replace")


def _is_cyrillic(text: str) -> bool:
    """Return whether letters beyond ASCII are mostly in runs of Cyrillic, as words are."""
    runs = [run for run in re.findall(r"[^\W\d_a-zA-Z]+", text) if not run.isascii()]
    return sum(len(run) for run in runs) > 2.5 * len(runs)


def _delimiter(text: str) -> str:
    lines = text.splitlines()[:200]

    def score(sign: str) -> tuple[float, int]:
        counts = Counter(len(row) for row in csv.reader(lines, delimiter=sign) if row)
        width, times = counts.most_common(1)[0] if counts else (1, 0)
        return (times / max(1, counts.total()) if width > 1 else 0.0, width)

    return max(_DELIMITERS, key=score)


def _title_lines(text: str, dialect: Csv) -> int:
    """Return how many lines stand above the header: those with far fewer values than the ones below."""
    filled = [
        sum(bool(value.strip()) for value in row)
        for row in csv.reader(text.splitlines()[:30], delimiter=dialect.delimiter)
    ]
    if len(filled) < 3:
        return 0
    usual = sorted(filled)[len(filled) // 2]
    return next((number for number, count in enumerate(filled) if count >= 0.6 * usual), 0)


def _rows(text: str, dialect: Csv) -> tuple[list[str], list[list[str]]]:
    whole = text if len(text) < HEAD // 2 else text[: text.rfind("\n") + 1]
    for _ in range(dialect.skip_lines):
        whole = whole.partition("\n")[2]
    rows = csv.reader(io.StringIO(whole, newline=""), delimiter=dialect.delimiter)
    names = next(rows, [])
    return names, [row for row in islice(rows, ROWS) if row]


def _objects(text: str, form: str) -> tuple[str | None, list[dict[str, Any]]]:
    """Return the key of the array, where an object is around it, and the objects at its beginning."""
    decoder, records, place = json.JSONDecoder(), None, 0
    if form == "json":
        if text.lstrip().startswith("{"):
            match = re.search(r'"((?:[^"\\]|\\.)*)"\s*:\s*\[\s*\{', text)
            records, place = (match.group(1), match.end() - 1) if match else (None, len(text))
        else:
            place = text.find("[") + 1
    objects: list[dict[str, Any]] = []
    while len(objects) < ROWS:
        while place < len(text) and text[place] in " \t\r\n,":
            place += 1
        try:
            value, place = decoder.raw_decode(text, place)
        except ValueError:
            break
        objects += [value] if isinstance(value, dict) else []
    return records, objects


def _parquet(path: Path) -> tuple[list[str], list[list[str]]]:
    try:
        with pq.ParquetFile(path) as file:
            batch = next(file.iter_batches(ROWS), None)
            names = file.schema_arrow.names
    except (pa.ArrowException, OSError):
        raise DataError(f"{path.name}: is no whole Parquet file") from None
    values = [[_plain(value) for value in column.to_pylist()] for column in batch.columns] if batch else []
    return names, [list(row) for row in zip(*values, strict=True)]


def _plain(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, bool):
        return str(value).lower()
    return json.dumps(value, ensure_ascii=False) if isinstance(value, dict | list) else str(value)


def _column(name: str, values: list[str]) -> SampleColumn:
    there = [value.strip() for value in values if value.strip()]
    kind, pattern = _kind(there)
    return SampleColumn(name, kind, pattern, there, len(set(there)))


def _kind(values: list[str]) -> tuple[str, str | None]:
    """Return what nearly all values are, and the pattern of days."""
    if not values:
        return "nothing", None
    sample = values[:500]
    if _share(sample, _MAIL) > 0.9:
        return "mail", None
    for pattern, form in PATTERNS.items():
        if sum(
            _is_day(value.replace("T", " ")[:19] if pattern in ISO else value, form) for value in sample
        ) > 0.95 * len(sample):
            return ("moment" if "H:" in pattern or "HH" in pattern else "date"), pattern
    if _share(sample, re.compile(r"(\+|8|7|00)[\d\s().-]{9,18}")) > 0.9 and _share(sample, _PHONE) > 0.9:
        return "phone", None
    if _share(sample, re.compile(f"({_COMMA.pattern})|({_GROUPED.pattern})|({_DOT.pattern})")) > 0.95:
        return "number", None
    return "text", None


def _share(values: list[str], pattern: re.Pattern[str]) -> float:
    return sum(bool(pattern.fullmatch(value)) for value in values) / len(values)


def _is_day(value: str, form: str) -> bool:
    try:
        return 1900 < datetime.strptime(value, form).year < 2100
    except ValueError:
        return False


def _number_form(columns: list[SampleColumn]) -> dict[str, str] | None:
    """Return how decimals and thousands are written, where it is not the plain way."""
    values = [value for column in columns if column.kind == "number" for value in column.values[:500]]
    if any(_COMMA.fullmatch(value) and len(value.rpartition(",")[2]) != 3 for value in values):
        grouped = [match.group(1) for value in values if (match := _GROUPED.fullmatch(value)) and match.group(1) != ","]
        thousands = Counter(" " if sign.isspace() else sign for sign in grouped).most_common(1)
        return {"decimal": ",", **({"thousands": thousands[0][0]} if thousands else {})}
    grouped = [
        match.group(1) for value in values if (match := _GROUPED.fullmatch(value)) and match.group(1) in ",' \u00a0"
    ]
    return {"decimal": ".", "thousands": " " if grouped[0].isspace() else grouped[0]} if grouped else None
