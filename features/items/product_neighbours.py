"""Products bought by the same customers, and products bought in the same basket, the best few of each product.

Where duplicates are glued, their clusters are counted: a product sold under ten names has one row of neighbours, shown
for each of its names, and a neighbour is shown as the product of its cluster that sells best of late.
"""

from __future__ import annotations

from datetime import date

from pyspark.sql import DataFrame, Window, functions as F

from conf.tables.items import PRODUCTS_TOGETHER, SIMILAR_PRODUCTS
from features.items.bought_together import BASKET, strength
from features.items.item_item import basket_of, neighbours
from features.items.nearest import NearestConfig
from features.lines import lines, within
from features.schemas import conform

DAYS = 365
#: days of sales by which the product of a cluster is chosen
LATE_DAYS = 28
#: two products are similar from three common customers on; who bought more than 1,500 products says nothing
SIMILAR = NearestConfig(weighting="cosine", top=10, least=3, most_items=1_500, most_baskets=20_000)
TOGETHER = NearestConfig(weighting="llr", top=10, least=2, most_items=100, most_baskets=20_000)


def product_sales(order_lines: DataFrame, products: DataFrame, as_of: date) -> DataFrame:
    """Return the sales of offerable products in :data:`DAYS` days: a line each, customers kept together.

    Args:
        order_lines: ``ORDER_LINES``; lines after ``as_of`` are ignored.
        products: ``PRODUCTS``.
        as_of: last day that counts.
    """
    sold = lines(order_lines, products).where(F.col("is_sale") & F.col("offerable") & within(as_of, DAYS))
    return sold.select(*BASKET, "store_id", "product_id", F.datediff(F.lit(as_of), "ordered_on").alias("age"))


def product_items(sales: DataFrame, clusters: DataFrame | None = None) -> DataFrame:
    """Number what is counted: products, or clusters of them.

    Args:
        sales: from :func:`product_sales`.
        clusters: ``product_id`` and ``cluster_id``; a product that is not in it, or all without it, stands for itself.

    Returns:
        One row per product sold: ``product_id``, ``item`` from 0, the most sold first, ties by name, and ``shown``:
        the product that stands for the item, the one sold most in :data:`LATE_DAYS` days, then ever.
    """
    sold = _sold(sales)
    if clusters is None:
        order = Window.orderBy(F.desc("sold"), "product_id")
        return sold.select(
            "product_id", (F.row_number().over(order) - 1).alias("item"), F.col("product_id").alias("shown")
        )
    glued = clusters.select("product_id", F.concat(F.lit("cluster "), F.col("cluster_id").cast("string")).alias("_of"))
    keyed = sold.join(glued, "product_id", "left").withColumn("key", F.coalesce("_of", "product_id"))
    best = F.struct(-F.col("late"), -F.col("sold"), "product_id")
    of_key = keyed.groupBy("key").agg(F.sum("sold").alias("_sold"), F.min_by("product_id", best).alias("shown"))
    order = Window.orderBy(F.desc("_sold"), "key")
    numbers = of_key.select("key", "shown", (F.row_number().over(order) - 1).alias("item"))
    return keyed.join(numbers, "key").select("product_id", "item", "shown")


def shown_products(sales: DataFrame, clusters: DataFrame) -> DataFrame:
    """Return for each product that shares a cluster the one that is offered in its place.

    Args:
        sales: from :func:`product_sales`.
        clusters: ``product_id`` and ``cluster_id``.

    Returns:
        ``product_id`` and ``shown``: of its cluster the product sold most in :data:`LATE_DAYS` days, then ever.
    """
    ranked = clusters.select("product_id", "cluster_id").join(_sold(sales), "product_id", "left").fillna(0)
    best = F.min_by("product_id", F.struct(-F.col("late"), -F.col("sold"), "product_id")).alias("shown")
    return ranked.join(ranked.groupBy("cluster_id").agg(best), "cluster_id").select("product_id", "shown")


def as_shown(rows: DataFrame, shown: DataFrame | None) -> DataFrame:
    """Put what is offered in the place of each ``product_id``; ``shown`` from :func:`shown_products`, or None."""
    if shown is None:
        return rows
    renamed = rows.join(F.broadcast(shown), "product_id", "left")
    return renamed.withColumn("product_id", F.coalesce("shown", "product_id")).drop("shown")


def similar_products(sales: DataFrame, items: DataFrame, config: NearestConfig = SIMILAR) -> DataFrame:
    """Find the products that the same customers buy; see :func:`features.items.item_item.neighbours` for the cost.

    Args:
        sales: from :func:`product_sales`.
        items: from :func:`product_items`.
        config: weighting and bounds.

    Returns:
        ``SIMILAR_PRODUCTS`` with source ``customers``.
    """
    events = sales.join(F.broadcast(items), "product_id").select(basket_of("customer_id"), "item")
    rows = _expanded(neighbours(events, config), items)
    described = {
        "source": F.lit("customers"),
        "customers": F.round("baskets").cast("long"),
        "score": F.round("score", 6),
    }
    return conform(rows.withColumns(described), SIMILAR_PRODUCTS)


def products_together(sales: DataFrame, items: DataFrame, config: NearestConfig = TOGETHER) -> DataFrame:
    """Find the products that stand in the same baskets more often than by chance; arguments as above.

    Returns:
        ``PRODUCTS_TOGETHER``.
    """
    events = sales.join(F.broadcast(items), "product_id").select(basket_of(*BASKET), "item")
    rows = neighbours(events, config).where("score > 0")
    return conform(_expanded(rows, items).withColumns(strength()), PRODUCTS_TOGETHER)


def _sold(sales: DataFrame) -> DataFrame:
    """Count each product's lines, in all and of late."""
    return sales.groupBy("product_id").agg(
        F.count("*").alias("sold"), F.count_if(F.col("age") < LATE_DAYS).alias("late")
    )


def _expanded(rows: DataFrame, items: DataFrame) -> DataFrame:
    """Put products in the place of numbers: every product of the item, and the one shown of the neighbour."""
    shown = items.select(F.col("item").alias("_other"), F.col("shown").alias("_shown")).distinct()
    named = rows.join(F.broadcast(items.select("item", "product_id")), "item")
    named = named.join(F.broadcast(shown), F.col("other") == F.col("_other"))
    return named.drop("item", "other", "_other").withColumnRenamed("_shown", "other")
