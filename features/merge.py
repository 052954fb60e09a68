"""Merges a night's new rows into a canonical table: the newest drop wins."""

from __future__ import annotations

from pyspark.sql import Column, DataFrame, Window, functions as F

from conf.tables import Table
from features.schemas import conform

#: where rows of one key and one moment contradict each other, false in this column wins over any later drop
REFUSAL_WINS = {"consents": "granted"}


def merged(new: DataFrame, base: DataFrame | None, table: Table) -> DataFrame:
    """Merge rows by the key of ``table``; equal rows collapse to one.

    Args:
        new: columns of ``table`` with ``_ds``, ``_rank`` (greater wins on the same day), ``_file`` and ``_row``.
        base: the table as it was before, or the part of it that can hold the new rows' keys.
        table: the canonical table. Where it is split by an event's date, a correction keeps that date.

    Returns:
        ``table``; one row per key.
    """
    origin = ["_ds", "_rank", "_file", "_row"]
    rows = new.select(*table.names, *origin)
    if base is not None:
        rows = rows.unionByName(conform(base, table), allowMissingColumns=True)  # no origin: it loses to any drop
    order: list[Column] = [F.col(name).desc_nulls_last() for name in origin]
    if table.name in REFUSAL_WINS:
        order.insert(0, F.col(REFUSAL_WINS[table.name]).asc())
    newest = F.row_number().over(Window.partitionBy(*table.key).orderBy(*order)) == 1
    return conform(rows.withColumn("_newest", newest).where("_newest"), table)
