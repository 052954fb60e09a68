"""Reads exports that are queries of a database: all of one database in one snapshot of it, in chunks.

PostgreSQL, MySQL or MariaDB and SQLite, through SQLAlchemy's server-side cursors. Values become the text that a CSV
export would hold: numbers in digits, moments in ISO 8601 with their offset where they have one, true and false. So a
column has one type in every chunk and every night. Memory is that of a chunk. Nothing is written to the database, and
neither its password nor a value of it gets into a message.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pyarrow as pa
import pyarrow.parquet as pq
import sqlalchemy as sa

from conf.errors import ConfigError, DataError, TransientError
from conf.settings.exports import Database, Export
from conf.settings.source import Source
from jobs.ingest.check_exports import Checked, compare, stand_ins
from jobs.ingest.exports import Drop
from jobs.ingest.unpack import limit, new_file

#: rows in memory at a time
CHUNK = 50_000
#: before every record there is
EVER = date(1900, 1, 1)
_BOUNDS = ("since", "until")


def queries(source: Source) -> dict[str, Export]:
    """Return the exports of a source that are queries."""
    return {name: export for name, export in source.exports.items() if export.database}


def extract(
    source: Source, names: Sequence[str], bounds: tuple[date | None, date], scratch: Path
) -> dict[str, Checked]:
    """Read the rows of queries into Parquet files.

    Args:
        source: the CRM.
        names: of its exports; all of one database, which are read as they were at one moment.
        bounds: the last day that was read before, None at first, and the last day to read.
        scratch: folder for the files.

    Returns:
        The files by export.

    Raises:
        ConfigError: the environment has no such URL, or the database refuses a query.
        DataError: the columns are not as agreed, or there are too many rows.
        TransientError: the database cannot be reached.
    """
    files = {}
    first = source.exports[names[0]].database
    with _snapshot(first.url if first else "") as connection:
        for name in names:
            export = source.exports[name]
            if export.database is None:
                raise ConfigError(f"exports.{name}: is no query")
            if connection.dialect.name == "postgresql":  # what has an offset is compared with what has none in it
                zone = export.database.zone or source.timezone
                connection.execute(sa.text("select set_config('TimeZone', :zone, false)"), {"zone": zone})
            values = _bound_values(export.database, source, bounds)
            files[name] = _to_parquet(connection, name, export, values, bounds[1], new_file(scratch, "parquet"))
    return files


def fingerprint(export: Export, since: date | None, until: date) -> str:
    """Return what decides which rows a query gives; the database itself is asked again on ``--force`` only."""
    query = export.database.query if export.database else ""
    return hashlib.sha256(f"{query}\n{since}\n{until}".encode()).hexdigest()


def _to_parquet(
    connection: sa.Connection, name: str, export: Export, values: dict[str, Any], until: date, target: Path
) -> Checked:
    query = sa.text(export.database.query if export.database else "")
    asked = {bound: values[bound] for bound in _BOUNDS if f":{bound}" in query.text}
    try:
        result = connection.execute(query, asked)
        columns = list(result.keys())
        compare(f"exports.{name}", columns, export)
        schema = pa.schema([pa.field(name, pa.string()) for name in stand_ins(len(columns))])
        rows = size = 0
        with pq.ParquetWriter(target, schema, compression="zstd") as writer:
            for chunk in result.partitions(CHUNK):
                rows += len(chunk)
                table = pa.table([_texts(name, column) for column in zip(*chunk, strict=True)], schema=schema)
                size += table.nbytes
                limit(f"exports.{name}", export, size)
                writer.write_table(table)
    except sa.exc.OperationalError as error:
        raise TransientError(f"exports.{name}: the database was lost or refuses: {_first_line(error)}") from None
    except sa.exc.DBAPIError as error:
        raise ConfigError(f"exports.{name}.database.query does not work: {_first_line(error)}") from None
    except sa.exc.SQLAlchemyError as error:
        raise ConfigError(f"exports.{name}.database.query does not work: {type(error).__name__}") from None
    drop = Drop(name, until, f"{name}.sql", target, size, 0, fingerprint(export, None, until))
    return Checked(drop.name, drop, target, tuple(columns), rows + 1, stored=tuple(schema.names))


def _texts(name: str, column: tuple[Any, ...]) -> pa.Array:
    try:
        return pa.array([None if value is None else _text(value) for value in column], pa.string())
    except (TypeError, UnicodeError):
        kinds = sorted({type(value).__name__ for value in column if value is not None})
        raise DataError(
            f"exports.{name}: a column holds {', '.join(kinds)}, which is no text; cast it in the query"
        ) from None


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(value)
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, datetime):
        return value.isoformat(sep=" ")
    if isinstance(value, date | time | int):
        return str(value)
    if isinstance(value, bytes | bytearray | memoryview):
        raise TypeError("binary")
    return str(value)


def _bound_values(database: Database, source: Source, bounds: tuple[date | None, date]) -> dict[str, datetime]:
    """Return the moments that bound what is new, without an offset, in the zone of the database."""
    zone, local = ZoneInfo(database.zone or source.timezone), ZoneInfo(source.timezone)
    first = bounds[0] + timedelta(days=1) if bounds[0] else EVER
    days = {"since": first, "until": bounds[1] + timedelta(days=1)}
    midnights = {bound: datetime.combine(day, time(), local) for bound, day in days.items()}
    return {bound: moment.astimezone(zone).replace(tzinfo=None) for bound, moment in midnights.items()}


@contextmanager
def _snapshot(variable: str) -> Iterator[sa.Connection]:
    """Yield a connection that reads one state of the database and cannot write."""
    url = os.environ.get(variable)
    if not url:
        raise ConfigError(f"the environment variable {variable} is not set; it must hold the database's SQLAlchemy URL")
    try:
        engine = sa.create_engine(url, hide_parameters=True)
    except (sa.exc.ArgumentError, ImportError, ValueError) as error:
        what = f"lacks a driver ({error})" if isinstance(error, ImportError) else "is no SQLAlchemy URL"
        raise ConfigError(
            f"the environment variable {variable} {what}; write postgresql+psycopg://user:password@host/name, "
            "mysql+pymysql://... or sqlite:////path"
        ) from None
    kind = engine.dialect.name
    level = {"sqlite": "AUTOCOMMIT", "mssql": "SNAPSHOT", "oracle": "SERIALIZABLE"}.get(kind, "REPEATABLE READ")
    options: dict[str, Any] = {"isolation_level": level, "stream_results": True, "max_row_buffer": CHUNK}
    if kind == "postgresql":
        options["postgresql_readonly"] = True
    try:
        with engine.connect().execution_options(**options) as connection:
            if kind == "sqlite":
                connection.exec_driver_sql("pragma query_only = on")
                connection.exec_driver_sql("begin")
            yield connection
            connection.rollback()
    except sa.exc.OperationalError as error:
        raise TransientError(f"the database of {variable} cannot be reached: {_first_line(error)}") from None
    except sa.exc.DBAPIError as error:
        raise ConfigError(f"the database of {variable} refuses: {_first_line(error)}") from None
    finally:
        engine.dispose()


def _first_line(error: sa.exc.DBAPIError) -> str:
    """Return the database's complaint without what it quotes of rows."""
    return str(error.orig).strip().splitlines()[0][:200]


def grouped(source: Source) -> list[list[str]]:
    """Return the exports that are queries, those of one database together."""
    by_url: dict[str, list[str]] = {}
    for name, export in queries(source).items():
        if export.database:
            by_url.setdefault(export.database.url, []).append(name)
    return list(by_url.values())
