"""Typed schema of ``conf/demo/<source>.yml``: how a public data set is laid out as a CRM would drop it."""

from __future__ import annotations

from datetime import date

from pydantic import Field

from conf.settings.strict import Share, Slug, Strict


class DemoExport(Strict):
    """The rows of one export; file name, format, columns and schedule are those of the source's contract."""

    query: str = Field(description="DuckDB SQL: the export's columns and `_day`, the day a row came to be")
    snapshot: bool = Field(
        default=False, description="each file holds all rows up to its day; else only what is new since the last"
    )


class Late(Strict):
    """Whole groups of rows, for example baskets, that arrive one or two drops later."""

    group: str = Field(description="DuckDB SQL expression over the export's columns: rows that belong together")
    share: Share


class Correction(Strict):
    """A day that is first exported with wrong values and wholly exported again later."""

    day: date
    again_on: date
    share: Share = Field(description="rows of the first export that are wrong")
    wrong: dict[str, str] = Field(min_length=1, description="column: DuckDB SQL expression of its wrong value")


class Faults(Strict):
    """What real exports suffer from and the data set lacks."""

    late: Late | None = None
    duplicates: Share = Field(default=0.0, description="rows that stand twice in their file")
    corrections: list[Correction] = Field(default=[])


class Demo(Strict):
    """A demonstration CRM; tables of the package are there under the names of its Parquet files."""

    package: str = Field(pattern=r"^[a-z_0-9]+$", description="Python package that holds the data")
    extra: str = Field(description="extra of this project that installs the package")
    folder: str = Field(description="folder of the Parquet files within the package")
    starts: date
    ends: date
    tables: dict[Slug, str] = Field(
        default={},
        description="DuckDB SQL of further tables; getvariable('households') is the number asked for, or null",
    )
    exports: dict[Slug, DemoExport]
    faults: dict[Slug, Faults] = Field(default={})
