"""Reads checked files with DuckDB: well-formed rows as they came, of the others where they stood and why.

Every column of CSV and JSON Lines is a string, Parquet keeps its types. Added are ``_file`` (path within the export
folder), ``_row`` (number of the row in its file, from 1, refused ones counted) and ``_ds`` (day of the drop).
All functions work on one export in a DuckDB connection of its own: ``load`` first, then the others.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby
from typing import Any

import duckdb
import pyarrow as pa

from conf.errors import DataError
from conf.settings.source import Export
from jobs.ingest.check_exports import Checked, compare

#: rows that are held as Arrow at a time
BATCH = 1 << 20
#: DuckDB wants at least one token for null; no value is this one
NEVER = "\x02\x03no value\x03\x02"


@dataclass(frozen=True)
class Count:
    """Rows of a file: well-formed, refused, and which share of the file is lost with the latter."""

    rows: int = 0
    rejected: int = 0
    lost: float = 0.0


def load(engine: duckdb.DuckDBPyConnection, export: Export, files: list[Checked]) -> dict[str, Count]:
    """Read all ``files`` of one export and return their counts by name.

    Raises:
        DataError: a file cannot be read, or its objects have other keys than the contract.
    """
    engine.execute("create table files (path varchar, _file varchar, _ds date, lines bigint)")
    engine.execute("create table refused (path varchar, _row bigint, reason varchar)")
    rows = [[str(file.path), file.drop.name, file.drop.day, file.lines] for file in files]
    engine.executemany("insert into files values (?, ?, ?, ?)", rows)
    try:
        {"csv": _load_csv, "jsonl": _load_jsonl, "parquet": _load_parquet}[export.format](engine, export, files)
    except duckdb.Error:
        raise DataError(_blame(export, files)) from None  # DuckDB's own message may quote a row
    if export.format != "parquet" and any(file.has_nul for file in files):
        _refuse_nul(engine, export)
    return _counts(engine)


def good(engine: duckdb.DuckDBPyConnection) -> pa.RecordBatchReader:
    """Return the well-formed rows with their origin."""
    return engine.sql(
        "select g.* exclude (path, _row), f._file, g._row, f._ds from good g join files f using (path)"
    ).to_arrow_reader(BATCH)


def refused(engine: duckdb.DuckDBPyConnection) -> pa.RecordBatchReader:
    """Return ``_file``, ``_row``, ``_ds`` and ``reason`` of the refused rows; what stood in them is not told."""
    return engine.sql(
        "select f._file, r._row, f._ds, r.reason from refused r join files f using (path) order by all"
    ).to_arrow_reader(BATCH)


def nothing(export: Export) -> pa.Table:
    """Return the table of an export whose files hold no rows."""
    fields: list[pa.Field[Any]] = [pa.field(column, pa.string()) for column in (*export.columns, "_file")]
    return pa.schema([*fields, pa.field("_row", pa.int64()), pa.field("_ds", pa.date32())]).empty_table()


def _load_csv(engine: duckdb.DuckDBPyConnection, export: Export, files: list[Checked]) -> None:
    names = ", ".join(_name(column) for column in export.columns)
    engine.execute(f"create table staged (path varchar, n bigint, {names.replace(',', ' varchar,')} varchar)")
    dialect = (
        f"header = true, delim = {_text(export.csv.delimiter)}, quote = {_text(export.csv.quote)}, "
        f"escape = {_text(export.csv.quote)}, nullstr = [{', '.join(_text(n) for n in export.csv.nulls or [NEVER])}]"
    )
    for columns, alike in groupby(sorted(files, key=lambda file: file.columns), key=lambda file: file.columns):
        source = _read_csv(list(alike), list(columns), dialect)
        engine.execute(f"insert into staged select path, row_number() over (), {names} from {source}")
    _number(engine, header=1)
    engine.execute(f"create view good as select path, _row, {names} from numbered")


def _load_jsonl(engine: duckdb.DuckDBPyConnection, export: Export, files: list[Checked]) -> None:
    # a line is one text column: no delimiter can stand in it unescaped, and nothing quotes
    source = _read_csv(files, ["line"], r"header = false, delim = e'\x01', quote = '', escape = '', nullstr = ['']")
    engine.execute(f"create table staged as select path, row_number() over () as n, line from {source}")
    _number(engine, header=0)
    engine.execute("""
        create table judged as
        select path, _row, line, case when not json_valid(line) then 'not valid JSON'
                                      when json_type(line) <> 'OBJECT' then 'no JSON object' end as reason
        from numbered where trim(line) <> ''""")
    engine.execute("""
        update judged set reason = 'a key stands twice'
        where reason is null and len(json_keys(line)) <> len(list_distinct(json_keys(line)))""")
    engine.execute("insert into refused select path, _row, reason from judged where reason is not null")
    _compare_keys(engine, export)
    pointers = [_text("/" + column.replace("~", "~0").replace("/", "~1")) for column in export.columns]
    columns = ", ".join(f"v[{place}] as {_name(column)}" for place, column in enumerate(export.columns, 1))
    engine.execute(f"""
        create view good as select path, _row, {columns} from (
            select path, _row, json_extract_string(line, [{", ".join(pointers)}]) as v
            from judged where reason is null)""")


def _load_parquet(engine: duckdb.DuckDBPyConnection, export: Export, files: list[Checked]) -> None:
    columns = ", ".join(_name(column) for column in export.columns)
    paths = ", ".join(_text(file.path) for file in files)
    engine.execute(f"""
        create table good as select _path as path, file_row_number + 1 as _row, {columns}
        from read_parquet([{paths}], filename = '_path', file_row_number = true, union_by_name = true)""")


def _read_csv(files: list[Checked], columns: list[str], dialect: str) -> str:
    """Return the SQL of a table function that yields ``path`` and ``columns`` and keeps what it refuses apart."""
    paths = ", ".join(_text(file.path) for file in files)
    types = ", ".join(f"{_text(column)}: 'VARCHAR'" for column in columns)
    return (
        f"read_csv([{paths}], auto_detect = false, columns = {{{types}}}, {dialect}, "
        "strict_mode = true, store_rejects = true, filename = 'path')"
    )


def _number(engine: duckdb.DuckDBPyConnection, header: int) -> None:
    """Take up what the CSV reader refused, and make the view ``numbered``: ``staged`` with ``_row``.

    DuckDB tells the record's number of refused rows only; the others follow from their order.
    """
    engine.execute(f"""
        create table torn as
        select file_path as path, line - {header} as _row,
               min(lower(error_type) || coalesce(' at column ' || column_name, '')) as reason
        from reject_errors join reject_scans using (scan_id, file_id) group by all""")
    engine.execute("insert into refused from torn")
    engine.execute("create table firsts as select path, min(n) as first from staged group by path")
    order = "s.n - firsts.first + 1"
    shifts, shift = "", ""
    if engine.execute("select count(*) from torn").fetchone() != (0,):
        engine.execute("""
            create table shifts as
            select path, _row - k as before, max(k) as shift
            from (select path, _row, row_number() over (partition by path order by _row) as k from torn)
            group by all""")
        shifts = f"asof left join shifts on s.path = shifts.path and {order} > shifts.before"
        shift = "+ coalesce(shifts.shift, 0)"
    engine.execute(f"""
        create view numbered as
        select s.* exclude (n), {order} {shift} as _row from staged s join firsts on s.path = firsts.path {shifts}""")


def _compare_keys(engine: duckdb.DuckDBPyConnection, export: Export) -> None:
    """Hold the keys that occur in each file to the contract; an object may leave some out."""
    found = engine.execute("""
        select _file, list_sort(list_distinct(flatten(list(json_keys(line)))))
        from judged join files using (path) where reason is null group by _file order by _file""").fetchall()
    faults = []
    for name, keys in found:
        try:
            compare(name, keys, export)
        except DataError as fault:
            faults.append(str(fault))
    if faults:
        raise DataError("\n".join(faults))


def _refuse_nul(engine: duckdb.DuckDBPyConnection, export: Export) -> None:
    """Refuse rows with a NUL character, which no database takes."""
    anywhere = " or ".join(f"coalesce(contains({_name(column)}, chr(0)), false)" for column in export.columns)
    engine.execute("alter view good rename to parsed")
    engine.execute(f"insert into refused select path, _row, 'NUL character' from parsed where {anywhere}")
    engine.execute(f"create view good as select * from parsed where not ({anywhere})")


def _counts(engine: duckdb.DuckDBPyConnection) -> dict[str, Count]:
    found = engine.execute("""
        with g as (select path, count(*) as n from good group by path),
             r as (select path, count(*) as n, bool_or(reason like 'unquoted%') as open from refused group by path)
        select _file, coalesce(g.n, 0), coalesce(r.n, 0), coalesce(r.open, false), lines
        from files left join g using (path) left join r using (path)""").fetchall()
    counts = {}
    for name, rows, rejected, quote_left_open, lines in found:
        # a quote that is never closed makes one row of all that follows
        lost = max(rejected, lines - 1 - rows) if quote_left_open else rejected
        counts[name] = Count(rows, rejected, lost / max(1, rows + lost))
    return counts


def _blame(export: Export, files: list[Checked]) -> str:
    """Find out which files cannot be read, by reading each alone, and return the faults."""
    if len(files) == 1:
        return f"{files[0].drop.name}: cannot be read as {export.format} (damaged); ask for it again"
    faults = []
    for file in files:
        with duckdb.connect() as engine:
            try:
                load(engine, export, [file])
            except DataError as fault:
                faults.append(str(fault))
    names = ", ".join(file.drop.name for file in files)
    return "\n".join(faults) or f"{names}: columns have other types in one file than in another; have them mended"


def _name(identifier: str) -> str:
    return '"' + identifier.replace('"', '""') + '"'


def _text(value: object) -> str:
    return "'" + str(value).replace("'", "''") + "'"
