"""Compares two homes table by table: every table of the lake, of the score database and of the delivered files.

Prints one line a table, ``same`` or what differs. Rows are compared as a multiset, value by value, so their order
and their files do not matter. Manifests, run ids, durations, time stamps and versions are no part of it. Exit code 1
on a difference.

    python bench/night/compare_homes.py BEFORE AFTER [--table OLD=NEW] [--column TABLE.OLD=NEW] [--dropped TABLE] ...

Tables are named ``lake/<path>``, ``database/<name>`` and ``outbox/<file>``; in ``--column`` the table is the new one.
"""

from __future__ import annotations

import argparse
import fnmatch
import json
import sqlite3
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import duckdb
import pyarrow as pa

#: columns that name a run, a version or a moment, by the table's last part; they differ between equal nights
OF_A_RUN = {
    "model_versions": {"run_id", "version"},
    "nightly_runs": {"published_at", "scores_version", "code_version", "config_hash"},
}
#: tables and columns that were renamed on purpose; more can be given on the command line
RENAMED_TABLES = {"lake/features/rhythm": "lake/features/purchase_series"}
RENAMED_COLUMNS: dict[str, dict[str, str]] = {}
#: columns of texts for people that were reworded on purpose, by the table's last part; they are left out
REWORDED = {"data_quality": {"expected"}}


@dataclass(frozen=True)
class Intended:
    """What differs on purpose: old table -> new, new table -> old column -> new, and tables of one side only."""

    tables: dict[str, str] = field(default_factory=dict)
    columns: dict[str, dict[str, str]] = field(default_factory=dict)
    dropped: tuple[str, ...] = ()
    added: tuple[str, ...] = ()
    reworded: dict[str, set[str]] = field(default_factory=dict)


#: reads a table into the engine
Read = Callable[[duckdb.DuckDBPyConnection], duckdb.DuckDBPyRelation]


def main() -> int:
    """Compare the homes of the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("before", type=Path)
    parser.add_argument("after", type=Path)
    parser.add_argument("--table", action="append", default=[], metavar="OLD=NEW", help="renamed on purpose")
    parser.add_argument("--column", action="append", default=[], metavar="TABLE.OLD=NEW", help="renamed on purpose")
    parser.add_argument("--dropped", action="append", default=[], metavar="TABLE", help="gone on purpose; * allowed")
    parser.add_argument("--added", action="append", default=[], metavar="TABLE", help="new on purpose; * allowed")
    parser.add_argument("--reworded", action="append", default=[], metavar="TABLE.COLUMN", help="left out")
    arguments = parser.parse_args()
    columns = {table: dict(names) for table, names in RENAMED_COLUMNS.items()}
    for text in arguments.column:
        old, new = text.split("=")
        table, column = old.rsplit(".", 1)
        columns.setdefault(table, {})[column] = new
    reworded = {table: set(names) for table, names in REWORDED.items()}
    for text in arguments.reworded:
        table, column = text.rsplit(".", 1)
        reworded.setdefault(table, set()).add(column)
    tables = RENAMED_TABLES | dict(text.split("=") for text in arguments.table)
    intended = Intended(tables, columns, tuple(arguments.dropped), tuple(arguments.added), reworded)
    different = compare(arguments.before, arguments.after, intended)
    print(f"{len(different)} table(s) differ" + (f": {', '.join(different)}" if different else ""))
    return 1 if different else 0


def compare(before: Path, after: Path, intended: Intended) -> list[str]:
    """Print one line a table and night, and return the names of those that differ.

    Raises:
        SystemExit: a home has no published night.
    """
    left, right = dict(_tables(before)), dict(_tables(after))
    for home, tables in ((before, left), (after, right)):
        if not tables:
            raise SystemExit(f"{home} holds no published night; run one there first")
    left = {(intended.tables.get(table, table), night): read for (table, night), read in left.items()}
    different = []
    for table, night in sorted({*left, *right}):
        verdict = _verdict(table, left.get((table, night)), right.get((table, night)), intended)
        print(f"{night} {table}: {verdict}")
        if not verdict.startswith(("same", "on purpose")):
            different.append(f"{table} ({night})")
    return different


def _verdict(table: str, left: Read | None, right: Read | None, intended: Intended) -> str:
    if right is None:
        on_purpose = any(fnmatch.fnmatch(table, pattern) for pattern in intended.dropped)
        return "on purpose only before" if on_purpose else "only before"
    if left is None:
        on_purpose = any(fnmatch.fnmatch(table, pattern) for pattern in intended.added)
        return "on purpose only after" if on_purpose else "only after"
    with duckdb.connect() as engine:
        new_names = intended.columns.get(table, {})
        old, new = left(engine), right(engine)
        old = old.project(", ".join(f'"{name}" as "{new_names.get(name, name)}"' for name in old.columns))
        part = table.rsplit("/", 1)[-1]
        reworded = sorted(intended.reworded.get(part, set()) & set(new.columns))
        verdict = _difference(engine, old, new, {*reworded, *OF_A_RUN.get(part, ())})
        return f"{verdict}; left out, reworded: {', '.join(reworded)}" if reworded else verdict


def _difference(
    engine: duckdb.DuckDBPyConnection, old: duckdb.DuckDBPyRelation, new: duckdb.DuckDBPyRelation, left_out: set[str]
) -> str:
    """Return "same" with the number of rows, or what differs: columns, types, rows, and in which columns."""
    if missing := sorted(set(old.columns) ^ set(new.columns)):
        return f"columns of one side only: {', '.join(missing)}"
    names = [name for name in old.columns if name not in left_out]
    kinds, new_kinds = (dict(zip(side.columns, map(str, side.types), strict=True)) for side in (old, new))
    retyped = [f"{name} ({kinds[name]}, now {new_kinds[name]})" for name in names if kinds[name] != new_kinds[name]]
    if retyped:
        return f"other types: {', '.join(retyped)}"
    old.create("old")
    new.create("new")
    counts = [engine.table(side).count("*").fetchall()[0][0] for side in ("old", "new")]
    if counts[0] != counts[1]:
        return f"{counts[0]:,} rows, now {counts[1]:,}"
    lost = _rows_lost(engine, names)
    if not lost:
        return f"same ({counts[0]:,} rows)"
    by_column = {name: _rows_lost(engine, [name]) for name in names}
    where = ", ".join(f"{name} {rows:,}" for name, rows in by_column.items() if rows)
    return f"{lost:,} of {counts[0]:,} rows differ; values by column: {where or 'equal, but in other rows'}"


def _rows_lost(engine: duckdb.DuckDBPyConnection, names: list[str]) -> int:
    """Return how many rows of ``old`` have no partner in ``new``, by the columns ``names``."""
    columns = ", ".join(f'"{name}"' for name in names)
    query = f"select count(*) from (select {columns} from old except all select {columns} from new)"
    return int(engine.execute(query).fetchall()[0][0])


def _tables(home: Path) -> Iterator[tuple[tuple[str, str], Read]]:
    """Yield (table, night) of a home, and how it is read."""
    for manifest in sorted((home / "lake" / "_nights").glob("*/*.json")):
        for table, version in json.loads(manifest.read_text())["tables"].items():
            paths = [str(home / "lake" / file["path"]) for file in version["files"]]
            yield (
                (f"lake/{table}", manifest.stem),
                lambda engine, paths=paths: engine.read_parquet(paths, hive_partitioning=False),
            )
    if (home / "nbo.db").exists():
        yield from _database(home / "nbo.db")
    for night in sorted(path for path in (home / "outbox").glob("????-??-??") if path.is_dir()):
        for file in sorted(night.glob("*.csv")):
            name = file.name.replace(f"_{night.name}", "")
            yield (
                (f"outbox/{name}", night.name),
                lambda engine, file=file: engine.read_csv(str(file), header=True, all_varchar=True),
            )


def _database(file: Path) -> Iterator[tuple[tuple[str, str], Read]]:
    with sqlite3.connect(f"file:{file}?mode=ro", uri=True) as connection:
        names = [name for (name,) in connection.execute("select name from sqlite_master where type = 'table'")]
        for name in names:
            yield (f"database/{name}", "all nights"), lambda engine, name=name: engine.from_arrow(_rows(file, name))


def _rows(file: Path, table: str) -> pa.Table:
    with sqlite3.connect(f"file:{file}?mode=ro", uri=True) as connection:
        cursor = connection.execute(f'select * from "{table}"')
        names = [column[0] for column in cursor.description]
        rows = cursor.fetchall()
    columns = list(zip(*rows, strict=True)) or [[] for _ in names]
    return pa.table({name: pa.array(values) for name, values in zip(names, columns, strict=True)})


if __name__ == "__main__":
    sys.exit(main())
