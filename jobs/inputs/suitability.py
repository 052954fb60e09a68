"""Which products and offers suit which customers, by the hard filters of the policy.

A table that the source lacks counts as empty: the filter then decides as for customers without the attribute.
"""

from __future__ import annotations

import logging
from datetime import date

from pyspark.sql import DataFrame, SparkSession, functions as F

from conf.settings.schema import Policy
from conf.tables.canonical import CANONICAL
from features.lines import until
from features.schemas import struct
from jobs.lake.lake import Lake
from jobs.tables.clean import CLEAN
from scoring.offers.fitness import with_unfit

log = logging.getLogger(__name__)


def mark_unfit(lake: Lake, spark: SparkSession, day: date, policy: Policy, rows: DataFrame, key: str) -> DataFrame:
    """Add ``unfit`` where the policy has hard filters.

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

    def clean(name: str) -> DataFrame:
        if lake.has(CLEAN[name], day):
            return lake.spark(spark, CLEAN[name], day)
        log.warning("the source has no %s: the filters of policy.fits treat their attributes as missing", name)
        return spark.createDataFrame([], struct(CANONICAL[name]))

    customers, lines, products = (clean(name) for name in ("customers", "order_lines", "products"))
    if key == "offer_id":
        if not lake.has(CLEAN["offer_products"], day):
            log.warning("the source has no offer_products: policy.fits decides by `unknown` for every coupon")
            return rows.withColumn("unfit", F.lit(any(rule.unknown == "refuse" for rule in policy.fits)))
        scope = clean("offer_products").select("offer_id", "product_id")
        products = products.join(scope, "product_id", "left")
    return with_unfit(rows, key, policy.fits, customers, lines.where(until(day)), products)
