"""Orders: the lines of one order on one day, and what they say of a customer's habits."""

from __future__ import annotations

from datetime import date

from pyspark.sql import Column, DataFrame, Window, functions as F

from conf.tables.features import WINDOWS
from features.lines import QUANTITY_UNIT, money, within

#: brands that stand for the house's own
PRIVATE_BRANDS = ("private", "private label", "own brand", "store brand")
EVENING_FROM = 18


def orders(lines: DataFrame, timezone: str) -> DataFrame:
    """Sum up the lines of each order.

    Args:
        lines: result of :func:`features.lines.lines`.
        timezone: IANA zone of the business day.

    Returns:
        One row per customer, order and day: amounts in ten-thousandths (returns taken off), ``lines`` (returns
        included), ``sale_lines``, ``pieces`` in thousandths, ``store_id``, local ``hour`` and ``is_basket``: there
        is a line that is no return.
    """
    sale, has_brand = F.col("is_sale"), F.col("brand").isNotNull()
    own = F.lower("brand").isin(*PRIVATE_BRANDS)
    return (
        lines.groupBy("customer_id", "order_id", "ordered_on")
        .agg(
            F.max("is_sale").alias("is_basket"),
            F.sum("amount").alias("amount"),
            F.sum("discount").alias("discount"),
            F.count("*").alias("lines"),
            F.count_if(sale).alias("sale_lines"),
            F.sum("pieces").alias("pieces"),
            F.sum(F.when(has_brand, F.col("amount"))).alias("branded_amount"),
            F.sum(F.when(own, F.col("amount"))).alias("own_amount"),
            F.max(F.when(sale, F.col("store_id"))).alias("store_id"),
            F.min(F.when(sale, F.col("ordered_at"))).alias("ordered_at"),
        )
        .withColumn("hour", F.hour(F.from_utc_timestamp("ordered_at", timezone)))
        .drop("ordered_at")
    )


def habits(orders: DataFrame, as_of: date) -> DataFrame:
    """Summarise each customer's orders and the time between the baskets among them.

    Args:
        orders: result of :func:`orders`, up to ``as_of``.
        as_of: last day the summary may see.

    Returns:
        One row per customer with an order: the columns of ``PROFILE`` that orders alone give. O(n log n) in a
        customer's orders.
    """
    placed = _with_gap(_with_store_baskets(orders, as_of))
    basket, recent = F.col("is_basket"), F.col("is_basket") & within(as_of, 84)
    baskets, baskets_84 = F.count_if(basket), F.count_if(recent)
    weekend, evening = F.dayofweek("ordered_on").isin(1, 7), F.col("hour") >= EVENING_FROM
    return placed.groupBy("customer_id").agg(
        *_intervals(as_of, basket, baskets),
        baskets.alias("baskets_total"),
        *(F.count_if(basket & within(as_of, days)).alias(f"baskets_{days}") for days in WINDOWS),
        *(money(_total("amount", as_of, days)).alias(f"spend_{days}") for days in WINDOWS),
        money(F.sum("amount")).alias("spend_total"),
        *(_discount_share(as_of, days).alias(f"discount_share_{days}") for days in WINDOWS),
        _total("lines", as_of, 84).alias("lines_84"),
        F.size(F.collect_set(F.when(recent, F.col("store_id")))).alias("stores_84"),
        _ratio(F.max("store_baskets_84"), baskets_84).alias("main_store_share_84"),
        _ratio(money(_total("amount", as_of, 84)), baskets_84).alias("basket_value_84"),
        _ratio(_total("sale_lines", as_of, 84), baskets_84).alias("basket_lines_84"),
        _ratio(_total("pieces", as_of, 84), baskets_84 * QUANTITY_UNIT).alias("basket_pieces_84"),
        _ratio(_total("own_amount", as_of, 84), _total("branded_amount", as_of, 84)).alias("private_brand_share_84"),
        _ratio(F.count_if(recent & weekend), baskets_84).alias("weekend_share_84"),
        _ratio(F.count_if(recent & evening), baskets_84).alias("evening_share_84"),
    )


def _with_gap(orders: DataFrame) -> DataFrame:
    """Add the days since the customer's basket before; null for the first and for what is no basket."""
    before = F.lag("ordered_on").over(Window.partitionBy("customer_id", "is_basket").orderBy("ordered_on"))
    gap = F.when(F.col("is_basket"), F.datediff("ordered_on", before))
    return orders.withColumn("gap", gap.cast("long"))


def _with_store_baskets(orders: DataFrame, as_of: date) -> DataFrame:
    """Add the customer's baskets of 84 days in the store of the order; null without a store."""
    same_store = Window.partitionBy("customer_id", "store_id")
    baskets = F.count_if(F.col("is_basket") & within(as_of, 84)).over(same_store)
    return orders.withColumn("store_baskets_84", F.when(F.col("store_id").isNotNull(), baskets))


def _intervals(as_of: date, basket: Column, baskets: Column) -> list[Column]:
    """Return tenure, recency and the mean and sample standard deviation of the gaps, from exact sums."""
    day = F.when(basket, F.col("ordered_on"))
    recency, span, gaps = F.datediff(F.lit(as_of), F.max(day)), F.datediff(F.max(day), F.min(day)), baskets - 1
    interval = F.when(baskets > 1, span / gaps)
    squares = gaps * F.sum(F.col("gap") * F.col("gap")) - span * span.cast("long")
    return [
        F.datediff(F.lit(as_of), F.min(day)).alias("tenure_days"),
        recency.alias("recency_days"),
        interval.alias("interval_days"),
        F.when(baskets > 2, F.sqrt(squares / (gaps * (gaps - 1)))).alias("interval_deviation_days"),
        F.when(interval > 0, recency / interval).alias("overdue_ratio"),
    ]


def _discount_share(as_of: date, days: int) -> Column:
    discount = _total("discount", as_of, days)
    return _ratio(discount, discount + _total("amount", as_of, days))


def _total(column: str, as_of: date, days: int) -> Column:
    """Sum ``column`` over the last ``days`` days."""
    return F.sum(F.when(within(as_of, days), F.col(column)))


def _ratio(part: Column, whole: Column) -> Column:
    return F.when(whole > 0, F.coalesce(part, F.lit(0)) / whole)
