"""Lists for places that know no single customer: a shop's home page, a segment's mailing.

A place is the whole company, a store, or a segment. What few customers did there says little, so shares lean on the
company's: a store with three customers shows nearly what all stores show.
"""

from __future__ import annotations

from pyspark.sql import Column, DataFrame, Window, functions as F

from conf.tables.items import OFFER_LISTS
from features.items.sparse_product import best_columns
from features.schemas import conform

#: days of sales that count
DAYS = 84
#: products of a list
LENGTH = 20
#: customers that the company's share counts as, besides the place's own
PRIOR = 50
BEST_SELLERS, BOUGHT_WITH, BY_SIMILARITY = "best_sellers", "bought_with", "popular_by_similarity"
_ALL = ("all", "all")


def offer_lists(sales: DataFrame, segments: DataFrame, similar: DataFrame, together: DataFrame) -> DataFrame:
    """Make the three lists of every place; the fourth, the personal one, is each customer's ``next_best_offer``.

    ``best_sellers``: largest share of the place's customers, shrunk. ``bought_with``: what stands in baskets with the
    place's best-sellers and is none of them. ``popular_by_similarity``: what is like the things sold there, weighted
    by their share, best-sellers left out: it also names what the place never sold.

    Args:
        sales: from :func:`features.items.product_neighbours.product_sales`, with ``age`` in days.
        segments: ``customer_id`` and ``segment_id``.
        similar: ``SIMILAR_PRODUCTS``.
        together: ``PRODUCTS_TOGETHER``.

    Returns:
        ``OFFER_LISTS``; at most :data:`LENGTH` rows per place and list. O(sales), and a sparse product of places x
        products with the neighbours.
    """
    demand = _demand(sales.where(F.col("age") < DAYS), segments).persist()
    within = Window.partitionBy("place_kind", "place").orderBy(F.desc("share"), "product_id")
    ranked = demand.withColumn("rank", F.row_number().over(within))
    best = ranked.where(F.col("rank") <= LENGTH)
    place = F.concat_ws("|", "place_kind", "place")
    left = [
        demand.select(_keyed(BY_SIMILARITY, place), _inner(BY_SIMILARITY), F.col("share").alias("weight")),
        best.select(_keyed(BOUGHT_WITH, place), _inner(BOUGHT_WITH), F.col("share").alias("weight")),
    ]
    right = [
        similar.where("source = 'customers'").select(_inner(BY_SIMILARITY), _other(), F.col("score").alias("weight")),
        together.select(_inner(BOUGHT_WITH), _other(), F.col("confidence").alias("weight")),
    ]
    # best-sellers are taken out afterwards, so twice the length is asked for
    nearest = best_columns(left[0].unionByName(left[1]), right[0].unionByName(right[1]), 2 * LENGTH)
    parts = F.split("row", r"\|", 3)
    named = nearest.select(
        parts[1].alias("place_kind"), parts[2].alias("place"), parts[0].alias("list"),
        F.col("column").alias("product_id"), F.round("score", 6).alias("score"), "rank",
    )  # fmt: skip
    fresh = named.join(
        F.broadcast(best.select("place_kind", "place", "product_id")),
        ["place_kind", "place", "product_id"],
        "left_anti",
    )
    order = Window.partitionBy("place_kind", "place", "list").orderBy("rank")
    fresh = fresh.withColumn("rank", F.row_number().over(order)).where(F.col("rank") <= LENGTH)
    top = best.select(
        "place_kind", "place", F.lit(BEST_SELLERS).alias("list"), "product_id", F.col("share").alias("score"), "rank"
    )
    return conform(top.unionByName(fresh), OFFER_LISTS)


def _demand(sales: DataFrame, segments: DataFrame) -> DataFrame:
    """Return each place's products with the share of its customers who bought them, shrunk to the company's share."""
    company = F.struct(F.lit(_ALL[0]).alias("kind"), F.lit(_ALL[1]).alias("name"))
    store = F.struct(F.lit("store").alias("kind"), F.col("store_id").alias("name"))
    segment = F.struct(F.lit("segment").alias("kind"), F.col("segment_id").alias("name"))
    bought = sales.select("customer_id", "store_id", "product_id").distinct()
    bought = bought.join(segments.select("customer_id", "segment_id"), "customer_id", "left")
    at = bought.select("customer_id", "product_id", F.explode(F.array(company, store, segment)).alias("at"))
    at = at.where("at.name is not null").select("customer_id", "product_id", "at.kind", "at.name").distinct()
    buyers = at.groupBy("kind", "name", "product_id").agg(F.count("*").alias("buyers"))
    customers = (
        at.select("customer_id", "kind", "name").distinct().groupBy("kind", "name").agg(F.count("*").alias("customers"))
    )
    joined = buyers.join(F.broadcast(customers), ["kind", "name"])
    overall = joined.where(F.col("kind") == _ALL[0]).select(
        "product_id", (F.col("buyers") / F.col("customers")).alias("overall")
    )
    share = (F.col("buyers") + PRIOR * F.col("overall")) / (F.col("customers") + PRIOR)
    return joined.join(F.broadcast(overall), "product_id").select(
        F.col("kind").alias("place_kind"), F.col("name").alias("place"), "product_id", F.round(share, 9).alias("share")
    )


def _keyed(name: str, place: Column) -> Column:
    return F.concat_ws("|", F.lit(name), place).alias("row")


def _inner(name: str) -> Column:
    return F.concat_ws("|", F.lit(name), "product_id").alias("inner")


def _other() -> Column:
    return F.col("other").alias("column")
