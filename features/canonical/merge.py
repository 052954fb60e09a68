"""Merges a night's new rows into a canonical table: the newest delivery wins, and withdrawals take rows back.

A delivery is what one export drops on one day. Of order lines, a key that it repeats means several lines, since
the same product can stand twice in an order; rows that agree in everything they came with are one. A return stands
beside the sale it takes back, under the same line of its order. Both show in ``line_id``: ``~~return`` marks a
return, ``~~2`` the second line of a key. Of every other table, and where the source says ``later_replaces``, the
later row of a key counts.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from pyspark.sql import Column, DataFrame, Window, functions as F

from conf.tables.canonical import ORDER_LINES
from conf.tables.table import Table
from features.canonical.mapping import DELIVERY, ROW

#: column that splits the files of events
MONTH = "_part"
#: where rows of one key and one moment contradict each other, false in this column wins over any later drop
REFUSAL_WINS = {"consents": "granted"}
#: what keeps the lines of one key apart in ``line_id``
_MARKED = r"(~~return)?(~~\d+)?$"
#: deliveries in their order: rows that come back from quarantine, what the night before left, this night's
_HEALED, _BASE = "", "0"


@dataclass(frozen=True)
class Replacing:
    """What a later delivery replaces: the row of its key, its whole order or its whole day.

    ``later``: of one key twice in a delivery the later row counts.
    """

    scope: Literal["row", "order", "day"] = "row"
    later: bool = False


def merged(
    new: DataFrame,
    base: DataFrame | None,
    table: Table,
    tasks: int = 1,
    replacing: Replacing | None = None,
    withdrawals: bool = True,
) -> DataFrame:
    """Merge rows by the key of ``table``; a row may move to another day.

    Args:
        new: columns of ``table`` with ``_ds``, ``_rank`` (greater wins on the same day), ``_file`` and ``_row``;
            ``_out`` (see :mod:`features.canonical.mapping`), ``_hash`` of the row as it came, and ``_healed``, where
            there are such: a healed row replaces nothing.
        base: the table as it was before, or the part of it that can hold the new rows' keys.
        table: the canonical table.
        tasks: Spark tasks that merge events, each a sort of its share.
        replacing: what a later delivery replaces.
        withdrawals: whether some of ``new`` withdraw others; without them a pass is saved.

    Returns:
        ``table``; one row per key, of events with the month (``yyyy-MM``) as ``MONTH``.
    """
    replacing = replacing or Replacing()
    rows = _placed(new, table)
    if base is not None:
        earlier = base.select(*table.names, F.lit(_BASE).alias("_delivery"), F.lit("").alias("_file"))
        rows = rows.unionByName(earlier, allowMissingColumns=True)
    lines = table.name == ORDER_LINES.name
    if lines:
        rows = rows.withColumn("_line", F.regexp_replace("line_id", _MARKED, ""))
    keys = [name if name != "line_id" else "_line" for name in table.key]
    if table.partition:
        rows = rows.repartition(tasks, keys[0])
    group = {"row": keys, "order": keys[:1], "day": [table.partition or keys[0]]}[replacing.scope]
    rows = _without_withdrawn(rows, group) if withdrawals else rows.where("_out is null")
    if lines and not replacing.later:
        rows = _newest_delivery(rows, [*keys, "is_return"])
        if replacing.scope != "row":
            rows = _newest_delivery(rows, [*group, "is_return"] if replacing.scope == "order" else group)
        rows = _with_own_ids(rows, [*keys, "is_return"])
    else:
        within = [*keys, "is_return"] if lines else keys
        order = [F.col(name).desc_nulls_last() for name in ("_delivery", "_file", "_row")]
        if table.name in REFUSAL_WINS:
            order.insert(0, F.col(REFUSAL_WINS[table.name]).asc())
        rows = _first(rows, within, order)
        if replacing.scope != "row":
            rows = _newest_delivery(rows, [*group, "is_return"] if lines and replacing.scope == "order" else group)
        if lines:
            rows = rows.withColumn("line_id", _marked(F.lit(1)))
    columns = [F.col(name) for name in table.names]
    if table.partition:
        columns.append(F.date_format(table.partition, "yyyy-MM").alias(MONTH))
    return rows.select(columns)


def _placed(new: DataFrame, table: Table) -> DataFrame:
    """Give each new row its delivery, and the columns that only some mappings need."""
    for name, kind in (("_out", "string"), ("_hash", "long"), ("_healed", "boolean")):
        if name not in new.columns:
            new = new.withColumn(name, F.lit(None).cast(kind))
    delivery = F.concat_ws("/", F.col("_ds").cast("string"), F.format_string("%03d", "_rank"))
    delivery = F.when(F.col("_healed"), F.lit(_HEALED)).otherwise(delivery)
    return new.select(*table.names, delivery.alias("_delivery"), "_file", "_row", "_out", "_hash")


def _without_withdrawn(rows: DataFrame, group: list[str]) -> DataFrame:
    """Take out the rows that a later row withdraws, and the withdrawals."""
    place = _place(F.col("_file"), F.coalesce(F.col("_row"), F.lit(0)))
    until = F.when(F.col("_out") == ROW, place).when(F.col("_out") == DELIVERY, _place(F.lit(""), F.lit(0)))
    marked = rows.withColumn("_until", F.max(until).over(Window.partitionBy(*group)))
    kept = marked.where(F.col("_out").isNull() & (F.col("_until").isNull() | (place >= F.col("_until"))))
    return kept.drop("_until")


def _place(file: Column, row: Column) -> Column:
    return F.struct("_delivery", file.alias("file"), row.cast("long").alias("row"))


def _newest_delivery(rows: DataFrame, group: list[str]) -> DataFrame:
    newest = F.max("_delivery").over(Window.partitionBy(*group))
    return rows.withColumn("_newest", newest).where("_newest = _delivery").drop("_newest")


def _with_own_ids(rows: DataFrame, keys: list[str]) -> DataFrame:
    """Collapse rows that are alike as they came, and number the lines of one key."""
    order = [F.col("_file").asc_nulls_first(), F.col("_row").asc_nulls_first()]
    order += [F.length("line_id"), F.col("line_id")]
    same = F.row_number().over(Window.partitionBy(*keys, "_hash").orderBy(*order))
    rows = rows.withColumn("_same", same).where("_hash is null or _same = 1")
    number = F.row_number().over(Window.partitionBy(*keys).orderBy(*order))
    return rows.withColumn("_number", number).withColumn("line_id", _marked(F.col("_number")))


def _first(rows: DataFrame, keys: list[str], order: list[Column]) -> DataFrame:
    place = F.row_number().over(Window.partitionBy(*keys).orderBy(*order))
    return rows.withColumn("_place", place).where("_place = 1")


def _marked(number: Column) -> Column:
    """Return a line's id that no other line of its order has."""
    again = F.when(number > 1, F.concat(F.lit("~~"), number.cast("string")))
    returned = F.when(F.col("is_return"), "~~return")
    return F.concat("_line", F.coalesce(returned, F.lit("")), F.coalesce(again, F.lit("")))
