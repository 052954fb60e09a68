"""The score database, SQLite or PostgreSQL: a night's rows go in as Arrow, whole or not at all.

Types in SQLite: dates are text ``YYYY-MM-DD``, time stamps text ``YYYY-MM-DD HH:MM:SS`` (UTC), booleans 0 or 1.
Python and ADBC each bring a SQLite library of their own, and two of them in one process do not see each other's
locks: a process must have closed its :func:`connect` before it calls :func:`replace`.
"""

from __future__ import annotations

import importlib
import logging
import re
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as pads
import sqlalchemy as sa
from adbc_driver_manager import dbapi
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError

from conf.errors import ConfigError, DataError, NboError, TransientError
from conf.tables.types import arrow_schema
from jobs.database.schema import SCHEMA, metadata, migrate
from training.tables import PUBLISHED

log = logging.getLogger(__name__)
#: seconds to wait before the second and the third try after a lost connection
PAUSES = (1.0, 4.0)
#: seconds to wait for a connection, and for a lock that another session holds
CONNECT_WAIT, LOCK_WAIT = 10, 20
T = TypeVar("T")


class LostConnection(TransientError):
    """The database cannot be reached, or went away; another try may help."""


def replace(url: str, day: date, tables: Mapping[str, pa.Table | pads.Dataset]) -> dict[str, int]:
    """Put ``tables`` in the place of the night's rows, in one transaction.

    A reader sees the night as it was or as it is now. A lost connection is tried again; other nights are not touched,
    but for tables of which only the newest night is kept: an older night's rows of these are left out.

    Args:
        url: SQLAlchemy URL of the database.
        day: the night; the column ``ds`` is set to it.
        tables: published table -> its rows, with the declared columns in any order.

    Returns:
        The rows loaded into each table.

    Raises:
        DataError: rows do not fit the declaration.
        TransientError: the database cannot be reached or is locked by another session.
    """
    data = {name: _as_declared(name, day, rows) for name, rows in tables.items()}

    def work() -> dict[str, int]:
        with connect(url) as connection:
            migrate(connection, day)
            connection.commit()
        return _load(url, day, data)

    return _with_patience(url, work)


def rows(url: str, table: str, **where: object) -> list[dict[str, Any]]:
    """Return the rows of a published table that equal ``where``, ordered by its key; dates are text.

    Raises:
        DataError: nothing was published to this database yet.
        TransientError: the database cannot be reached.
    """

    def work() -> list[dict[str, Any]]:
        with connect(url) as connection:
            source = _source(connection, url, table)
            query = _matching(sa.select(source), source, where).order_by(*source.primary_key)
            result = connection.execute(query).mappings()
            return [{key: str(v) if isinstance(v, date) else v for key, v in row.items()} for row in result]

    return _with_patience(url, work)


def count(url: str, table: str, **where: object) -> int:
    """Return how many rows of a published table equal ``where``; 0 where the table is not there yet.

    Raises:
        TransientError: the database cannot be reached.
    """

    def work() -> int:
        with connect(url) as connection:
            source = _source(connection, url, table)
            query = _matching(sa.select(sa.func.count()).select_from(source), source, where)
            return int(connection.execute(query).scalar_one())

    try:
        return _with_patience(url, work)
    except DataError:
        return 0


def newest(url: str) -> date | None:
    """Return the newest published night, or None."""
    try:
        nights = [row["ds"] for row in rows(url, "nightly_runs")]
    except DataError:
        return None
    return date.fromisoformat(max(nights)) if nights else None


def published_night(url: str, day: date | None) -> date:
    """Return ``day``, or the newest published night where none is given.

    Raises:
        DataError: no night is published, or not that one.
    """
    latest = newest(url)
    if latest is None:
        raise DataError(f"{describe(url)} holds no night; run `nbo nightly --ds ...` first")
    if day is not None and not count(url, "nightly_runs", ds=day):
        raise DataError(f"the night {day} is not published; the newest that is: {latest}")
    return day or latest


def describe(url: str) -> str:
    """Return what the database is and where, without a password."""
    parsed = _parse(url)
    if parsed.get_backend_name() == "sqlite":
        return f"SQLite {parsed.database}"
    host = parsed.host or parsed.query.get("host") or "localhost"
    return f"PostgreSQL {parsed.username or ''}@{host}{f':{parsed.port}' if parsed.port else ''}/{parsed.database}"


@contextmanager
def connect(url: str) -> Iterator[sa.Connection]:
    """Open a SQLAlchemy connection whose errors are this project's, and never hold a password.

    Raises:
        TransientError: the database cannot be reached or is locked by another session.
    """
    parsed = _parse(url)
    sqlite = parsed.get_backend_name() == "sqlite"
    if sqlite and parsed.database:
        Path(parsed.database).parent.mkdir(parents=True, exist_ok=True)
    wait: dict[str, Any] = {"timeout": LOCK_WAIT} if sqlite else {"connect_timeout": CONNECT_WAIT}
    engine = _engine(parsed, wait)
    try:
        with engine.connect() as connection:
            if sqlite:
                connection.exec_driver_sql("pragma journal_mode = wal")
            else:
                connection.exec_driver_sql(f"set lock_timeout = '{LOCK_WAIT}s'")
            connection.commit()
            yield connection
    except DBAPIError as error:
        raise _explain(url, error, error.orig) from None


def _engine(parsed: sa.URL, options: dict[str, Any]) -> sa.Engine:
    try:
        return sa.create_engine(parsed, poolclass=sa.NullPool, connect_args=options)
    except ModuleNotFoundError as error:
        raise ConfigError(f"{error}; install the extra: pip install 'nbo[postgres]'") from None


def _load(url: str, day: date, data: dict[str, pads.Dataset]) -> dict[str, int]:
    """Delete the night's rows, load the new ones and commit; of an older night, not what only the newest one keeps."""
    parsed = _parse(url)
    sqlite = parsed.get_backend_name() == "sqlite"
    place: dict[str, Any] = {} if sqlite else {"db_schema_name": SCHEMA}
    prefix = "" if sqlite else f"{SCHEMA}."
    try:
        with _adbc(parsed, sqlite) as connection, connection.cursor() as cursor:
            cursor.execute(f"select count(*) from {prefix}nightly_runs where ds > '{day}'")
            is_older = (cursor.fetchone() or (0,))[0] > 0
            for name in data:
                older = "<=" if PUBLISHED[name].newest_only else "="
                cursor.execute(f"delete from {prefix}{name} where ds {older} '{day}'")
            loaded = dict.fromkeys(data, 0) | {
                name: cursor.adbc_ingest(name, _batches(name, day, table, sqlite), mode="append", **place)
                for name, table in data.items()
                if not (is_older and PUBLISHED[name].newest_only)
            }
            connection.commit()
    except dbapi.Error as error:
        raise _explain(url, error, error) from None
    return loaded


@contextmanager
def _adbc(parsed: sa.URL, sqlite: bool) -> Iterator[dbapi.Connection]:
    """Open an ADBC connection in a transaction; closing it without a commit rolls back."""
    if sqlite:
        driver = importlib.import_module("adbc_driver_sqlite.dbapi")
        target, wait = f"file:{quote(parsed.database or '')}", f"pragma busy_timeout = {LOCK_WAIT * 1000}"
    else:
        driver = importlib.import_module("adbc_driver_postgresql.dbapi")
        bounded = parsed.update_query_dict({"connect_timeout": str(CONNECT_WAIT)})
        target = bounded.set(drivername="postgresql").render_as_string(hide_password=False)
        wait = f"set lock_timeout = '{LOCK_WAIT}s'"
    connection = driver.connect(target)
    try:
        with connection.cursor() as cursor:
            cursor.execute(wait)
        yield connection
    finally:
        connection.close()


def _as_declared(name: str, day: date, rows: pa.Table | pads.Dataset) -> pads.Dataset:
    """Refuse rows without a declared column or of another night."""
    data = rows if isinstance(rows, pads.Dataset) else pads.dataset(rows)
    missing = [c for c in PUBLISHED[name].names if c not in data.schema.names and c != "ds"]
    if missing:
        raise DataError(f"{name}: column(s) {missing} are missing; have {data.schema.names}")
    if "ds" in data.schema.names:
        of_other_nights = data.count_rows(filter=pc.field("ds").cast(pa.date32()) != pa.scalar(day))
        if of_other_nights:
            raise DataError(f"{name}: {of_other_nights} row(s) are not of the night {day}; score the night again")
    return data


def _batches(name: str, day: date, data: pads.Dataset, sqlite: bool) -> pa.RecordBatchReader:
    """Stream ``data`` with exactly the declared columns and the database's types."""
    declared = arrow_schema(PUBLISHED[name])
    texts = [field.with_type(_text(field.type)) if sqlite else field for field in declared]

    def batches() -> Iterator[pa.RecordBatch]:
        for batch in data.scanner(columns=[c for c in declared.names if c in data.schema.names]).to_batches():
            yield _typed(batch, day, declared, sqlite)

    return pa.RecordBatchReader.from_batches(pa.schema(texts), batches())


def _typed(batch: pa.RecordBatch, day: date, declared: pa.Schema, sqlite: bool) -> pa.RecordBatch:
    columns = {}
    for field in declared:
        given = field.name in batch.schema.names
        column = (batch.column(field.name) if given else pa.repeat(day, len(batch))).cast(field.type)
        columns[field.name] = _to_text(column) if sqlite else column
    return pa.record_batch(columns)


def _text(kind: pa.DataType) -> pa.DataType:
    return pa.string() if pa.types.is_temporal(kind) else kind


def _to_text(column: Any) -> Any:
    if pa.types.is_date(column.type):
        return column.cast(pa.string())
    if pa.types.is_timestamp(column.type):
        return pc.strftime(column.cast(pa.timestamp("s", "UTC")), "%Y-%m-%d %H:%M:%S")
    return column


def _parse(url: str) -> sa.URL:
    """Return the URL of a database of a supported kind.

    Raises:
        ConfigError: it is no URL, or of another kind of database.
    """
    try:
        parsed = sa.make_url(url)
        backend = parsed.get_backend_name()
    except (ArgumentError, NoSuchModuleError):
        raise ConfigError(
            "the database's URL is malformed; write sqlite:///FILE or postgresql://USER@HOST/DATABASE"
        ) from None
    if backend == "sqlite" and parsed.database and parsed.database != ":memory:":
        return parsed
    if backend == "postgresql":
        return parsed.set(drivername="postgresql+psycopg")
    raise ConfigError(
        f"a database of kind {backend} cannot be used; write sqlite:///FILE or postgresql://USER@HOST/DATABASE"
    )


def _with_patience(url: str, work: Callable[[], T]) -> T:
    """Run ``work``, and again when the connection is lost: three tries in all."""
    for pause in PAUSES:
        try:
            return work()
        except LostConnection as error:
            log.warning("%s; the next try is in %g s", error, pause)
            time.sleep(pause)
    return work()


def _explain(url: str, error: Exception, cause: Any) -> NboError:
    """Turn a driver's error into one that says what to do, without the password."""
    what = _without_password(url, str(cause or error)).strip().splitlines()[0]
    where = describe(url)
    state = str(getattr(cause, "sqlstate", None) or "")
    if state == "55P03" or "database is locked" in what:
        return TransientError(
            f"{where} is locked by another session for more than {LOCK_WAIT} s; end that session and run again: {what}"
        )
    if "disk is full" in what or state.startswith("53"):
        return NboError(f"{where} has no room; free space and run again (the night is as it was): {what}")
    if state.startswith("23") or "constraint" in what:
        return DataError(f"{where} refused the rows: {what}")
    if state[:2] in ("08", "57", "40") or (not state and _lost(cause)):
        return LostConnection(f"{where} cannot be reached: {what}")
    return NboError(f"{where}: {what}")


def _lost(cause: Any) -> bool:
    """Drivers give no SQLSTATE when the connection itself broke."""
    return type(cause).__name__ in ("OperationalError", "AdminShutdown", "InterfaceError")


def _without_password(url: str, text: str) -> str:
    password = sa.make_url(url).password
    if password:
        text = text.replace(str(password), "***")
    return re.sub(r"(://[^:/@]*:)[^@]*@", r"\1***@", text)


def _source(connection: sa.Connection, url: str, table: str) -> sa.Table:
    source = metadata(_schema(connection)).tables[_name(connection, table)]
    if not sa.inspect(connection).has_table(table, schema=source.schema):
        raise DataError(f"{describe(url)} has no table {table}; run `nbo publish` first")
    return source


def _matching(query: sa.Select[Any], source: sa.Table, where: dict[str, object]) -> sa.Select[Any]:
    for column, value in where.items():
        text = isinstance(value, date) and source.schema is None
        query = query.where(source.c[column] == (str(value) if text else value))
    return query


def _schema(connection: sa.Connection) -> str | None:
    return SCHEMA if connection.dialect.name == "postgresql" else None


def _name(connection: sa.Connection, table: str) -> str:
    return f"{SCHEMA}.{table}" if _schema(connection) else table
