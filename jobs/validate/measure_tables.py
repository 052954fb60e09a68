"""Measures staged and merged tables with DuckDB, streaming over their files: cheaper than a Spark job a figure."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from conf.tables.table import Table
from conf.tables.types import arrow_schema
from features.canonical.mapping import WITHDRAWING
from jobs.lake.lake import Lake
from jobs.lake.manifest import File, TableVersion
from jobs.validate.stage_rows import LIVE, Staged, dataset


@dataclass(frozen=True)
class Arrived:
    """What came this night: rows by drop day, rows that hold, late and double ones.

    ``months`` are those of events that change: of the new rows, and of the rows that these replace or withdraw.
    """

    days: dict[date, int]
    months: set[str]
    accepted: int
    late: int
    double: int


def arrived(lake: Lake, staged: Staged, base: tuple[File, ...] = ()) -> Arrived:
    """Measure a table's new rows; ``months``, ``late`` and ``double`` are of those that were not rejected.

    Args:
        lake: where the staged rows are.
        staged: the night's rows, checked.
        base: files of the table as the night before left it.
    """
    table = staged.table
    with engine_of(lake, staged) as engine:
        days = dict(engine.execute("select _ds, count(*) from staged group by 1 order by 1").fetchall())
        months, late = set(), 0
        if table.partition:
            day = _name(table.partition)
            months = {
                row[0] for row in engine.execute(f"select distinct strftime({day}, '%Y-%m') from accepted").fetchall()
            }
            months |= _months_of_keys(lake, engine, table, base)
            late = _one(engine, f"select count(*) from accepted where {day} < _ds")
        accepted = _one(engine, "select count(*) from accepted")
        double = accepted - _one(engine, f"select count(*) from (select distinct {_names(table.key)} from accepted)")
    return Arrived(days, months, int(accepted), int(late), int(double))


def _months_of_keys(lake: Lake, engine: duckdb.DuckDBPyConnection, table: Table, base: tuple[File, ...]) -> set[str]:
    """Return the months in which the table already has rows of a key that came."""
    key = _name(table.key[0])
    engine.execute(
        f"create temp table came as select distinct {key} from mapped where _out is null or _out in {WITHDRAWING}"
    )
    months = set()
    for month in sorted({file.part for file in base if file.part}):
        engine.register("month", lake.arrow_files(tuple(file for file in base if file.part == month)))
        if _one(engine, f"select 1 from month semi join came using ({key}) limit 1"):
            months.add(month)
        engine.unregister("month")
    return months


def keys_twice(lake: Lake, staged: Staged, version: TableVersion) -> int:
    """Count the keys of this night's rows that stand in more than one row of the merged table."""
    keys = _names(staged.table.key)
    with engine_of(lake, staged) as engine:
        engine.register("merged", lake.arrow_files(version.files))
        return int(
            _one(
                engine,
                f"select count(*) from (select {keys} from merged semi join accepted using ({keys}) "
                f"group by {keys} having count(*) > 1)",
            )
        )


def matched_rows(lake: Lake, staged: Staged, column: str, other: TableVersion) -> tuple[int, int]:
    """Count the new rows whose ``column`` is found in the table ``other``, and those that have a value there."""
    name = _name(column)
    with engine_of(lake, staged) as engine:
        engine.register("other", lake.arrow_files(other.files))
        rows = _one(engine, f"select count({name}) from accepted")
        return int(_one(engine, f"select count(*) from accepted semi join other using ({name})")), int(rows)


def referenced_values(lake: Lake, staged: Staged | None, files: tuple[File, ...], column: str) -> list[str]:
    """Return the values of ``column`` in this night's accepted rows and in ``files``, ascending.

    Args:
        lake: where both are.
        staged: the night's checked rows of the table; None where it got none.
        files: of the clean table that they are merged into.
        column: a column of text.
    """
    name, values = _name(column), set()
    if staged is not None:
        with engine_of(lake, staged) as engine:
            values |= {row[0] for row in engine.execute(f"select distinct {name} from accepted").fetchall()}
    if files:
        with duckdb.connect() as engine:
            engine.register("merged", lake.arrow_files(files))
            values |= {row[0] for row in engine.execute(f"select distinct {name} from merged").fetchall()}
    return sorted(values - {None})


def newest_day(lake: Lake, table: Table, version: TableVersion) -> date | None:
    """Return the day of the newest event in the merged table."""
    with duckdb.connect() as engine:
        engine.register("merged", lake.arrow_files(version.files))
        newest: date | None = _one(engine, f"select max({_name(table.partition or '')}) from merged")
        return newest


def schema_faults(lake: Lake, table: Table, version: TableVersion) -> list[str]:
    """Name the columns of a table's files that are not as declared."""
    declared = {field.name: _plain(field.type) for field in arrow_schema(table)}
    faults = set()
    for file in version.files:
        with lake.fs.open_input_file(f"{lake.base}/{file.path}") as stream:
            here = {field.name: _plain(field.type) for field in pq.read_schema(stream)}
        faults |= {f"{name} is missing in a file" for name in declared.keys() - here.keys()}
        faults |= {f"{name} is not declared" for name in here.keys() - declared.keys()}
        faults |= {
            f"{name} is {here[name]}, not {declared[name]}"
            for name in declared.keys() & here.keys()
            if here[name] != declared[name]
        }
    return sorted(faults)


@contextmanager
def engine_of(lake: Lake, staged: Staged) -> Iterator[duckdb.DuckDBPyConnection]:
    """Yield an engine with the views ``mapped`` (all rows), ``staged`` (rows of the table) and ``accepted``."""
    with duckdb.connect() as engine:
        engine.register("mapped", dataset(lake, staged))
        engine.execute(f"create temp view staged as select * from mapped where {LIVE}")
        engine.register("rejected", pa.table({"_id": pa.array(sorted(staged.rejected), pa.int64())}))
        engine.execute("create temp view accepted as select * from staged anti join rejected using (_id)")
        yield engine


def _one(engine: duckdb.DuckDBPyConnection, query: str) -> Any:
    rows = engine.execute(query).fetchall()
    return rows[0][0] if rows else None


def _name(column: str) -> str:
    return '"' + column.replace('"', '""') + '"'


def _names(columns: tuple[str, ...]) -> str:
    return ", ".join(_name(column) for column in columns)


def _plain(kind: pa.DataType) -> str:
    """Name a type without what writers differ in: names and nullability of a map's parts, large strings."""
    if pa.types.is_map(kind):
        return f"map<{_plain(kind.key_type)}, {_plain(kind.item_type)}>"
    if pa.types.is_list(kind):
        return f"list<{_plain(kind.value_type)}>"
    return str(kind).replace("large_string", "string")
