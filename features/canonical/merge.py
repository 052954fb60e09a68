"""Merges a night's new rows into a canonical table: the newest drop wins."""

from __future__ import annotations

from pyspark.sql import Column, DataFrame, Window, functions as F

from conf.tables.table import Table
from features.schemas import conform

#: column that splits the files of events
MONTH = "_part"
#: where rows of one key and one moment contradict each other, false in this column wins over any later drop
REFUSAL_WINS = {"consents": "granted"}


def merged(new: DataFrame, base: DataFrame | None, table: Table, tasks: int = 1) -> DataFrame:
    """Merge rows by the key of ``table``; equal rows collapse to one.

    Args:
        new: columns of ``table`` with ``_ds``, ``_rank`` (greater wins on the same day), ``_file`` and ``_row``.
        base: the table as it was before, or the part of it that can hold the new rows' keys.
        table: the canonical table. Where it has events, a correction keeps the event's month: a row of another
            month does not replace the old one, whether the two come in one night or in two.
        tasks: Spark tasks that merge events, each a sort of its share.

    Returns:
        ``table``; one row per key, for events per key and month, with the month (``yyyy-MM``) as ``MONTH``.
    """
    origin = ["_ds", "_rank", "_file", "_row"]
    rows = new.select(*table.names, *origin)
    if base is not None:
        rows = rows.unionByName(conform(base, table), allowMissingColumns=True)  # no origin: it loses to any drop
    keys = list(table.key)
    if table.partition:  # the month comes first in the sort, as the files it is written to want it
        keys.insert(0, MONTH)
        rows = rows.withColumn(MONTH, F.date_format(table.partition, "yyyy-MM")).repartition(tasks, *keys)
    order: list[Column] = [F.col(name).desc_nulls_last() for name in origin]
    if table.name in REFUSAL_WINS:
        order.insert(0, F.col(REFUSAL_WINS[table.name]).asc())
    newest = F.row_number().over(Window.partitionBy(*keys).orderBy(*order)) == 1
    kept = rows.withColumn("_newest", newest).where("_newest")
    return kept.select(*table.names, MONTH) if table.partition else conform(kept, table)
