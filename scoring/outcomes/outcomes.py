"""What a night's offers brought within the horizon, against simpler methods to choose them.

A *list* is a frame ``method, slice, customer_id, item, rank``; slices are ``all``, ``repeat`` (what the customer had
bought before the night) and ``discovery``, with ranks of their own. Metrics are returned per customer, so that they can
be resampled: the driver gets a few numbers per customer and nothing that grows with the product types.
"""

from __future__ import annotations

import math

from pyspark.sql import Column, DataFrame, Window, functions as F

from features.lines import signed
from scoring.offers.coupons import frequency

NBO, POPULARITY, FREQUENCY = "nbo", "popularity", "personal_frequency"
METHODS = (NBO, POPULARITY, FREQUENCY)
ALL, REPEAT, DISCOVERY = "all", "repeat", "discovery"
#: personal frequency does not rank what a customer never bought
COMBINATIONS = tuple(
    (method, part)
    for method in METHODS
    for part in (ALL, REPEAT, DISCOVERY)
    if (method, part) != (FREQUENCY, DISCOVERY)
)
_LIST = ("method", "slice", "customer_id", "item", "rank")


def night_lists(ranking: DataFrame, item: str) -> DataFrame:
    """Return the lists of the night itself.

    Args:
        ranking: ``customer_id``, ``item``, ``is_discovery``, ``rank`` and ``rank_in_slice``.
        item: name of the column with what was ranked.
    """
    rows = ranking.select("customer_id", F.col(item).alias("item"), "is_discovery", "rank", "rank_in_slice")
    return _lists(NBO, rows.withColumn("slice", F.lit(ALL))).unionByName(
        _lists(NBO, rows.withColumn("slice", either_slice("is_discovery")).withColumn("rank", F.col("rank_in_slice")))
    )


def popularity_lists(customers: DataFrame, affinity: DataFrame, popularity: DataFrame, k: int) -> DataFrame:
    """Return for every customer the most popular items; O(customers x items).

    Args:
        customers: ``customer_id``.
        affinity: ``AFFINITY`` as of the night.
        popularity: ``item`` and ``score``: every item that may be listed (a dictionary of some thousand).
        k: length of a list.
    """
    order = F.transform(
        F.array_sort(F.collect_list(F.struct((-F.col("score")).alias("score"), "item"))), lambda x: x["item"]
    )
    names = popularity.agg(order.alias("names"))
    owned = affinity.groupBy("customer_id").agg(F.collect_set("product_type").alias("owned"))
    rows = customers.select("customer_id").join(owned, "customer_id", "left").crossJoin(F.broadcast(names))
    bought = F.coalesce("owned", F.array().cast("array<string>"))
    items_of = {
        ALL: F.col("names"),
        REPEAT: F.array_intersect("names", bought),
        DISCOVERY: F.array_except("names", bought),
    }
    part = F.explode(
        F.array(*(F.struct(F.lit(p).alias("slice"), F.slice(i, 1, k).alias("items")) for p, i in items_of.items()))
    )
    listed = rows.select("customer_id", part.alias("list"))
    listed = listed.select("customer_id", "list.slice", F.posexplode("list.items").alias("place", "item"))
    return _lists(POPULARITY, listed.withColumn("rank", F.col("place") + 1))


def frequency_lists(affinity: DataFrame, items: DataFrame, k: int) -> DataFrame:
    """Return what every customer bought most: twice the baskets of 84 days plus all, the latest first among equals.

    Args:
        affinity: ``AFFINITY`` as of the night.
        items: ``item``: what may be listed.
        k: length of a list.
    """
    often = 2 * F.col("baskets_84") + F.col("baskets_total")
    best = Window.partitionBy("customer_id").orderBy(often.desc(), F.asc("days_since_last"), F.asc("item"))
    rows = affinity.withColumnRenamed("product_type", "item").join(F.broadcast(items.select("item")), "item")
    rows = rows.withColumn("rank", F.row_number().over(best)).where(F.col("rank") <= k)
    both = F.explode(F.array(F.lit(ALL), F.lit(REPEAT)))
    return _lists(FREQUENCY, rows.withColumn("slice", both))


def list_metrics(lists: DataFrame, truth: DataFrame, k: int) -> DataFrame:
    """Evaluate the first ``k`` of every list.

    Args:
        lists: lists of any methods.
        truth: ``customer_id``, ``item``, ``is_discovery``: what was bought within the horizon, distinct.
        k: ranks that count.

    Returns:
        ``method``, ``slice``, ``customer_id``, ``hit_rate`` (0 or 1) and ``ndcg`` (binary relevance): a row per
        combination and customer with truth in the slice; a customer without a list counts as a miss.
    """
    truth = truth.select(
        "customer_id", "item", F.explode(F.array(F.lit(ALL), either_slice("is_discovery"))).alias("slice")
    )
    wanted = truth.groupBy("slice", "customer_id").agg(F.count("*").cast("int").alias("wanted"))
    combinations = F.array(*(F.struct(F.lit(m).alias("method"), F.lit(s).alias("slice")) for m, s in COMBINATIONS))
    methods = F.transform(
        F.filter(combinations, lambda pair: pair["slice"] == F.col("slice")), lambda pair: pair["method"]
    )
    asked = wanted.withColumn("method", F.explode(methods))
    hits = lists.where(F.col("rank") <= k).join(truth, ["slice", "customer_id", "item"])
    gained = hits.groupBy("method", "slice", "customer_id").agg(F.sum(1 / F.log2(F.col("rank") + 1)).alias("gain"))
    ideal = [sum(1 / math.log2(rank + 1) for rank in range(1, length + 1)) for length in range(1, k + 1)]
    best = F.element_at(F.array(*(F.lit(value) for value in ideal)), F.least("wanted", F.lit(k)))
    return asked.join(gained, ["method", "slice", "customer_id"], "left").select(
        "method",
        "slice",
        "customer_id",
        F.col("gain").isNotNull().cast("double").alias("hit_rate"),
        (F.coalesce("gain", F.lit(0.0)) / best).alias("ndcg"),
    )


def coupon_metrics(offered: DataFrame, pool: DataFrame, redeemed: DataFrame, slots: int) -> DataFrame:
    """Count redemptions of the coupons that every method would have put into the same slots.

    Args:
        offered: ``customer_id``, ``offer_id``: the coupons among the night's offers.
        pool: ``COUPON_AFFINITY`` of the night: what could be offered.
        redeemed: ``customer_id``, ``offer_id``: redemptions within the horizon.
        slots: coupons that a customer gets at most.

    Returns:
        ``method``, ``customer_id``, ``offered``, ``redeemed`` (offered and redeemed) and ``wanted`` (redeemed of the
        pool): a row per method and customer with a coupon in the pool.
    """
    pool = pool.where("not already_redeemed")
    lists = offered.join(pool.select("customer_id", "offer_id"), ["customer_id", "offer_id"]).select(
        F.lit(NBO).alias("method"), "customer_id", "offer_id"
    )
    for method, score in ((POPULARITY, F.col("offer_responses")), (FREQUENCY, frequency())):
        best = Window.partitionBy("customer_id").orderBy(score.desc(), F.asc("offer_id"))
        top = pool.withColumn("_place", F.row_number().over(best)).where(F.col("_place") <= slots)
        lists = lists.unionByName(top.select(F.lit(method).alias("method"), "customer_id", "offer_id"))
    truth = redeemed.select("customer_id", "offer_id", F.lit(1).alias("_redeemed"))
    counted = (
        lists.join(truth, ["customer_id", "offer_id"], "left")
        .groupBy("method", "customer_id")
        .agg(F.count("*").alias("offered"), F.count("_redeemed").alias("redeemed"))
    )
    wanted = pool.join(truth, ["customer_id", "offer_id"], "left").groupBy("customer_id")
    everyone = wanted.agg(F.count("_redeemed").alias("wanted")).withColumn(
        "method", F.explode(F.array(*(F.lit(method) for method in METHODS)))
    )
    return everyone.join(counted, ["method", "customer_id"], "left").select(
        "method",
        "customer_id",
        F.coalesce("offered", F.lit(0)).cast("double").alias("offered"),
        F.coalesce("redeemed", F.lit(0)).cast("double").alias("redeemed"),
        F.col("wanted").cast("double").alias("wanted"),
    )


def spend_after(customers: DataFrame, order_lines: DataFrame, window: Column) -> DataFrame:
    """Return whether and for how much each customer bought.

    Args:
        customers: ``customer_id`` and ``treatment``.
        order_lines: ``ORDER_LINES``.
        window: condition on ``ordered_on``.

    Returns:
        ``customer_id``, ``treatment``, ``purchase_rate`` (0 or 1), ``spend`` (net of returns).
    """
    spent = (
        order_lines.where(window)
        .groupBy("customer_id")
        .agg(F.sum(signed(F.col("amount"))).cast("double").alias("spend"), F.max(~F.col("is_return")).alias("bought"))
    )
    return customers.join(spent, "customer_id", "left").select(
        "customer_id",
        "treatment",
        F.coalesce("bought", F.lit(False)).cast("double").alias("purchase_rate"),
        F.coalesce("spend", F.lit(0.0)).alias("spend"),
    )


def _lists(method: str, rows: DataFrame) -> DataFrame:
    return rows.withColumn("method", F.lit(method)).select(*_LIST)


def either_slice(is_discovery: str) -> Column:
    """Return the slice, repeat or discovery, by a boolean column."""
    return F.when(F.col(is_discovery), DISCOVERY).otherwise(REPEAT)
