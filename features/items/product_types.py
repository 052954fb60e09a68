"""The dictionary of product types: what can be recommended, how popular it is, how often it is bought again."""

from __future__ import annotations

from datetime import date

from pyspark.sql import Column, DataFrame, functions as F

from conf.tables.features import PRODUCT_TYPES
from features.lines import lines, money, until, within
from features.schemas import conform
from features.type_pairs import type_pairs


def product_types(order_lines: DataFrame, products: DataFrame, as_of: date, min_buyers: int = 1) -> DataFrame:
    """Describe every offerable product type that was sold.

    Args:
        order_lines: ``ORDER_LINES``; lines after ``as_of`` are ignored.
        products: ``PRODUCTS``.
        as_of: last day the summary may see.
        min_buyers: types with fewer buyers by ``as_of`` are left out.

    Returns:
        ``PRODUCT_TYPES``; one row per product type. O(lines).
    """
    sold = lines(order_lines, products).where(until(as_of) & F.col("is_sale"))
    active = sold.where(within(as_of, 84)).agg(F.count_distinct("customer_id").alias("active_84"))
    described = (
        _demand(type_pairs(order_lines, products, as_of))
        .where(F.col("buyers") >= min_buyers)
        .join(_range(sold), "product_type")
        .crossJoin(F.broadcast(active))
        .withColumn("popularity_28", _share(F.col("buyers_28"), F.col("active_84")))
    )
    return conform(described, PRODUCT_TYPES)


def _demand(bought: DataFrame) -> DataFrame:
    """Sum the pairs of customer and product type up to product types."""
    spent = {d: F.sum(F.when(F.col(f"baskets_{d}") > 0, F.greatest(f"amount_{d}", F.lit(0)))) for d in (28, 84)}
    fresh = (F.col("baskets_28") > 0) & (F.col("baskets_28") == F.col("baskets_total"))
    ever = F.sum(F.greatest("amount_total", F.lit(0)))
    return (
        bought.groupBy("product_type")
        .agg(
            F.count("*").alias("buyers"),
            F.count_if(F.col("baskets_28") > 0).alias("buyers_28"),
            F.count_if(F.col("baskets_84") > 0).alias("buyers_84"),
            F.count_if(F.col("baskets_84") > 1).alias("repeaters_84"),
            F.sum("baskets_84").alias("baskets_84"),
            F.sum("baskets_total").alias("baskets_total"),
            spent[28].alias("spent_28"),
            spent[84].alias("spent_84"),
            ever.alias("spent"),
            F.count_if(fresh).alias("new_28"),
            F.coalesce(F.sum(F.when(fresh, F.greatest("amount_28", F.lit(0)))), F.lit(0)).alias("spent_new_28"),
        )
        .withColumn("repeat_share_84", _share(F.col("repeaters_84"), F.col("buyers_84")))
        .withColumn(
            "spend_per_buyer_28",
            F.when(F.col("buyers_28") > 0, money(F.col("spent_28")) / F.col("buyers_28"))
            .when(F.col("buyers_84") > 0, money(F.col("spent_84")) / F.col("buyers_84") / 3)
            .otherwise(money(F.col("spent")) / F.col("baskets_total")),
        )
        .withColumn(
            "spend_per_new_buyer_28",
            (money(F.col("spent_new_28")) + F.col("spend_per_buyer_28")) / (F.col("new_28") + 1),
        )
    )


def _range(sold: DataFrame) -> DataFrame:
    """Count the products of each type and find its main department; ties go to the first by name."""
    by_department = (
        sold.where("offerable")
        .groupBy("product_type", "department", "product_id")
        .agg(F.sum("amount").alias("amount"))
        .groupBy("product_type", "department")
        .agg(F.count("*").alias("products"), F.sum("amount").alias("amount"))
    )
    order = F.struct(-F.col("amount"), F.coalesce("department", F.lit("")))
    return by_department.groupBy("product_type").agg(
        F.sum("products").alias("products"), F.min_by("department", order).alias("department")
    )


def _share(part: Column, whole: Column) -> Column:
    return F.when(whole > 0, part / whole).otherwise(0.0)
