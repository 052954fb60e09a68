"""Baskets and amounts of every pair of a customer and an offerable product type."""

from __future__ import annotations

from datetime import date

from pyspark.sql import DataFrame, functions as F

from features.lines import basket_types, until, within

#: age at which a basket counts half among the faded ones
HALF_LIFE_DAYS = 120
#: faded baskets are summed in whole millionths: exact whatever the order of rows
FADED_UNIT = 1_000_000


def type_pairs(order_lines: DataFrame, products: DataFrame, as_of: date) -> DataFrame:
    """Count baskets and sum amounts (ten-thousandths, returns taken off) by customer and product type.

    Returns:
        One row per customer and product type with at least one basket by ``as_of``: ``baskets_<window>``,
        ``amount_<window>`` for 28 and 84 days and ``total``, ``first_on`` and ``last_on``; ``faded``: baskets in
        millionths, each halved for every :data:`HALF_LIFE_DAYS` of its age.
    """
    bought = F.col("bought")
    age = F.datediff(F.lit(as_of), "ordered_on")
    faded = F.rint(F.pow(F.lit(0.5), age / F.lit(float(HALF_LIFE_DAYS))) * F.lit(float(FADED_UNIT))).cast("long")
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
