"""How often, how lately and for how much each customer bought each offerable product type."""

from __future__ import annotations

from datetime import date

from pyspark.sql import DataFrame, functions as F

from conf.tables.features import AFFINITY
from features.lines import money
from features.schemas import conform
from features.type_pairs import FADED_UNIT, type_pairs


def affinity(order_lines: DataFrame, products: DataFrame, as_of: date) -> DataFrame:
    """Summarise every pair of a customer and an offerable product type the customer bought.

    Args:
        order_lines: ``ORDER_LINES``; lines after ``as_of`` are ignored.
        products: ``PRODUCTS``.
        as_of: last day the summary may see.

    Returns:
        ``AFFINITY``; one row per customer and product type with at least one basket. O(lines), one shuffle.
    """
    bought = type_pairs(order_lines, products, as_of)
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
            (F.col("faded") / F.lit(float(FADED_UNIT))).alias("faded_baskets"),
        ),
        AFFINITY,
    )
