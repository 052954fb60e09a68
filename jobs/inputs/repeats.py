"""What decides on repeats besides intervals: products that share a cluster, durables, clusters bought last.

Each function returns None where there is nothing of the kind, which spares the night a Spark query.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import TYPE_CHECKING

import pyarrow.dataset as pads

from features.lines import until
from jobs.lake.lake import Lake
from jobs.lake.manifest import TableVersion
from jobs.stages import Stage
from jobs.tables.catalogue import SHARED_CLUSTERS
from jobs.tables.clean import CLEAN
from jobs.tables.features import FEATURES
from scoring.offers.repeats import durable_products, last_clusters, with_owned_scope

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

_TYPES, _OF_CLUSTERS, _SCOPES = FEATURES["repurchase"], FEATURES["cluster_repurchase"], CLEAN["offer_products"]


def shared_clusters(lake: Lake, spark: SparkSession, day: date) -> DataFrame | None:
    """Return the products that share a cluster; None where no two do."""
    if not lake.has(SHARED_CLUSTERS, day) or not lake.version(SHARED_CLUSTERS, day).rows:
        return None
    return lake.spark(spark, SHARED_CLUSTERS, day)


def durables(
    lake: Lake, spark: SparkSession, day: date, tables: Mapping[str, TableVersion] | None = None
) -> DataFrame | None:
    """Return the products that are bought once, as :func:`scoring.offers.repeats.durable_products`.

    Args:
        lake: of the night.
        spark: a session.
        day: the night.
        tables: its features, where they are not published yet.
    """
    tables = lake.need(Stage.FEATURES, day).tables if tables is None else tables
    if not any(_durable(lake, tables[name]) for name in (_TYPES, _OF_CLUSTERS) if name in tables):
        return None
    products, types = lake.spark(spark, CLEAN["products"], day), lake.spark_files(spark, tables[_TYPES].files)
    clusters = shared_clusters(lake, spark, day)
    if clusters is None or _OF_CLUSTERS not in tables:
        return durable_products(products, types)
    return durable_products(products, types, clusters, lake.spark_files(spark, tables[_OF_CLUSTERS].files))


def bought_last(lake: Lake, spark: SparkSession, day: date) -> DataFrame | None:
    """Return the intervals of the clusters that customers bought last: :func:`scoring.offers.repeats.last_clusters`."""
    clusters = shared_clusters(lake, spark, day)
    if clusters is None or not lake.has(_OF_CLUSTERS, day) or not lake.version(_OF_CLUSTERS, day).rows:
        return None
    products, intervals = lake.spark(spark, CLEAN["products"], day), lake.spark(spark, _OF_CLUSTERS, day)
    return last_clusters(_past(lake, spark, day), products, clusters, intervals)


def with_owned(lake: Lake, spark: SparkSession, day: date, coupons: DataFrame) -> DataFrame:
    """Mark the coupons for nothing but durables that the customer has, where there are durables and known scopes.

    Args:
        lake: of the night.
        spark: a session.
        day: the night, whose features are published.
        coupons: ``customer_id`` and ``offer_id``.
    """
    durable = durables(lake, spark, day) if lake.has(_SCOPES, day) else None
    if durable is None:
        return coupons
    return with_owned_scope(coupons, lake.spark(spark, _SCOPES, day), _past(lake, spark, day), durable)


def _past(lake: Lake, spark: SparkSession, day: date) -> DataFrame:
    """Return the order lines up to the night."""
    return lake.spark(spark, CLEAN["order_lines"], day).where(until(day))


def _durable(lake: Lake, table: TableVersion) -> int:
    return lake.arrow_files(table.files).count_rows(filter=~pads.field("renewable"))
