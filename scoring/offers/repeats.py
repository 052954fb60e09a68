"""Adds repurchase intervals to candidates, and finds durable products that a customer already owns."""

from __future__ import annotations

from pyspark.sql import DataFrame, functions as F

from features.items.repurchase import renewed

_INTERVALS = ("interval_days", "interval_spread", "repeat_ever", "repeat_year")


def with_repeats(
    candidates: DataFrame, repurchase: DataFrame, horizon: int, last: DataFrame | None = None
) -> DataFrame:
    """Add repurchase intervals and probabilities.

    Args:
        candidates: ``product_type``, ``pair_baskets_total`` and ``pair_days_since_last``.
        repurchase: ``REPURCHASE``, some thousand rows; a type that is not in it gets nulls.
        horizon: days ahead.
        last: from :func:`last_clusters`, or None: the interval of the cluster bought last stands for the type's.

    Returns:
        ``candidates`` with ``type_renewable``, ``type_interval_days`` (median of those who return),
        ``type_repeat_year`` and, where the customer has bought it, ``renewal_probability``: P(its buyers buy it again
        within ``horizon`` days, so long after their last purchase).
    """
    intervals = repurchase.select("product_type", *_INTERVALS, F.col("renewable").alias("type_renewable"))
    rows = candidates.join(F.broadcast(intervals), "product_type", "left")
    if last is not None:
        of_cluster = last.withColumnsRenamed({name: f"_{name}" for name in _INTERVALS})
        rows = rows.join(of_cluster, ["customer_id", "product_type"], "left")
        nearer = {name: F.coalesce(f"_{name}", name) for name in _INTERVALS}
        rows = rows.withColumns(nearer).drop(*(f"_{name}" for name in _INTERVALS))
    bought = F.coalesce(F.col("pair_baskets_total"), F.lit(0)) > 0
    due = F.when(bought, renewed(F.col("pair_days_since_last").cast("double"), horizon))
    rows = rows.withColumn("renewal_probability", due)
    rows = rows.withColumnsRenamed({"interval_days": "type_interval_days", "repeat_year": "type_repeat_year"})
    return rows.drop("interval_spread", "repeat_ever")


def last_clusters(order_lines: DataFrame, products: DataFrame, clusters: DataFrame, intervals: DataFrame) -> DataFrame:
    """Return the cluster that a customer bought last of a product type, where the cluster has an interval.

    Args:
        order_lines: ``ORDER_LINES`` up to the night.
        products: ``PRODUCTS``.
        clusters: ``product_id`` and ``cluster_id`` of the products that share a cluster.
        intervals: ``CLUSTER_REPURCHASE``.

    Returns:
        ``customer_id``, ``product_type`` and the cluster's interval; O(lines).
    """
    kinds = products.where("offerable").select("product_id", "product_type")
    newest = F.max(F.struct("ordered_on", "product_id")).alias("_newest")
    last = order_lines.where("not is_return").join(kinds, "product_id").groupBy("customer_id", "product_type")
    interval_of = clusters.select("product_id", "cluster_id")
    interval_of = interval_of.join(intervals.select("cluster_id", *_INTERVALS), "cluster_id")
    newest_product = last.agg(newest).select(
        "customer_id", "product_type", F.col("_newest.product_id").alias("product_id")
    )
    return newest_product.join(interval_of, "product_id").drop("product_id", "cluster_id")


def durable_products(
    products: DataFrame,
    types: DataFrame,
    clusters: DataFrame | None = None,
    of_clusters: DataFrame | None = None,
) -> DataFrame:
    """Return the products that are bought once: a customer who bought one of a ``key`` needs no further one.

    Args:
        products: ``PRODUCTS``.
        types: ``REPURCHASE``.
        clusters: ``product_id`` and ``cluster_id`` of the products that share a cluster, or None.
        of_clusters: ``CLUSTER_REPURCHASE``, or None.

    Returns:
        ``product_id`` and ``key``: its product type, its cluster, or a row for either.
    """
    kinds = types.where("not renewable").select("product_type", F.concat(F.lit("type "), "product_type").alias("key"))
    of_types = products.join(F.broadcast(kinds), "product_type").select("product_id", "key")
    if clusters is None or of_clusters is None:
        return of_types
    durable_clusters = of_clusters.where("not renewable").select(
        "cluster_id", F.concat(F.lit("cluster "), "cluster_id").alias("key")
    )
    return of_types.unionByName(clusters.join(F.broadcast(durable_clusters), "cluster_id").select("product_id", "key"))


def owned(order_lines: DataFrame, durable: DataFrame) -> DataFrame:
    """Return the products that a customer does not need any more, having bought one of the same key.

    Args:
        order_lines: ``ORDER_LINES`` up to the night.
        durable: from :func:`durable_products`.

    Returns:
        Distinct ``customer_id`` and ``product_id``.
    """
    bought = order_lines.where("not is_return").join(F.broadcast(durable), "product_id").select("customer_id", "key")
    return bought.distinct().join(F.broadcast(durable), "key").select("customer_id", "product_id").distinct()


def with_owned_scope(coupons: DataFrame, scope: DataFrame, order_lines: DataFrame, durable: DataFrame) -> DataFrame:
    """Add ``owned_scope`` to customers' coupons: all that the coupon is for is durable and owned.

    Args:
        coupons: ``customer_id`` and ``offer_id``.
        scope: ``OFFER_PRODUCTS``.
        order_lines: ``ORDER_LINES`` up to the night.
        durable: from :func:`durable_products`.
    """
    products = scope.select("offer_id", "product_id").distinct()
    marked = products.join(
        F.broadcast(durable.select("product_id", F.lit(1).alias("_is")).distinct()), "product_id", "left"
    )
    whole = marked.groupBy("offer_id").agg(F.count("*").alias("_all"), F.count("_is").alias("_durable"))
    whole = whole.where("_all = _durable").select("offer_id", "_all")
    of_whole = products.join(F.broadcast(whole), "offer_id")
    owned_products = of_whole.join(owned(order_lines, durable), "product_id").groupBy("customer_id", "offer_id", "_all")
    used_up = (
        owned_products.count().where("count = _all").select("customer_id", "offer_id", F.lit(True).alias("owned_scope"))
    )
    rows = coupons.join(used_up, ["customer_id", "offer_id"], "left")
    return rows.withColumn("owned_scope", F.coalesce("owned_scope", F.lit(False)))
