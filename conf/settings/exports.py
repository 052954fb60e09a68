"""Settings of a source's exports: where each lies or which query gives it, when it comes, and how it is written."""

from __future__ import annotations

import codecs
import re
from collections import Counter
from datetime import date, timedelta
from fnmatch import fnmatchcase
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, Field, field_validator, model_validator

from conf.settings.strict import Strict

#: where a raw row comes from; no column of an export may be called so
ORIGIN = ("_file", "_row", "_ds")
_DATE = re.compile(r"\{date(?::([^{}]+))?\}")
_ENDS = {
    "csv": "csv",
    "tsv": "csv",
    "txt": "csv",
    "jsonl": "jsonl",
    "ndjson": "jsonl",
    "json": "json",
    "parquet": "parquet",
    "xlsx": "xlsx",
}
_PACKED = ("gz", "zip")
Format = Literal["csv", "jsonl", "json", "parquet", "xlsx", "sql"]
Weekday = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]


def _day(value: str) -> str:
    """Refuse what names no day of the calendar."""
    try:
        date.fromisoformat(value if len(value) > 5 else f"2024-{value}")
    except ValueError:
        raise ValueError(
            f"{value!r} is no day; write MM-DD for every year or YYYY-MM-DD for one, and weekdays under closed_weekdays"
        ) from None
    if not re.fullmatch(r"(\d{4}-)?\d\d-\d\d", value):
        raise ValueError(f"{value!r} is no day; write MM-DD for every year or YYYY-MM-DD for one")
    return value


Day = Annotated[str, AfterValidator(_day)]


class Csv(Strict):
    """Dialect of a CSV export, and the encoding of any text export."""

    delimiter: str = Field(default=",", description="one character, or: tab")
    quote: str = Field(default='"', max_length=1, description="empty: nothing is quoted")
    escape: str | None = Field(default=None, max_length=1, description="null: a quote within a value stands twice")
    encoding: str = Field(default="utf-8", description="name of a Python codec")
    nulls: list[str] = Field(default=[""], description="tokens that mean: no value")
    skip_lines: int = Field(default=0, ge=0, le=1000, description="lines above the header, such as a title")

    @field_validator("delimiter")
    @classmethod
    def _one_character(cls, value: str) -> str:
        value = {"tab": "\t", "\\t": "\t"}.get(value, value)
        if len(value) != 1 or value in "\n\r\0":
            raise ValueError(f"must be one character, or `tab`; found {value!r}")
        return value

    @field_validator("encoding")
    @classmethod
    def _a_text_encoding(cls, value: str) -> str:
        try:
            codecs.getincrementaldecoder(value)().decode(b"")
            if isinstance(codecs.decode(b"", value), str):
                return value
        except Exception:  # codecs raise what they like
            pass
        raise ValueError(f"{value!r} is no codec of Python; try utf-8 or cp1251")


class Database(Strict):
    """A query whose rows are an export; all exports of one database are read in one snapshot of it."""

    url: str = Field(
        pattern=r"^[A-Z][A-Z0-9_]*$",
        description="environment variable that holds the SQLAlchemy URL, so that no password stands in a file",
    )
    query: str = Field(
        min_length=1,
        description="SELECT; :since and :until bound what is new: since <= changed < until, moments at midnight in "
        "the source's zone. Without them every night reads all, which fits parts with mode: snapshot",
    )
    zone: str | None = Field(default=None, description="zone of :since and :until (default: the source's)")

    @field_validator("zone")
    @classmethod
    def _a_zone(cls, value: str | None) -> str | None:
        return value if value is None else zone(value)


class Numbers(Strict):
    """How numbers are written, for every column that feeds a numeric one."""

    decimal: Literal[".", ","] = "."
    thousands: Literal["", ".", ",", " ", "'"] = Field(
        default="", description="between groups of three; blank: any blank"
    )

    @model_validator(mode="after")
    def _two_signs(self) -> Numbers:
        if self.decimal == self.thousands:
            raise ValueError(f"decimal and thousands must differ; both are {self.decimal!r}")
        return self


class Stamps(Strict):
    """How days and moments are written, for every canonical column of such a type that is one column of the export."""

    formats: list[str] = Field(
        default=[], description="patterns of Spark, such as dd.MM.yyyy HH:mm; the first that fits. Default: ISO 8601"
    )
    zone: str | None = Field(
        default=None, description="IANA zone of moments that have no offset of their own. Default: UTC"
    )

    @field_validator("formats")
    @classmethod
    def _harmless(cls, value: list[str]) -> list[str]:
        for form in value:
            if not re.fullmatch(r"[\w .,:/\[\]'+-]+", form) or "'" in form.replace("'T'", ""):
                raise ValueError(f"{form!r} is no pattern of days; write for example dd.MM.yyyy HH:mm:ss")
        return value

    @field_validator("zone")
    @classmethod
    def _a_zone(cls, value: str | None) -> str | None:
        return value if value is None else zone(value)


class Export(Strict):
    """One kind of file the CRM leaves, or one query of its database."""

    path: str | None = Field(
        default=None,
        description="glob relative to the export folder; {date} or {date:%Y%m%d} is the day of the drop; without it "
        "the file grows or is replaced, and is read whole every night",
    )
    database: Database | None = Field(default=None, description="instead of path: a query")
    format: Format = Field(description="default: by the end of the path")
    schedule: str = Field(
        default="daily",
        pattern=r"^(daily|weekly:(mon|tue|wed|thu|fri|sat|sun)|monthly:([1-9]|1\d|2[0-8])|optional)$",
        description="when a file must be there; optional: whenever there is something to tell",
    )
    columns: list[str] = Field(
        default=[],
        description="the contract: exactly these columns, in any order; default: those that the mapping reads, and "
        "others are left alone. A name that stands twice is name and name_2 in the mapping",
    )
    headers: dict[str, str] = Field(
        default={}, description="column of the contract: its name in the file, where it is another"
    )
    other_columns: Literal["refuse", "ignore"] = Field(
        default="refuse", description="what becomes of columns that the contract does not name"
    )
    csv: Csv = Csv()
    numbers: Numbers | None = Field(default=None, description="how numbers are written; default: 1234.5")
    stamps: Stamps | None = Field(default=None, description="how days and moments are written; default: ISO 8601, UTC")
    member: str = Field(default="*", description="of a zip: glob of the files in it that are read")
    sheet: str | None = Field(default=None, description="of an Excel file: name of the sheet (default: the first)")
    records: str | None = Field(default=None, description="of JSON: key of the array, where an object is around it")
    skipped_days: list[Day] = Field(
        default=[], description="days without this file, by agreement: MM-DD of every year, or YYYY-MM-DD"
    )
    closed_weekdays: list[Weekday] = Field(default=[], description="weekdays without this file")
    may_be_empty: bool = Field(default=False, description="a file with no row is no fault")
    max_bytes: int = Field(default=4 << 30, gt=0, description="largest size of a file, decompressed, in bytes")

    @model_validator(mode="before")
    @classmethod
    def _fill_in(cls, raw: Any) -> Any:
        """Take the format from the path, and number columns that stand twice."""
        if not isinstance(raw, dict):
            return raw
        raw = dict(raw)
        path = raw.get("path")
        if raw.get("format") is None:
            kind = "sql" if raw.get("database") else format_of(path) if isinstance(path, str) else None
            raw["format"] = kind or raw.pop("format", None)
        columns = raw.get("columns")
        if isinstance(columns, list) and all(isinstance(column, str) for column in columns):
            raw["columns"], twice = numbered(columns)
            raw["headers"] = {**twice, **(raw.get("headers") or {})}
        return raw

    @model_validator(mode="after")
    def _one_place(self) -> Export:
        if (self.path is None) == (self.database is None) or (self.format == "sql") != (self.database is not None):
            raise ValueError("an export has a `path` of files, or a `database` with its query; exactly one of them")
        if self.path is not None:
            _check_path(self.path)
        if not self.columns:
            raise ValueError("no table reads a column of it; map it under `tables`, or declare its `columns`")
        reserved = [name for name in self.columns if name.lower() in ORIGIN]
        if reserved:
            raise ValueError(
                f"column(s) {', '.join(reserved)}: {', '.join(ORIGIN)} are where a row comes from; give yours another "
                f"name in `columns`, and `headers: {{other_name: {reserved[0]}}}`"
            )
        if unknown := sorted(set(self.headers) - set(self.columns)):
            raise ValueError(f"headers: {', '.join(unknown)} are not among `columns`")
        return self

    @property
    def names(self) -> list[str]:
        """Return the contract's names as they stand in the file, in the order of ``columns``."""
        return [self.headers.get(column, column) for column in self.columns]

    @property
    def dated(self) -> bool:
        """Return whether each drop has a file of its own; else one file grows or is replaced."""
        return self.path is not None and _DATE.search(self.path) is not None

    def pattern(self, day: date) -> str:
        """Return the glob of the files of ``day``, relative to the export folder."""
        return _DATE.sub(lambda match: day.strftime(match.group(1) or "%Y-%m-%d"), self.path or "")


def numbered(columns: list[str]) -> tuple[list[str], dict[str, str]]:
    """Give a name that stands twice a number, and return all names with the headers of the numbered ones.

    Case does not count, since SQL does not tell by it.

    >>> numbered(["id", "phone", "Phone"])
    (['id', 'phone', 'Phone_2'], {'Phone_2': 'Phone'})
    """
    count: Counter[str] = Counter()
    names, headers = [], {}
    for column in columns:
        count[column.lower()] += 1
        name = column if count[column.lower()] == 1 else f"{column}_{count[column.lower()]}"
        if name != column:
            headers[name] = column
        names.append(name)
    return names, headers


def zone(value: str) -> str:
    """Return ``value`` where it is a zone of the IANA list.

    Raises:
        ValueError: it is none.
    """
    try:
        ZoneInfo(value)
    except (ValueError, OSError, KeyError):
        raise ValueError(f"{value!r} is no zone of the IANA list, such as Europe/London") from None
    return value


def chosen(members: list[str], pattern: str) -> list[str]:
    """Return the members of an archive that ``pattern`` names, sorted; folders and hidden ones are left out."""
    own = [name for name in members if not name.endswith("/") and not name.startswith(("__MACOSX/", "."))]
    return sorted(name for name in own if fnmatchcase(name, pattern) or fnmatchcase(name.rsplit("/", 1)[-1], pattern))


def format_of(path: str) -> str | None:
    """Return the format that the end of a path stands for; None where it stands for none.

    >>> format_of("orders_{date:%Y%m%d}.csv.gz"), format_of("orders.dat")
    ('csv', None)
    """
    ends = _DATE.sub("", path).lower().rstrip("*").split(".")
    while len(ends) > 1 and ends[-1] in _PACKED:
        ends.pop()
    return _ENDS.get(ends[-1]) if len(ends) > 1 else None


def _check_path(path: str) -> None:
    if path.startswith(("/", "~")) or ".." in path.split("/") or "\\" in path or "\0" in path:
        raise ValueError(f"path must be relative and stay within the export folder; it is {path!r}")
    if re.search(r"[{}]", _DATE.sub("", path)):
        raise ValueError(f"path: {{date}} or {{date:%Y%m%d}} is all that may stand in braces; it is {path!r}")
    formats = [match.group(1) or "%Y-%m-%d" for match in _DATE.finditer(path)]
    if formats:
        year = [date(2023, 1, 1) + timedelta(days=number) for number in range(730)]
        shown = {"/".join(day.strftime(form) for form in formats) for day in year}
        if len(shown) < len(year):
            raise ValueError(f"path: {' '.join(formats)} does not name a day; give year, month and day")
