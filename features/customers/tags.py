"""What every customer is about: stemmed words of their purchases, faded by age, and products that match them.

A purchase counts half after :data:`HALF_LIFE_DAYS` days. A customer keeps the :data:`TAGS` strongest words; weaker ones
and those under a hundredth of the strongest are dropped, so that a profile stays small however long the history. The
profile is made from the history, not from the profile of the night before: a night that is run again gives the same.
"""

from __future__ import annotations

from collections.abc import Callable

from pyspark.sql import DataFrame, Window, functions as F

from conf.tables.items import CUSTOMER_TAGS, TAG_RECOMMENDATIONS
from features.items.product_neighbours import as_shown
from features.items.sparse_product import best_columns
from features.schemas import conform

TAGS = 30
HALF_LIFE_DAYS = 60
#: share of the strongest word's weight under which a word is dropped
FAINT = 0.01
#: products recommended to a customer
RECOMMENDED = 10


def customer_tags(sales: DataFrame, index: DataFrame) -> DataFrame:
    """Make the profiles; O(sales), then purchases x words of a product.

    Args:
        sales: from :func:`features.items.product_neighbours.product_sales`.
        index: from :func:`features.items.content.inverted_index`.

    Returns:
        ``CUSTOMER_TAGS``; the weights of a customer add up to 1.
    """
    faded = F.sum(F.pow(F.lit(0.5), F.col("age") / F.lit(float(HALF_LIFE_DAYS))))
    bought = sales.groupBy("customer_id", "product_id").agg(F.log1p(faded).alias("weight"))
    left = bought.select(F.col("customer_id").alias("row"), F.col("product_id").alias("inner"), "weight")
    right = index.select(F.col("product_id").alias("inner"), F.col("word").alias("column"), "weight")
    best = best_columns(left, right, TAGS)
    of_customer = Window.partitionBy("row")
    kept = best.withColumn("_most", F.max("score").over(of_customer)).where(F.col("score") >= FAINT * F.col("_most"))
    weight = F.round(F.col("score") / F.sum("score").over(of_customer), 6).alias("weight")
    return conform(
        kept.select(F.col("row").alias("customer_id"), F.col("column").alias("tag"), "rank", weight), CUSTOMER_TAGS
    )


def tag_recommendations(
    tags: DataFrame,
    index: DataFrame,
    sales: DataFrame,
    top: int = RECOMMENDED,
    suits: Callable[[DataFrame], DataFrame] = lambda rows: rows,
    shown: DataFrame | None = None,
) -> DataFrame:
    """Recommend the products whose words are the customer's; works for products that nobody bought yet.

    O(customers x tags x postings of a word). What the customer bought in the sales is left out.

    Args:
        tags: ``CUSTOMER_TAGS``.
        index: from :func:`features.items.content.inverted_index`; what may be recommended.
        sales: from :func:`features.items.product_neighbours.product_sales`.
        top: products of a customer.
        suits: keeps the rows (``customer_id``, ``product_id``) that may be recommended.
        shown: from ``shown_products``: of a cluster one product is recommended, and
            none where the customer bought any.

    Returns:
        ``TAG_RECOMMENDATIONS``; two of the customer's words at least.
    """
    left = tags.select(F.col("customer_id").alias("row"), F.col("tag").alias("inner"), "weight")
    right = index.select(F.col("word").alias("inner"), F.col("product_id").alias("column"), "weight")
    matches = best_columns(left, right, 5 * top, least=2).withColumnsRenamed(
        {"row": "customer_id", "column": "product_id"}
    )
    if shown is not None:
        best = (F.min("rank").alias("rank"), F.max("score").alias("score"))
        matches = as_shown(matches, shown).groupBy("customer_id", "product_id").agg(*best)
    owned = as_shown(sales.select("customer_id", "product_id"), shown).distinct()
    fresh = suits(matches.join(owned, ["customer_id", "product_id"], "left_anti"))
    order = Window.partitionBy("customer_id").orderBy("rank")
    fresh = fresh.withColumn("rank", F.row_number().over(order)).where(F.col("rank") <= top)
    return conform(fresh.withColumn("score", F.round("score", 6)), TAG_RECOMMENDATIONS)
