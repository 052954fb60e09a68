"""Plain SQL expressions of the configuration, evaluated on a night's tables in an engine that sees nothing else."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.dataset as pads

from conf.errors import ConfigError


def values(expression: str, scores: pads.Dataset, where: str) -> pa.Table:
    """Return ``customer_id`` and ``value`` of an expression on ``CUSTOMER_SCORES``, in the order of customers.

    Args:
        expression: plain SQL; its value becomes text.
        scores: ``CUSTOMER_SCORES``.
        where: what it stands in, for the error.

    Raises:
        ConfigError: it is no plain expression on the table's columns.
    """
    with duckdb.connect() as engine:
        try:
            closed(engine)
            plain(engine, expression, scores.schema.names)
            rows = engine.from_arrow(scores).project(f"customer_id, ({expression})::varchar as value")
            return rows.order("customer_id").to_arrow_table()
        except (duckdb.Error, ValueError) as error:
            raise refused(where, error) from None


def closed(engine: duckdb.DuckDBPyConnection) -> None:
    """Close the engine: rules see the registered tables only, no files and no Python variables."""
    engine.execute("set python_enable_replacements = false")
    engine.execute("set enable_external_access = false")


def refused(where: str, error: Exception) -> ConfigError:
    """Return the error of an expression that cannot be used; ``where`` names the setting."""
    what = str(error).splitlines()[0]
    return ConfigError(f"{where}: its rule cannot be used: {what}")


def condition(engine: duckdb.DuckDBPyConnection, table: pads.Dataset, text: str) -> duckdb.DuckDBPyRelation:
    """Return the rows of ``table`` for which the condition holds."""
    plain(engine, text, table.schema.names)
    return engine.from_arrow(table).filter(duckdb.SQLExpression(text))


def plain(engine: duckdb.DuckDBPyConnection, text: str, names: list[str], many: bool = False) -> None:
    """Refuse an expression with other tables, unknown columns, clocks or random numbers.

    Raises:
        ValueError: names what is not allowed.
    """
    query = f"select 1 order by {text}" if many else f"select ({text})"
    tree = json.loads(engine.execute("select json_serialize_sql(?::varchar)", [query]).fetchall()[0][0])
    if tree.get("error"):
        raise ValueError(f"{text!r}: {tree['error_message']}")
    if len(tree["statements"]) != 1 or tree["statements"][0]["node"]["type"] != "SELECT_NODE":
        raise ValueError(f"{text!r} is no plain condition")
    allowed = {name.lower() for name in names}
    for node in _nodes(tree["statements"][0]["node"]):
        kind = node.get("class")
        if kind in ("SUBQUERY", "WINDOW", "STAR"):
            raise ValueError(f"{text!r} is no plain condition: it holds a {str(kind).lower()}")
        if kind == "COLUMN_REF" and node["column_names"][-1].lower() not in allowed:
            raise ValueError(f"{text!r}: there is no column {node['column_names'][-1]}; have {', '.join(names)}")
        if kind == "FUNCTION" and not _is_repeatable(engine, node["function_name"]):
            raise ValueError(f"{text!r}: {node['function_name']}() does not give the same result every time")


def _nodes(tree: Any) -> Iterator[dict[str, Any]]:
    if isinstance(tree, dict):
        yield tree
        for branch in tree.values():
            yield from _nodes(branch)
    elif isinstance(tree, list):
        for branch in tree:
            yield from _nodes(branch)


def _is_repeatable(engine: duckdb.DuckDBPyConnection, function: str) -> bool:
    query = "select bool_and(stability = 'CONSISTENT') from duckdb_functions() where function_name = ?"
    return engine.execute(query, [function.lower()]).fetchall()[0][0] is not False
