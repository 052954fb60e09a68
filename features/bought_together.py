"""Product types found in the same basket more often than chance puts them there.

Reference: Dunning (1993), "Accurate Methods for the Statistics of Surprise and Coincidence", Computational
Linguistics 19(1).
"""

from __future__ import annotations

from datetime import date

from pyspark.sql import Column, DataFrame, Window, functions as F

from conf.features import BOUGHT_TOGETHER
from features.lines import basket_types, within
from features.schemas import conform

DAYS = 365
#: baskets with more product types are left out: they would give most of the pairs and say least about any
MAX_TYPES = 60
#: pairs in fewer baskets are chance
MIN_BASKETS = 2


def bought_together(order_lines: DataFrame, products: DataFrame, as_of: date, top: int = 30) -> DataFrame:
    """Find the product types that belong together.

    Pairs are counted on whole numbers, unordered, within the partition of their customer. O(sum over baskets of
    types^2), which ``MAX_TYPES`` bounds by 60 times the basket lines; what is shuffled are counted pairs only.

    Args:
        order_lines: ``ORDER_LINES``; lines after ``as_of`` are ignored.
        products: ``PRODUCTS``.
        as_of: last day the counts may see.
        top: pairs kept of each product type.

    Returns:
        ``BOUGHT_TOGETHER``; at most ``top`` rows per product type. Ties go to more baskets, then to the name.
    """
    recent = basket_types(order_lines, products).where("bought").where(within(as_of, DAYS))
    basket = Window.partitionBy("customer_id", "order_id", "ordered_on")
    small = recent.withColumn("types", F.count("*").over(basket)).where(F.col("types") <= MAX_TYPES)
    single = small.groupBy("product_type").agg(F.count("*").alias("baskets"))
    numbered = single.withColumn("number", F.row_number().over(Window.orderBy("product_type")))
    all_baskets = small.agg(F.count_distinct("customer_id", "order_id", "ordered_on").alias("all_baskets"))
    scored = _directed(_pairs(small, numbered), numbered).crossJoin(F.broadcast(all_baskets))
    rank = F.row_number().over(
        Window.partitionBy("product_type").orderBy(F.desc("llr"), F.desc("baskets"), F.asc("other"))
    )
    ranked = scored.select(
        "product_type",
        "other",
        "baskets",
        (F.col("baskets") / F.col("baskets_a")).alias("confidence"),
        (F.col("baskets") * F.col("all_baskets") / (F.col("baskets_a") * F.col("baskets_b"))).alias("lift"),
        F.round(signed_llr("baskets", "baskets_a", "baskets_b", "all_baskets"), 6).alias("llr"),
    ).withColumn("rank", rank)
    return conform(ranked.where(F.col("rank") <= top), BOUGHT_TOGETHER)


def signed_llr(both: str, first: str, second: str, total: str) -> Column:
    """Return the log-likelihood ratio of a 2 x 2 table, negative when ``both`` is rarer than independence has it.

    Args:
        both: column with the number of baskets with both things.
        first: baskets with the first thing.
        second: baskets with the second thing.
        total: all baskets.
    """
    k, a, b, n = (F.col(name).cast("double") for name in (both, first, second, total))
    cells = [(k, a * b), (a - k, a * (n - b)), (b - k, (n - a) * b), (n - a - b + k, (n - a) * (n - b))]
    terms = [F.when(cell > 0, cell * F.log(cell * n / margins)).otherwise(0.0) for cell, margins in cells]
    ratio = 2 * (terms[0] + terms[1] + terms[2] + terms[3])
    return F.when(k * n < a * b, -ratio).otherwise(ratio)


def _pairs(small: DataFrame, numbered: DataFrame) -> DataFrame:
    """Count the baskets of each unordered pair of types, both numbers packed into one."""
    key = ["customer_id", "order_id", "ordered_on"]
    held = small.join(F.broadcast(numbered), "product_type").select(*key, "number")
    other = held.withColumnRenamed("number", "larger")
    return (
        held.join(other, key)
        .where(F.col("number") < F.col("larger"))
        .groupBy((F.shiftleft(F.col("number").cast("long"), 32) + F.col("larger")).alias("pair"))
        .agg(F.count("*").alias("baskets"))
        .where(F.col("baskets") >= MIN_BASKETS)
    )


def _directed(pairs: DataFrame, numbered: DataFrame) -> DataFrame:
    """Give every pair in both directions, with names and the baskets of each type."""
    low, high = F.col("pair").bitwiseAND(0xFFFFFFFF), F.shiftright("pair", 32)
    pair = F.struct(low.alias("a"), high.alias("b")), F.struct(high.alias("a"), low.alias("b"))
    named = {
        side: F.broadcast(
            numbered.select(
                F.col("number").cast("long").alias(side),
                F.col("product_type").alias(name),
                F.col("baskets").alias(f"baskets_{side}"),
            )
        )
        for side, name in (("a", "product_type"), ("b", "other"))
    }
    both = pairs.select("baskets", F.explode(F.array(*pair)).alias("d")).select("baskets", "d.a", "d.b")
    return both.join(named["a"], "a").join(named["b"], "b")
