"""Who buys only at a discount: the share of a customer's purchases that had one, compared with what they buy.

A purchase counts once per order and product type. How often a product type is sold at a discount differs, so the
customer's own share is shrunk towards what all customers' purchases of the same types would give: a Beta prior whose
mean is that expectation and whose weight is :data:`PRIOR_PURCHASES`. It is observational: who buys what is discounted
need not buy because of it.

Reference: Efron and Morris (1975), "Data analysis using Stein's estimator and its generalizations" (shrinkage).
"""

from __future__ import annotations

from datetime import date

from pyspark.sql import Column, DataFrame, functions as F

from conf.tables.features import DISCOUNTS
from features.lines import lines, within
from features.schemas import conform

#: purchases that the expectation weighs as much as; chosen on 2017-09-10 of the demonstration, beyond it little changes
PRIOR_PURCHASES = 50.0
DAYS = 365
#: two-sided 90 % interval
_Z = 1.645


def discounts(order_lines: DataFrame, products: DataFrame, as_of: date) -> DataFrame:
    """Return how much of what each customer buys has a discount.

    Args:
        order_lines: ``ORDER_LINES``; lines after ``as_of`` are ignored.
        products: ``PRODUCTS``; only products counted in pieces with a product type have a part in it.
        as_of: last day the summary may see.

    Returns:
        ``DISCOUNTS``; one row per customer with such a purchase in the last 365 days. O(lines), one shuffle beyond
        that of :func:`features.lines.lines`, of a row per customer and product type.
    """
    sold = lines(order_lines, products).where(within(as_of, DAYS))
    bought = (
        sold.where("is_sale and counted and product_type is not null")
        .groupBy("customer_id", "order_id", "ordered_on", "product_type")
        .agg(F.max(F.col("discount") > 0).alias("off"))
        .groupBy("customer_id", "product_type")
        .agg(F.count("*").alias("n"), F.count_if("off").alias("off"))
    )
    usual = bought.groupBy("product_type").agg((F.sum("off") / F.sum("n")).alias("usual"))
    own = (
        bought.join(F.broadcast(usual), "product_type")
        .groupBy("customer_id")
        .agg(F.sum("n").alias("purchases"), F.sum("off").alias("off"), F.sum(F.col("n") * F.col("usual")).alias("sum"))
    )
    expected = F.col("sum") / F.col("purchases")
    dependence = (F.col("off") + PRIOR_PURCHASES * expected) / (F.col("purchases") + PRIOR_PURCHASES)
    reach = _Z * F.sqrt(dependence * (1 - dependence) / (F.col("purchases") + PRIOR_PURCHASES + 1))
    shares = own.select(
        "customer_id",
        "purchases",
        (F.col("off") / F.col("purchases")).alias("discounted_share"),
        expected.alias("expected_share"),
        dependence.alias("dependence"),
        _share(dependence - reach).alias("dependence_low"),
        _share(dependence + reach).alias("dependence_high"),
    )
    return conform(shares, DISCOUNTS)


def _share(value: Column) -> Column:
    return F.greatest(F.lit(0.0), F.least(F.lit(1.0), value))
