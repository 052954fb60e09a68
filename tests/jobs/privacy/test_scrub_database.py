"""Erased customers leave every table of a published night, on PostgreSQL too."""

from __future__ import annotations

from datetime import date

import sqlalchemy as sa

from conf.settings.schema import Settings
from jobs.database.schema import SCHEMA
from jobs.lake.lake import Lake
from jobs.privacy.scrub_database import CUSTOMER, scrub
from jobs.publish import publish_scores

DAY = date(2017, 12, 3)


def rows_of(url: str, customer: str) -> dict[str, int]:
    """Return table -> rows of the customer, of tables that have any."""
    engine = sa.create_engine(url)
    schema = None if engine.dialect.name == "sqlite" else SCHEMA
    with engine.connect() as connection:
        look, counted = sa.inspect(connection), {}
        for name in look.get_table_names(schema=schema):
            if CUSTOMER in {column["name"] for column in look.get_columns(name, schema=schema)}:
                table = sa.table(name, sa.column(CUSTOMER), schema=schema)
                query = sa.select(sa.func.count()).select_from(table).where(table.c[CUSTOMER] == customer)
                counted[name] = connection.scalar(query) or 0
    engine.dispose()
    return {name: rows for name, rows in counted.items() if rows}


def test_sqlite(settings: Settings, night: Lake) -> None:
    _leaves(settings)


def test_postgresql(settings: Settings, night: Lake, postgresql: str) -> None:
    _leaves(settings.model_copy(update={"database": postgresql}))


def _leaves(settings: Settings) -> None:
    publish_scores.run(settings, DAY)
    before, other = rows_of(settings.database, "c0004"), rows_of(settings.database, "c0005")
    assert {"customer_scores", "next_best_offer"} <= set(before)
    removed = scrub(settings.database, ["c0004"])
    assert rows_of(settings.database, "c0004") == {}
    assert rows_of(settings.database, "c0005") == other
    # of a partitioned table PostgreSQL lists the partitions too, whose rows went with the table's
    assert removed == {name: rows for name, rows in before.items() if name in removed}
    assert scrub(settings.database, ["c0004"]) == {}
