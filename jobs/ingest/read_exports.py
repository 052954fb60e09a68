"""Reads checked files with DuckDB: well-formed rows as they came, of the others where they stood and why.

Every column is a string, but for Parquet, which keeps its types. Added are ``_file`` (path within the export
folder), ``_row`` (number of the row in its file, from 1, refused ones counted) and ``_ds`` (day of the drop).
All functions work on one export in a DuckDB connection of its own: ``load`` first, then the others. Until ``good``
columns go by their place in the contract (c0, c1, ...), so that no name of a file can mean something to DuckDB.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import duckdb
import pyarrow as pa

from conf.errors import DataError
from conf.settings.consent import Ids
from conf.settings.exports import Export, numbered
from jobs.ingest.check_exports import Checked, compare, dialect, places, stand_ins
from jobs.inputs.erased import Erased

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
    rows = [[str(file.path), file.name, file.drop.day, file.lines] for file in files]
    engine.executemany("insert into files values (?, ?, ?, ?)", rows)
    try:
        _LOADERS[export.format](engine, export, files)
    except duckdb.Error:
        raise DataError(_blame(export, files)) from None  # DuckDB's own message may quote a row
    if export.format not in ("parquet", "sql") and any(file.has_nul for file in files):
        _refuse_nul(engine, export)
    return _counts(engine)


def leave_out_erased(
    engine: duckdb.DuckDBPyConnection, export: Export, keys: list[str], ids: Ids, erased: Erased
) -> int:
    """Take the rows of erased customers out of the well-formed ones, and return how many there were.

    Args:
        engine: with the loaded export.
        export: its contract.
        keys: columns that hold a customer's key as it is.
        ids: how keys are unified.
        erased: who is erased.
    """
    engine.execute("create table erased (hash varchar)")
    engine.executemany("insert into erased values (?)", [[made] for made in sorted(erased.hashes)])
    written = [_written(f"c{export.columns.index(key)}", ids) for key in keys]
    gone = " or ".join(f"sha256({_text(erased.secret + ':')} || {key}) in (from erased)" for key in written)
    engine.execute(f"alter {'view' if _is_view(engine) else 'table'} good rename to all_good")
    engine.execute(f"create view good as select * from all_good where not coalesce({gone}, false)")
    query = "select (select count(*) from all_good) - (select count(*) from good)"
    return int(engine.execute(query).fetchall()[0][0])


def _written(column: str, ids: Ids) -> str:
    """Return SQL for a customer's key as the source's rule writes it; features.canonical.ids has the same for Spark."""
    ends = r"[\s\p{Z}\x{200B}-\x{200D}\x{2060}\x{FEFF}]"
    key = f"regexp_replace({column}::varchar, '^({ends}|'')+|{ends}+$', '', 'g')"
    key = rf"regexp_replace({key}, '^([+-]?\d+)\.0+$', '\1')"
    if "customer_id" in ids.columns:
        key = {"lower": f"lower({key})", "upper": f"upper({key})"}.get(ids.case, key)
        if ids.leading_zeros == "strip":
            key = rf"regexp_replace({key}, '^0+(.)', '\1')"
    return key


def _is_view(engine: duckdb.DuckDBPyConnection) -> bool:
    return bool(engine.execute("select 1 from duckdb_views() where view_name = 'good'").fetchall())


def good(engine: duckdb.DuckDBPyConnection, export: Export) -> pa.RecordBatchReader:
    """Return the well-formed rows with the contract's names and their origin."""
    columns = ", ".join(f"g.c{place} as {_name(column)}" for place, column in enumerate(export.columns))
    return engine.sql(
        f"select {columns}, f._file, g._row, f._ds from good g join files f using (path)"
    ).to_arrow_reader(BATCH)


def refused(engine: duckdb.DuckDBPyConnection) -> pa.RecordBatchReader:
    """Return ``_file``, ``_row``, ``_ds`` and ``reason`` of the refused rows, and nothing of what stood in them."""
    return engine.sql(
        "select f._file, r._row, f._ds, r.reason from refused r join files f using (path) order by all"
    ).to_arrow_reader(BATCH)


def nothing(export: Export) -> pa.Table:
    """Return the table of an export whose files hold no rows."""
    fields: list[pa.Field[Any]] = [pa.field(column, pa.string()) for column in (*export.columns, "_file")]
    return pa.schema([*fields, pa.field("_row", pa.int64()), pa.field("_ds", pa.date32())]).empty_table()


def _load_csv(engine: duckdb.DuckDBPyConnection, export: Export, files: list[Checked]) -> None:
    columns = stand_ins(len(export.columns))
    engine.execute(f"create table staged (path varchar, n bigint, {', '.join(f'{c} varchar' for c in columns)})")
    form = dialect(export)
    options = (
        f"header = true, delim = {_text(form.delimiter)}, quote = {_text(form.quote)}, "
        f"escape = {_text(form.escape or form.quote)}, nullstr = [{', '.join(map(_text, form.nulls or [NEVER]))}]"
    )
    for names, alike in groupby(sorted(files, key=lambda file: file.columns), key=lambda file: file.columns):
        unique = _unique(names)
        source = _read_csv(list(alike), unique, options)
        wanted = ", ".join(_name(unique[place]) for place in places(list(names), export) if place is not None)
        engine.execute(f"insert into staged select nbo_path, row_number() over (), {wanted} from {source}")
    _number(engine, header=1)
    engine.execute(f"create view good as select path, _row, {', '.join(columns)} from numbered")


def _unique(names: tuple[str, ...]) -> list[str]:
    """Return names that DuckDB takes for a file's columns, its own as far as they go, since reasons quote them."""
    return [
        f"column {place + 1}" if not name.strip() or name.lower() == "nbo_path" else name
        for place, name in enumerate(numbered(list(names))[0])
    ]


def _load_jsonl(engine: duckdb.DuckDBPyConnection, export: Export, files: list[Checked]) -> None:
    # a line is one text column: no delimiter can stand in it unescaped, and nothing quotes
    source = _read_csv(files, ["line"], r"header = false, delim = e'\x01', quote = '', escape = '', nullstr = ['']")
    engine.execute(f"create table staged as select nbo_path as path, row_number() over () as n, line from {source}")
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
    pointers = [_text("/" + column.replace("~", "~0").replace("/", "~1")) for column in export.names]
    columns = ", ".join(f"v[{place + 1}] as c{place}" for place in range(len(export.columns)))
    engine.execute(f"""
        create view good as select path, _row, {columns} from (
            select path, _row, json_extract_string(line, [{", ".join(pointers)}]) as v
            from judged where reason is null)""")


def _load_parquet(engine: duckdb.DuckDBPyConnection, export: Export, files: list[Checked]) -> None:
    selects = []
    key = _stored_names
    for stored, alike in groupby(sorted(files, key=key), key=key):
        group = list(alike)
        paths = ", ".join(_text(file.path) for file in group)
        at = places(list(group[0].columns), export)
        columns = ", ".join(f"{_name(stored[place])} as c{n}" for n, place in enumerate(at) if place is not None)
        selects.append(f"""
            select nbo_path as path, file_row_number + 1 as _row, {columns}
            from read_parquet([{paths}], filename = 'nbo_path', file_row_number = true, union_by_name = true)""")
    engine.execute(f"create table good as {' union all by name '.join(selects)}")


def _stored_names(file: Checked) -> tuple[str, ...]:
    return file.stored or file.columns


def _read_csv(files: list[Checked], columns: list[str], dialect: str) -> str:
    """Return the SQL of a table function that yields ``nbo_path`` and ``columns`` and keeps apart what it refuses."""
    paths = ", ".join(_text(file.path) for file in files)
    types = ", ".join(f"{_text(column)}: 'VARCHAR'" for column in columns)
    return (
        f"read_csv([{paths}], auto_detect = false, columns = {{{types}}}, {dialect}, "
        "strict_mode = true, store_rejects = true, filename = 'nbo_path')"
    )


def _number(engine: duckdb.DuckDBPyConnection, header: int) -> None:
    """Take up what the CSV reader refused, and make the view ``numbered``: ``staged`` with ``_row``.

    DuckDB gives the record's number of refused rows only; the others follow from their order.
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
    row = engine.execute("""
        select _file, list_sort(list_distinct(flatten(list(json_keys(line)))))
        from judged join files using (path) where reason is null group by _file order by _file""").fetchall()
    faults = []
    for name, keys in row:
        try:
            compare(name, keys, export)
        except DataError as fault:
            faults.append(str(fault))
    if faults:
        raise DataError("\n".join(faults))


def _refuse_nul(engine: duckdb.DuckDBPyConnection, export: Export) -> None:
    """Refuse rows with a NUL character, which no database takes."""
    anywhere = " or ".join(f"coalesce(contains({c}, chr(0)), false)" for c in stand_ins(len(export.columns)))
    engine.execute("alter view good rename to parsed")
    engine.execute(f"insert into refused select path, _row, 'NUL character' from parsed where {anywhere}")
    engine.execute(f"create view good as select * from parsed where not ({anywhere})")


def _counts(engine: duckdb.DuckDBPyConnection) -> dict[str, Count]:
    row = engine.execute("""
        with g as (select path, count(*) as n from good group by path),
             r as (select path, count(*) as n, bool_or(reason like 'unquoted%') as open from refused group by path)
        select _file, coalesce(g.n, 0), coalesce(r.n, 0), coalesce(r.open, false), lines
        from files left join g using (path) left join r using (path)""").fetchall()
    counts = {}
    for name, rows, rejected, quote_left_open, lines in row:
        # a quote that is never closed makes one row of all that follows
        lost = max(rejected, lines - 1 - rows) if quote_left_open else rejected
        counts[name] = Count(rows, rejected, lost / max(1, rows + lost))
    return counts


def _blame(export: Export, files: list[Checked]) -> str:
    """Find out which files cannot be read, by reading each alone, and return the faults."""
    if len(files) == 1:
        return f"{files[0].name}: cannot be read as {export.format} (damaged); ask for it again"
    faults = []
    for file in files:
        with duckdb.connect() as engine:
            try:
                load(engine, export, [file])
            except DataError as fault:
                faults.append(str(fault))
    names = ", ".join(file.name for file in files)
    return "\n".join(faults) or f"{names}: columns have other types in one file than in another; have them mended"


def _name(identifier: str) -> str:
    return '"' + identifier.replace('"', '""') + '"'


def _text(value: object) -> str:
    return "'" + str(value).replace("'", "''") + "'"


_LOADERS: dict[str, Callable[[duckdb.DuckDBPyConnection, Export, list[Checked]], None]] = {
    "csv": _load_csv,
    "xlsx": _load_csv,
    "jsonl": _load_jsonl,
    "json": _load_jsonl,
    "parquet": _load_parquet,
    "sql": _load_parquet,
}
