"""Brings the score database's tables, views, comments and partitions to what ``conf.tables.published`` declares."""

from __future__ import annotations

from datetime import date
from typing import Any

import sqlalchemy as sa
from sqlalchemy.schema import CreateSchema, SetColumnComment, SetTableComment
from sqlalchemy.types import TypeEngine

from conf.tables.types import sql_type
from training.tables import PUBLICATIONS, PUBLISHED

SCHEMA = "nbo"
#: what every published table and column means; a row without a column is about the table
DICTIONARY, _DICTIONARY = "data_dictionary", ("table_name", "column_name", "type", "about")
#: further views of the newest night: name -> query; ``{prefix}`` is the schema
VIEWS = {
    # the other direction of the same scores: the customers of an offer, the likeliest first
    "current_customers_per_offer": (
        "select ds, offer_id, offer_title, row_number() over (partition by offer_id order by propensity desc, "
        "expected_value desc, customer_id) as rank, customer_id, propensity, expected_value, treatment, contactable "
        "from {prefix}current_next_best_offer"
    ),
}
PARTITIONED = tuple(one.table.name for one in PUBLICATIONS if one.large)


def metadata(schema: str | None) -> sa.MetaData:
    """Return all published tables as SQLAlchemy tables in ``schema``."""
    declared = sa.MetaData(schema=schema)
    for table in PUBLISHED.values():
        options: dict[str, Any] = {"postgresql_partition_by": "LIST (ds)"} if table.name in PARTITIONED else {}
        columns = [sa.Column(c.name, _column_type(c.type), nullable=c.nullable, comment=c.about) for c in table.columns]
        made = sa.Table(
            table.name, declared, *columns, sa.PrimaryKeyConstraint(*table.key), comment=table.grain, **options
        )
        if "customer_id" in table.names:
            sa.Index(f"ix_{table.name}_customer_id", made.c.customer_id)
    return declared


def migrate(connection: sa.Connection, day: date) -> None:
    """Create what is missing for the night ``day``; does nothing, and locks next to nothing, the second time.

    Columns that a newer declaration adds are added to old tables, nullable; nothing is ever dropped. A table that was
    made before it had partitions is made anew with them, once, and keeps its rows.
    """
    postgresql = connection.dialect.name == "postgresql"
    if postgresql:  # two nights may come here at once
        connection.execute(sa.text("select pg_advisory_xact_lock(hashtext('nbo migration'))"))
    else:
        connection.exec_driver_sql("begin immediate")
    schema = SCHEMA if postgresql else None
    if postgresql and not sa.inspect(connection).has_schema(SCHEMA):
        connection.execute(CreateSchema(SCHEMA))
    tables = metadata(schema)
    aside = [name for name in PARTITIONED if postgresql and _is_plain(connection, name)]
    for name in aside:
        _set_aside(connection, name)
    tables.create_all(connection)
    inspector = sa.inspect(connection)
    views = set(inspector.get_view_names(schema=schema))
    for table in tables.sorted_tables:
        _update_columns(connection, table, inspector)
        _update_view(connection, table, views)
        if postgresql:
            _comment_view(connection, table, sa.inspect(connection))
        if postgresql and table.name in PARTITIONED:
            _add_partition(connection, table.name, day, inspector)
        if table.name in aside:
            _bring_back(connection, table, day, inspector)
    _write_dictionary(connection, schema)
    prefix = f"{schema}." if schema else ""
    for name in VIEWS.keys() - views:
        connection.exec_driver_sql(f"create view {prefix}{name} as {VIEWS[name].format(prefix=prefix)}")


def _column_type(name: str) -> TypeEngine[Any]:
    """Return the SQLAlchemy type of a declared type name.

    SQLite has neither dates nor time stamps: 'YYYY-MM-DD' and 'YYYY-MM-DD HH:MM:SS' sort and compare rightly.
    """
    sql = sql_type(name)
    kind: TypeEngine[Any] = sa.DateTime(timezone=True) if sql == "DateTime" else getattr(sa, sql)()
    return kind.with_variant(sa.Text(), "sqlite") if name in ("date", "timestamp") else kind


def _update_columns(connection: sa.Connection, table: sa.Table, inspector: sa.Inspector) -> None:
    """Add missing columns; on PostgreSQL also renew comments that changed."""
    there: dict[str, Any] = {
        column["name"]: column for column in inspector.get_columns(table.name, schema=table.schema)
    }
    quote = connection.dialect.identifier_preparer
    for column in table.columns:
        if column.name not in there:
            kind = column.type.compile(connection.dialect)
            connection.exec_driver_sql(
                f"alter table {quote.format_table(table)} add column {quote.format_column(column)} {kind}"
            )
    if connection.dialect.supports_comments:
        if inspector.get_table_comment(table.name, schema=table.schema)["text"] != table.comment:
            connection.execute(SetTableComment(table))
        for column in table.columns:
            if there.get(column.name, {}).get("comment") != column.comment:
                connection.execute(SetColumnComment(column))


def _update_view(connection: sa.Connection, table: sa.Table, views: set[str]) -> None:
    """Create ``current_<table>``, the rows of the newest night, or widen it by the columns just added."""
    prefix = f"{table.schema}." if table.schema else ""
    name = f"current_{table.name}"
    if name in views:
        inspector = sa.inspect(connection)
        had, has = (
            {column["name"] for column in inspector.get_columns(relation, schema=table.schema)}
            for relation in (name, table.name)
        )
        if had == has:
            return
        connection.exec_driver_sql(f"create or replace view {prefix}{name} as {_newest(prefix, table.name)}")
    else:
        connection.exec_driver_sql(f"create view {prefix}{name} as {_newest(prefix, table.name)}")


def _comment_view(connection: sa.Connection, table: sa.Table, inspector: sa.Inspector) -> None:
    """Give the columns of ``current_<table>`` the comments of the table's, where they lack them."""
    name = f"current_{table.name}"
    there = {column["name"]: column.get("comment") for column in inspector.get_columns(name, schema=table.schema)}
    quote = connection.dialect.identifier_preparer.quote
    for column in table.columns:
        if column.name in there and there[column.name] != column.comment:
            text = (column.comment or "").replace("'", "''")
            place = f"{table.schema}.{quote(name)}.{quote(column.name)}"
            connection.execute(sa.text(f"comment on column {place} is '{text}'".replace(":", "\\:")))


def _write_dictionary(connection: sa.Connection, schema: str | None) -> None:
    """Fill ``data_dictionary`` with a row per table and column, so that SQLite can be asked what a column means."""
    table = sa.Table(DICTIONARY, sa.MetaData(schema=schema), *(sa.Column(name, sa.Text()) for name in _DICTIONARY))
    table.create(connection, checkfirst=True)
    rows = [
        (one.name, column.name, column.type, column.about) for one in PUBLISHED.values() for column in one.columns
    ] + [(one.name, "", "", one.grain) for one in PUBLISHED.values()]
    if sorted(tuple(row) for row in connection.execute(sa.select(table))) != sorted(rows):
        connection.execute(table.delete())
        connection.execute(table.insert(), [dict(zip(_DICTIONARY, row, strict=True)) for row in rows])


def _newest(prefix: str, name: str) -> str:
    return f"select * from {prefix}{name} where ds = (select max(ds) from {prefix}nightly_runs)"


def _add_partition(connection: sa.Connection, name: str, day: date, inspector: sa.Inspector) -> None:
    """Attach the night's partition, made apart: that way readers of the table are not blocked."""
    part = f"{name}_{day:%Y%m%d}"
    if inspector.has_table(part, schema=SCHEMA):
        return
    connection.exec_driver_sql(f"create table {SCHEMA}.{part} (like {SCHEMA}.{name} including all)")
    connection.exec_driver_sql(f"alter table {SCHEMA}.{name} attach partition {SCHEMA}.{part} for values in ('{day}')")


def _is_plain(connection: sa.Connection, name: str) -> bool:
    """Return whether there is a table of that name without partitions."""
    kind = sa.text("select relkind from pg_class where oid = to_regclass(:name)")
    return connection.execute(kind, {"name": f"{SCHEMA}.{name}"}).scalar() == "r"


def _set_aside(connection: sa.Connection, name: str) -> None:
    """Give a table and its indexes other names, so that theirs are free; its view is made anew later."""
    connection.exec_driver_sql(f"drop view if exists {SCHEMA}.current_{name}")
    indexes = sa.text("select indexname from pg_indexes where schemaname = :schema and tablename = :name")
    for index in connection.execute(indexes, {"schema": SCHEMA, "name": name}).scalars().all():
        connection.exec_driver_sql(f"alter index {SCHEMA}.{index} rename to {index}_before")
    connection.exec_driver_sql(f"alter table {SCHEMA}.{name} rename to {name}_before")


def _bring_back(connection: sa.Connection, table: sa.Table, day: date, inspector: sa.Inspector) -> None:
    """Move the rows set aside into partitions; the one of ``day`` is there already."""
    before = f"{SCHEMA}.{table.name}_before"
    had = {column["name"] for column in inspector.get_columns(f"{table.name}_before", schema=SCHEMA)}
    for column in table.columns:
        if column.name not in had and not column.nullable:  # older rows have no value of it
            for name in (table.name, f"{table.name}_{day:%Y%m%d}"):
                connection.exec_driver_sql(f"alter table {SCHEMA}.{name} alter column {column.name} drop not null")
    for night in connection.exec_driver_sql(f"select distinct ds from {before}").scalars().all():
        if night != day:
            _add_partition(connection, table.name, night, inspector)
    names = ", ".join(column.name for column in table.columns if column.name in had)
    connection.exec_driver_sql(f"insert into {SCHEMA}.{table.name} ({names}) select {names} from {before}")
    connection.exec_driver_sql(f"drop table {before}")
