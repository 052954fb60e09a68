"""What customers did after ``as_of``: the truth that models are trained and judged on.

A horizon of ``h`` days covers ``as_of < day <= as_of + h``. Spend is net of returns; a purchase is a line that is no
return.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from pyspark.sql import DataFrame, functions as F

from conf.settings.propensities import Amount, Attribute
from conf.tables.canonical import REDEEMED
from features.lines import after, basket_types, money, signed


def type_purchases(order_lines: DataFrame, products: DataFrame, as_of: date, horizon_days: int) -> DataFrame:
    """Return which offerable product types each customer buys within the horizon.

    Returns:
        ``customer_id``, ``product_type``, ``spend`` (double, net of returns); one row per pair with a purchase.
    """
    return (
        basket_types(order_lines, products)
        .where(after(as_of, horizon_days))
        .groupBy("customer_id", "product_type")
        .agg(money(F.sum("amount")).alias("spend"), F.max("bought").alias("bought"))
        .where("bought")
        .drop("bought")
    )


def scope_purchases(order_lines: DataFrame, offer_products: DataFrame, as_of: date, horizon_days: int) -> DataFrame:
    """Return in which offers' scopes each customer buys within the horizon.

    Purchases are summed by customer and product before they meet the scopes, which may share products:
    O(lines in the horizon + pairs of product and offer).

    Returns:
        ``customer_id``, ``offer_id``, ``spend`` (double, net of returns); one row per pair with a purchase.
    """
    bought = (
        order_lines.where(after(as_of, horizon_days))
        .groupBy("customer_id", "product_id")
        .agg(F.sum(signed(F.col("amount"))).alias("amount"), F.max(~F.col("is_return")).alias("bought"))
    )
    return (
        bought.join(offer_products.select("offer_id", "product_id").distinct(), "product_id")
        .groupBy("customer_id", "offer_id")
        .agg(F.sum("amount").cast("double").alias("spend"), F.max("bought").alias("bought"))
        .where("bought")
        .drop("bought")
    )


def redemptions(responses: DataFrame, as_of: date, horizon_days: int) -> DataFrame:
    """Return which offers each customer redeems within the horizon.

    Returns:
        ``customer_id``, ``offer_id``; distinct.
    """
    redeemed = (F.col("kind") == REDEEMED) & after(as_of, horizon_days, "responded_on")
    return responses.where(redeemed).select("customer_id", "offer_id").distinct()


def active_after(order_lines: DataFrame, as_of: date, horizon_days: int) -> DataFrame:
    """Tell which customers buy anything within the horizon.

    Returns:
        ``customer_id``; distinct.
    """
    bought = ~F.col("is_return") & after(as_of, horizon_days)
    return order_lines.where(bought).select("customer_id").distinct()


def recorded(customers: DataFrame, attributes: Sequence[Attribute | Amount]) -> DataFrame:
    """Tell what the CRM holds of some attributes; whose value is unknown gets null.

    Args:
        customers: ``CUSTOMERS``.
        attributes: each names a column of ``customers``, or a key of its ``attributes``.

    Returns:
        ``customer_id`` and for every attribute ``recorded:<label>``: a boolean, the value is one of its values; of an
        amount the number (null where it is none).
    """
    columns = []
    for attribute in attributes:
        own = attribute.attribute in customers.columns
        value = F.col(str(attribute.attribute)) if own else F.try_element_at("attributes", F.lit(attribute.attribute))
        text = value.cast("string")
        valid = text.try_cast("double") if isinstance(attribute, Amount) else text.isin(*attribute.values)
        columns.append(valid.alias(f"recorded:{attribute.label}"))
    return customers.select("customer_id", *columns)
