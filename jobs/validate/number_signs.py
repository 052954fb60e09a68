"""Finds columns of numbers whose dot may stand between thousands: ``1.000`` of a German export is a thousand."""

from __future__ import annotations

import duckdb

from conf.settings.expressions import referenced
from conf.settings.source import Export, Part
from conf.tables.table import Table
from jobs.lake.lake import Lake
from jobs.lake.manifest import File

_NUMERIC = ("decimal", "double", "float", "int", "long")


def doubtful_columns(lake: Lake, files: tuple[File, ...], export: Export, part: Part, table: Table) -> frozenset[str]:
    """Return the raw columns in which a dot before three digits cannot be taken for a decimal sign.

    Such a column has numbers like ``1.000``, and others with a decimal comma, or none that shows a dot as decimal
    sign. A source that declares how its numbers are written is believed, and so is JSON, which has one way.

    Args:
        lake: where the raw rows are.
        files: the night's raw rows of ``export``.
        export: contract of the raw rows.
        part: their mapping.
        table: the canonical table; its numeric columns count.
    """
    if export.format == "jsonl" or "numbers" in export.model_fields_set:
        return frozenset()
    texts = [text for name, text in part.columns.items() if table.column(name).type.startswith(_NUMERIC)]
    plain = [text for text in texts if "replace" not in text.lower() and "translate(" not in text.lower()]
    read = {name for text in plain for name in referenced(text, export.columns)}
    with duckdb.connect() as engine:
        engine.register("raw", lake.arrow_files(files))
        types = dict(engine.execute("select column_name, column_type from (describe raw)").fetchall())
        return frozenset(name for name in sorted(read) if types.get(name) == "VARCHAR" and _is_doubtful(engine, name))


def _is_doubtful(engine: duckdb.DuckDBPyConnection, column: str) -> bool:
    name = '"' + column.replace('"', '""') + '"'
    (thousands, decimals, commas) = engine.execute(
        f"""
        select count(*) filter (v like '%.___' and regexp_full_match(v, '[+-]?[1-9][0-9]{{0,2}}([.][0-9]{{3}})+')),
               count(*) filter (contains(v, '.') and (v not like '%.___' or regexp_full_match(v, '[+-]?0*[.][0-9]+'))
                                and not contains(v, ',')),
               count(*) filter (contains(v, ',') and regexp_full_match(v, '[+-]?[0-9.]+,[0-9]{{1,4}}'))
        from (select trim({name}) as v from raw)"""
    ).fetchone() or (0, 0, 0)
    return bool(thousands and (commas or not decimals))
