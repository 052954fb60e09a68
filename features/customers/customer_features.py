"""Interests and wide features of every customer, in one pass over the purchases of a year."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date
from typing import Any

import numpy as np
import pyarrow as pa
from pyspark.errors import AnalysisException
from pyspark.sql import DataFrame, functions as F, types as T

from conf.errors import ConfigError
from conf.settings.source import LifeStage
from conf.tables.interests import INTERESTS, WIDE
from features.customers.interests import LEAST_BASKETS, LEAST_LIFT, group_units, interests, lifts
from features.customers.purchases import Base, grouped, held
from features.customers.wide import sparse_rows, wide_columns, wide_matrix
from features.schemas import conform, struct, typed_batch

Batches = Iterator[pa.RecordBatch]
#: columns that rules add to what the pass finds
_ADDED = ("life_stage", "life_stage_basis", "price_tier")
_LIFTS = T.StructField("lifts", T.MapType(T.StringType(), T.DoubleType()))
#: customers whose matrix is in memory at a time
_BLOCK = 2048
TIERS = ("low", "middle", "high")


def customer_features(lists: DataFrame, base: Base, as_of: date, timezone: str) -> DataFrame:
    """Describe every customer with a purchase of the year.

    Args:
        lists: result of :func:`features.customers.purchases.purchase_lists`.
        base: result of :func:`features.customers.purchases.base` on the same lists.
        as_of: last day that counts.
        timezone: IANA zone of the business day.

    Returns:
        The columns of ``INTERESTS`` that purchases give, those of ``WIDE``, and ``lifts``: department or category ->
        affinity index by long decay, those that are clear. O(lines x random orders).
    """
    fields = [field for field in struct(INTERESTS).fields if field.name not in _ADDED]
    schema = T.StructType([*fields, *struct(WIDE).fields[1:], _LIFTS])
    columns = wide_columns(base)

    def apply(batches: Batches) -> Batches:
        for batch in batches:
            for start in range(0, batch.num_rows, _BLOCK):
                part = batch.slice(start, _BLOCK)
                seen = grouped(held(part, base.kinds, as_of, timezone), base)
                units = group_units(seen)
                described = interests(seen, units)
                values: list[pa.Array] = [
                    pa.array(_plain(described[field.name], field.dataType), from_pandas=True) for field in fields[1:]
                ]
                offsets, places, cells = sparse_rows(wide_matrix(seen, units), columns)
                ends = pa.array(offsets, pa.int32())
                lists = [pa.ListArray.from_arrays(ends, pa.array(flat)) for flat in (places, cells)]  # type: ignore
                yield typed_batch([part.column(0), *values, *lists, _clear_lifts(units, base)], schema)

    return lists.mapInArrow(apply, schema)


def interest_table(
    features: DataFrame, customers: DataFrame, profile: DataFrame, rules: Sequence[LifeStage]
) -> DataFrame:
    """Add life stages and price tiers.

    The borders of the tiers are two numbers that the driver collects.

    Args:
        features: result of :func:`customer_features`.
        customers: ``CUSTOMERS``.
        profile: ``PROFILE``: the customers of the night.
        rules: the source's life stages, the first that holds counts.

    Returns:
        ``INTERESTS``; one row per customer of the profile.

    Raises:
        ConfigError: a rule is not a condition on these columns.
    """
    row = features.agg(F.percentile("price_index", F.array(F.lit(1 / 3), F.lit(2 / 3)))).first()
    low, high = row[0] if row and row[0] else (1.0, 1.0)
    price = F.col("price_index")
    tier = F.when(price < low, TIERS[0]).when(price < high, TIERS[1]).when(price.isNotNull(), TIERS[2])
    declared = customers.select("customer_id", "age_band", "income_band", "household_size", "attributes")
    everyone = profile.select("customer_id").join(features, "customer_id", "left").join(declared, "customer_id", "left")
    everyone = everyone.withColumn("lifts", F.coalesce("lifts", F.create_map().cast(_LIFTS.dataType)))
    stage = basis = F.lit(None).cast("string")
    for rule in reversed(rules):
        holds = F.coalesce(F.expr(rule.where), F.lit(False))
        stage, basis = F.when(holds, rule.title).otherwise(stage), F.when(holds, rule.basis).otherwise(basis)
    try:
        rows = everyone.withColumns({"life_stage": stage, "life_stage_basis": basis, "price_tier": tier})
    except AnalysisException as error:
        what = str(error).splitlines()[0]
        raise ConfigError(f"life_stages: a rule is no condition on a customer: {what}; see the source's file") from None
    return conform(rows, INTERESTS)


def _clear_lifts(units: dict[str, np.ndarray], base: Base) -> pa.MapArray:
    lift = lifts(units["long"], units["long_total"], base.shares[2])
    clear = (lift >= LEAST_LIFT) & (units["year"] >= LEAST_BASKETS)
    row, group = np.nonzero(clear)
    ends = np.concatenate([[0], np.cumsum(np.bincount(row, minlength=len(lift)))]).astype("int32")
    keys = pa.array(base.kinds.names, pa.string()).take(group)
    offsets: Any = pa.array(ends, pa.int32())
    return pa.MapArray.from_arrays(offsets, keys, pa.array(np.round(lift[clear], 9), pa.float64()))


def _plain(values: np.ndarray, kind: T.DataType) -> np.ndarray:
    """Round what is fractional: sums of floats differ in their last digits."""
    return np.round(values, 9) if isinstance(kind, T.DoubleType) else values
