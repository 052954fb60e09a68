"""How often, how lately and for how much each customer bought each offerable product type."""

from __future__ import annotations

from datetime import date

from pyspark.sql import DataFrame, functions as F

from conf.tables.features import AFFINITY
from features.lines import basket_types, money, until, within
from features.schemas import conform

#: age at which a basket counts half among the faded ones
HALF_LIFE_DAYS = 120
#: faded baskets are summed in whole millionths: exact whatever the order of rows
_FADED_UNIT = 1_000_000


def affinity(order_lines: DataFrame, products: DataFrame, as_of: date) -> DataFrame:
    """Summarise every pair of a customer and an offerable product type the customer bought.

    Args:
        order_lines: ``ORDER_LINES``; lines after ``as_of`` are ignored.
        products: ``PRODUCTS``.
        as_of: last day the summary may see.

    Returns:
        ``AFFINITY``; one row per customer and product type with at least one basket. O(lines), one shuffle.
    """
    bought = pairs(order_lines, products, as_of)
    span = F.datediff("last_on", "first_on")
    return conform(
        bought.select(
            "customer_id",
            "product_type",
            "baskets_28",
            "baskets_84",
            "baskets_total",
            money(F.col("amount_84")).alias("spend_84"),
            money(F.col("amount_total")).alias("spend_total"),
            F.datediff(F.lit(as_of), "last_on").alias("days_since_last"),
            F.datediff(F.lit(as_of), "first_on").alias("days_since_first"),
            F.when(F.col("baskets_total") > 1, span / (F.col("baskets_total") - 1)).alias("interval_days"),
            (F.col("faded") / F.lit(float(_FADED_UNIT))).alias("faded_baskets"),
        ),
        AFFINITY,
    )


def pairs(order_lines: DataFrame, products: DataFrame, as_of: date) -> DataFrame:
    """Count baskets and sum amounts (ten-thousandths, returns taken off) by customer and product type.

    Returns:
        One row per customer and product type with at least one basket by ``as_of``: ``baskets_<window>``,
        ``amount_<window>`` for 28 and 84 days and ``total``, ``first_on`` and ``last_on``; ``faded``: baskets in
        millionths, each halved for every :data:`HALF_LIFE_DAYS` of its age.
    """
    bought = F.col("bought")
    age = F.datediff(F.lit(as_of), "ordered_on")
    faded = F.rint(F.pow(F.lit(0.5), age / F.lit(float(HALF_LIFE_DAYS))) * F.lit(float(_FADED_UNIT))).cast("long")
    return (
        basket_types(order_lines, products)
        .where(until(as_of))
        .groupBy("customer_id", "product_type")
        .agg(
            *(F.count_if(bought & within(as_of, d)).alias(f"baskets_{d}") for d in (28, 84)),
            F.count_if(bought).alias("baskets_total"),
            F.sum(F.when(bought, faded).otherwise(0)).alias("faded"),
            *(F.sum(F.when(within(as_of, d), F.col("amount")).otherwise(0)).alias(f"amount_{d}") for d in (28, 84)),
            F.sum("amount").alias("amount_total"),
            F.min(F.when(bought, F.col("ordered_on"))).alias("first_on"),
            F.max(F.when(bought, F.col("ordered_on"))).alias("last_on"),
        )
        .where("baskets_total > 0")
    )
