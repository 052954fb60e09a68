"""Who each customer is as a buyer: recency, frequency, money, discounts, inter-purchase times, places and departments.

Reference: Fader, Hardie and Lee (2005), "RFM and CLV: Using Iso-Value Curves for Customer Base Analysis", Journal of
Marketing Research 42(4).
"""

from __future__ import annotations

from datetime import date
from functools import reduce

from pyspark.sql import Column, DataFrame, functions as F

from conf.tables.canonical import REDEEMED
from conf.tables.features import PROFILE
from features.customers.orders import habits, orders
from features.lines import basket_types, lines, until, within
from features.schemas import conform

#: lines that a department is credited with beyond what was bought and beyond what was to be expected
PRIOR_LINES = 5
#: what a customer who did nothing has none of
COUNTS = ("baskets_", "spend_", "lines_", "types_", "stores_", "campaigns_", "responses_")


def profile(
    customers: DataFrame,
    order_lines: DataFrame,
    products: DataFrame,
    campaign_targets: DataFrame | None,
    responses: DataFrame | None,
    as_of: date,
    timezone: str,
) -> DataFrame:
    """Summarise every customer with a record up to ``as_of``, cold ones included.

    A record is a registration, an order line, a campaign or a response; a registration without a day
    counts as earlier. What customers say of themselves (age and the like) is as the CRM holds it now.

    Args:
        customers: ``CUSTOMERS``.
        order_lines: ``ORDER_LINES``; lines after ``as_of`` are ignored.
        products: ``PRODUCTS``.
        campaign_targets: ``CAMPAIGN_TARGETS``; None where the source has none: the counts are 0 then.
        responses: ``RESPONSES``; None where the source has none: the counts are 0 then.
        as_of: last day the summary may see.
        timezone: IANA zone of the business day.

    Returns:
        ``PROFILE``; one row per customer. O(lines + orders log orders), one shuffle of the lines.
    """
    seen = lines(order_lines, products).where(until(as_of))
    done = [
        habits(orders(seen, timezone), as_of),
        _variety(basket_types(order_lines, products).where(until(as_of)), as_of),
        _departments(seen.where(within(as_of, 365))),
    ]
    if campaign_targets is not None:
        done.append(_targeted(campaign_targets, as_of))
    if responses is not None:
        done.append(_redeemed(responses, as_of))
    registered = customers.where(F.coalesce("registered_on", F.lit(as_of)) <= F.lit(as_of))
    everyone = reduce(DataFrame.union, [frame.select("customer_id") for frame in [registered, *done]]).distinct()
    declared = customers.select("customer_id", "age_band", "income_band", "household_size")
    joined = reduce(lambda left, right: left.join(right, "customer_id", "left"), [*done, declared], everyone)
    return conform(_with_zeros(joined), PROFILE)


def liked_departments(profile: DataFrame) -> DataFrame:
    """Return ``department_affinity`` of ``PROFILE`` as the aligned lists ``likes`` (departments) and ``lift``."""
    lift = F.map_values("department_affinity").cast("array<double>")
    return profile.select("customer_id", F.map_keys("department_affinity").alias("likes"), lift.alias("lift"))


def _with_zeros(joined: DataFrame) -> DataFrame:
    """Turn what a customer did not do into zeros, and add what needs them."""
    zeros: dict[str, Column] = {
        name: F.coalesce(name, F.lit(0)) if name in joined.columns else F.lit(0)
        for name in PROFILE.names
        if name.startswith(COUNTS)
    }
    trend = F.log((1 + 3 * F.col("baskets_28")) / (1 + F.col("baskets_84")))
    return joined.withColumns(zeros).withColumns({"trend_28": trend, "is_cold": F.col("baskets_total") < 2})


def _variety(bought: DataFrame, as_of: date) -> DataFrame:
    """Count the distinct product types of each customer."""
    last_on = F.max("ordered_on").alias("ordered_on")
    latest = bought.where("bought").groupBy("customer_id", "product_type").agg(last_on)
    return latest.groupBy("customer_id").agg(
        F.count_if(within(as_of, 84)).alias("types_84"), F.count("*").alias("types_total")
    )


def _departments(year: DataFrame) -> DataFrame:
    """Find each customer's main department, and the affinity index of each.

    The lift is (n s + k) / (n p + k): n the customer's lines, s the department's share of their spend, p its share
    of all spend, k = ``PRIOR_LINES``, so that few lines or a rare department say little. Products not counted in
    pieces (fuel) have no part in it; ties go to the first department by name.
    """
    spent = (
        year.where("counted and department is not null")
        .groupBy("customer_id", "department")
        .agg(F.sum("amount").alias("amount"), F.count("*").alias("lines"))
        .where("amount > 0")
    )
    base = spent.groupBy("department").agg(F.sum("amount").alias("base_amount"))
    base = base.crossJoin(base.agg(F.sum("base_amount").alias("base_total")))
    own = spent.groupBy("customer_id").agg(F.sum("amount").alias("own_total"), F.sum("lines").alias("own_lines"))
    share, base_share = F.col("amount") / F.col("own_total"), F.col("base_amount") / F.col("base_total")
    lift = (F.col("own_lines") * share + PRIOR_LINES) / (F.col("own_lines") * base_share + PRIOR_LINES)
    entry = F.struct("department", lift.cast("decimal(12,2)").cast("string"))
    return (
        spent.join(F.broadcast(base), "department")
        .join(own, "customer_id")
        .groupBy("customer_id")
        .agg(
            F.min_by("department", F.struct(-F.col("amount"), "department")).alias("top_department"),
            F.map_from_entries(F.sort_array(F.collect_list(entry))).alias("department_affinity"),
        )
    )


def _targeted(campaign_targets: DataFrame, as_of: date) -> DataFrame:
    return (
        campaign_targets.where(until(as_of, "targeted_on"))
        .groupBy("customer_id")
        .agg(F.count_distinct("campaign_id").alias("campaigns_total"))
    )


def _redeemed(responses: DataFrame, as_of: date) -> DataFrame:
    recent = within(as_of, 84, "responded_on")
    return (
        responses.where((F.col("kind") == REDEEMED) & until(as_of, "responded_on"))
        .groupBy("customer_id")
        .agg(F.count("*").alias("responses_total"), F.count_if(recent).alias("responses_84"))
    )
