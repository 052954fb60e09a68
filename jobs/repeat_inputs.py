"""What the night knows of repeats beside intervals: products that share a cluster, durables, clusters bought last.

Each is None where there is nothing of the kind, so that such a night does not wait for Spark to find that out.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import TYPE_CHECKING

import pyarrow.dataset as pads

from features.lines import until
from jobs.lake import Lake, TableVersion
from jobs.stages import Stage
from scoring.repeats import durable_products, last_clusters, with_owned_scope

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

#: the products that share a cluster
CLUSTERS = "catalogue/shared_clusters"
_TYPES, _OF_CLUSTERS = "features/repurchase", "features/cluster_repurchase"


def shared_clusters(lake: Lake, spark: SparkSession, day: date) -> DataFrame | None:
    """Return which products are one; None where each is its own."""
    if not lake.has(CLUSTERS, day) or not lake.version(CLUSTERS, day).rows:
        return None
    return lake.spark(spark, CLUSTERS, day)


def durables(
    lake: Lake, spark: SparkSession, day: date, tables: Mapping[str, TableVersion], products: DataFrame
) -> DataFrame | None:
    """Return the products that are bought once, as :func:`scoring.repeats.durable_products`.

    Args:
        lake: of the night.
        spark: a session.
        day: the night.
        tables: the night's features.
        products: ``PRODUCTS``.
    """
    if not any(_durable(lake, tables[name]) for name in (_TYPES, _OF_CLUSTERS) if name in tables):
        return None
    types = lake.spark_files(spark, tables[_TYPES].files)
    clusters = shared_clusters(lake, spark, day)
    if clusters is None or _OF_CLUSTERS not in tables:
        return durable_products(products, types)
    return durable_products(products, types, clusters, lake.spark_files(spark, tables[_OF_CLUSTERS].files))


def bought_last(lake: Lake, spark: SparkSession, day: date) -> DataFrame | None:
    """Return the intervals of the clusters that customers bought last: :func:`scoring.repeats.last_clusters`."""
    clusters, past = shared_clusters(lake, spark, day), _past(lake, spark, day)
    if clusters is None or past is None or not lake.has(_OF_CLUSTERS, day) or not lake.version(_OF_CLUSTERS, day).rows:
        return None
    return last_clusters(*past, clusters, lake.spark(spark, _OF_CLUSTERS, day))


def with_owned(lake: Lake, spark: SparkSession, day: date, coupons: DataFrame, scope: DataFrame) -> DataFrame:
    """Mark the coupons for nothing but durables that the customer has, where there are durables.

    Args:
        lake: of the night.
        spark: a session.
        day: the night, whose features are published.
        coupons: ``customer_id`` and ``offer_id``.
        scope: ``OFFER_PRODUCTS``.
    """
    past = _past(lake, spark, day)
    if past is None:
        return coupons
    durable = durables(lake, spark, day, lake.need(Stage.FEATURES, day).tables, past[1])
    return coupons if durable is None else with_owned_scope(coupons, scope, past[0], durable)


def _past(lake: Lake, spark: SparkSession, day: date) -> tuple[DataFrame, DataFrame] | None:
    """Return order lines up to the night and products; None where the clean layer lacks them."""
    if not lake.has("clean/order_lines", day) or not lake.has("clean/products", day):
        return None
    lines, products = (lake.spark(spark, f"clean/{name}", day) for name in ("order_lines", "products"))
    return lines.where(until(day)), products


def _durable(lake: Lake, table: TableVersion) -> int:
    files = [f"{lake.base}/{file.path}" for file in table.files]
    return pads.dataset(files, filesystem=lake.fs, partitioning=None).count_rows(filter=~pads.field("renewable"))
