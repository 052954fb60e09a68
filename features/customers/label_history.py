"""What customers bought in the scopes of the propensities: their history up to ``as_of``, and what they buy after it.

The lines of all scopes are gathered once, for all days of ``as_of``; each scope's series of baskets is then described
as :mod:`features.customers.purchase_series` describes that of all baskets.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from functools import reduce
from operator import and_

import numpy as np
import pyarrow as pa
from pyspark.sql import Column, DataFrame, functions as F, types as T

from conf.settings.propensities import Scope
from conf.tables.features import HISTORY, LABEL_HISTORY
from features.customers.purchase_series import describe, series_of
from features.lines import MONEY_UNIT
from features.schemas import struct, typed_batch

Batches = Iterator[pa.RecordBatch]
_EPOCH = date(1970, 1, 1)
_LISTS = ("day", "amount", "discount", "lines")
#: product columns by the part of a scope that names their values
_PARTS = {"departments": "department", "categories": "category", "product_types": "product_type", "brands": "brand"}


def scope_series(order_lines: DataFrame, products: DataFrame, scopes: Mapping[str, Scope]) -> DataFrame:
    """Gather each customer's baskets in each scope, in the order of their days; returns are left out.

    Args:
        order_lines: ``ORDER_LINES``; one scan, and one shuffle of the lines in a scope.
        products: ``PRODUCTS``; those in a scope are broadcast.
        scopes: label -> its products; they may overlap.

    Returns:
        ``customer_id``, ``label`` and the aligned arrays of :func:`features.customers.purchase_series.basket_series`.
    """
    partitions = int(str(order_lines.sparkSession.conf.get("spark.sql.shuffle.partitions")))
    named = [F.when(_holds(scope), F.lit(label)) for label, scope in scopes.items()]
    members = products.select("product_id", F.explode(F.array_compact(F.array(*named))).alias("label"))
    units = [
        F.rint(F.col(name).cast("double") * MONEY_UNIT).cast("long").alias(name) for name in ("amount", "discount")
    ]
    day = F.datediff("ordered_on", F.lit(_EPOCH)).cast("long").alias("day")
    sold = order_lines.where("not is_return").select("customer_id", "order_id", "product_id", day, *units)
    baskets = (
        sold.join(F.broadcast(members), "product_id")
        .repartition(partitions, "customer_id")
        .groupBy("customer_id", "label", "order_id", "day")
        .agg(F.sum("amount").alias("amount"), F.sum("discount").alias("discount"), F.count("*").alias("lines"))
    )
    lists = baskets.groupBy("customer_id", "label").agg(F.sort_array(F.collect_list(F.struct(*_LISTS))).alias("b"))
    return lists.select("customer_id", "label", *(F.col(f"b.{name}").alias(name) for name in _LISTS))


def label_history(series: DataFrame, days: Sequence[date], horizon_days: int) -> DataFrame:
    """Describe every customer's purchases in every scope as of some days.

    Args:
        series: result of :func:`scope_series`; what is described ignores baskets after an ``as_of``.
        days: the days of ``as_of``.
        horizon_days: days after ``as_of`` in which a basket makes the label ``bought``, and its amount is ``spent``.

    Returns:
        ``LABEL_HISTORY`` with ``as_of``, ``bought`` and ``spent``; one row per day, customer and label with a basket by
        then or within the horizon; a history without a basket by then is null. O(baskets x days).
    """
    added = [T.StructField("as_of", T.DateType()), T.StructField("bought", T.BooleanType()),
             T.StructField("spent", T.DoubleType())]  # fmt: skip
    schema = T.StructType([*added, *struct(LABEL_HISTORY).fields])
    names = [column.name for column in HISTORY]

    def apply(batches: Batches) -> Batches:
        for batch in batches:
            block = series_of(batch, keys=2)
            for as_of in days:
                day = (as_of - _EPOCH).days
                later = (block.day > day) & (block.day <= day + horizon_days)
                bought = np.bincount(block.owner[later], minlength=block.customers) > 0
                spent = np.bincount(block.owner[later], block.amount[later], block.customers) / MONEY_UNIT
                columns = describe(block, day)
                had_any = columns["visits_total"] > 0
                kept = np.flatnonzero(had_any | bought)
                yield typed_batch(
                    [
                        pa.array([as_of] * len(kept), pa.date32()),
                        pa.array(bought[kept]),
                        pa.array(spent[kept]),
                        *(batch.column(key).take(kept) for key in (0, 1)),
                        *(pa.array(np.where(had_any, columns[name], np.nan)[kept], from_pandas=True) for name in names),
                    ],
                    schema,
                )

    return series.mapInArrow(apply, schema)


def _holds(scope: Scope) -> Column:
    parts = {column: getattr(scope, part) for part, column in _PARTS.items()}
    return reduce(and_, [F.col(column).isin(*values) for column, values in parts.items() if values])
