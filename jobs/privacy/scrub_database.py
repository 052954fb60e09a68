"""Takes the rows of erased customers out of the score database, and their bytes out of its files."""

from __future__ import annotations

from collections.abc import Collection

import sqlalchemy as sa

from jobs.database import database
from jobs.database.schema import SCHEMA

CUSTOMER = "customer_id"


def scrub(url: str, customers: Collection[str]) -> dict[str, int]:
    """Delete the rows of ``customers`` from every table that has customers, in one transaction; then rewrite its files.

    Args:
        url: SQLAlchemy URL of the score database.
        customers: keys of the customers.

    Returns:
        Table -> rows deleted; nothing for tables without any.

    Raises:
        TransientError: the database cannot be reached or is locked.
    """
    removed: dict[str, int] = {}
    with database.connect(url) as connection:
        sqlite = connection.dialect.name == "sqlite"
        schema = None if sqlite else SCHEMA
        if sqlite:
            connection.exec_driver_sql("pragma secure_delete = on")
            connection.commit()
        inspected = sa.inspect(connection)
        names = inspected.get_table_names(schema=schema)
        with_customers = [
            name for name in names if CUSTOMER in {c["name"] for c in inspected.get_columns(name, schema=schema)}
        ]
        for name in with_customers:
            table = sa.table(name, sa.column(CUSTOMER), schema=schema)
            rows = connection.execute(sa.delete(table).where(table.c[CUSTOMER].in_(sorted(customers)))).rowcount
            if rows:
                removed[name] = rows
        connection.commit()
        if removed:
            _rewrite(connection, [f"{schema}.{name}" for name in removed] if schema else [])
    return removed


def _rewrite(connection: sa.Connection, tables: list[str]) -> None:
    """Write the database's files anew: a deleted row otherwise stays in free pages and in the log."""
    raw = connection.execution_options(isolation_level="AUTOCOMMIT")
    if not tables:
        raw.exec_driver_sql("vacuum")
        raw.exec_driver_sql("pragma wal_checkpoint(truncate)")
    for table in tables:
        raw.exec_driver_sql(f"vacuum (full) {table}")
