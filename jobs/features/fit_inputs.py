"""The tables that the hard filters of the policy ask; what the source lacks is empty, so that nothing is known."""

from __future__ import annotations

import logging
from datetime import date

from pyspark.sql import DataFrame, SparkSession, functions as F

from conf.settings.schema import Policy
from conf.tables.canonical import CANONICAL
from features.lines import until
from features.schemas import struct
from jobs.lake.lake import Lake
from scoring.offers.fitness import with_unfit

log = logging.getLogger(__name__)


def fitting(lake: Lake, spark: SparkSession, day: date, policy: Policy, rows: DataFrame, key: str) -> DataFrame:
    """Add ``unfit`` where the policy has hard filters; a filter that cannot be asked decides as of unknown customers.

    Args:
        lake: of the night.
        spark: a session.
        day: the night, whose clean layer is published.
        policy: with ``fits``.
        rows: ``customer_id`` and ``key``.
        key: ``product_id``, ``product_type`` or ``offer_id``: a coupon is what its products are.
    """
    if not policy.fits:
        return rows

    def known(name: str) -> DataFrame:
        if lake.has(f"clean/{name}", day):
            return lake.spark(spark, f"clean/{name}", day)
        log.warning("the source has no %s: for the filters of policy.fits nothing of them is known", name)
        return spark.createDataFrame([], struct(CANONICAL[name]))

    customers, lines, products = (known(name) for name in ("customers", "order_lines", "products"))
    if key == "offer_id":
        if not lake.has("clean/offer_products", day):
            log.warning("the source has no offer_products: the filters of policy.fits cannot tell what a coupon is for")
            return rows.withColumn("unfit", F.lit(any(rule.unknown == "refuse" for rule in policy.fits)))
        scope = known("offer_products").select("offer_id", "product_id")
        products = products.join(scope, "product_id", "left")
    return with_unfit(rows, key, policy.fits, customers, lines.where(until(day)), products)
