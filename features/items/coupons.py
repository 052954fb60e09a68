"""How close each coupon that is valid tomorrow is to each customer it is meant for."""

from __future__ import annotations

from datetime import date, timedelta

from pyspark.sql import DataFrame, functions as F

from conf.tables.canonical import REDEEMED
from conf.tables.features import COUPON_AFFINITY
from features.lines import lines, money, until, within
from features.schemas import conform

#: what stays null: a type of nothing, days since never
NULLABLE = ("scope_main_type", "scope_days_since_last")


def coupon_affinity(
    order_lines: DataFrame,
    products: DataFrame,
    offers: DataFrame,
    offer_products: DataFrame,
    campaigns: DataFrame,
    campaign_targets: DataFrame,
    responses: DataFrame,
    as_of: date,
) -> DataFrame:
    """Describe every pair of a customer and a coupon the customer could take tomorrow.

    Args:
        order_lines: ``ORDER_LINES``; lines after ``as_of`` are ignored.
        products: ``PRODUCTS``.
        offers: ``OFFERS``; those of kind ``coupon`` that are valid on the day after ``as_of`` count.
        offer_products: ``OFFER_PRODUCTS``.
        campaigns: ``CAMPAIGNS``.
        campaign_targets: ``CAMPAIGN_TARGETS``; those up to ``as_of`` count.
        responses: ``RESPONSES``; those of kind ``redeemed`` up to ``as_of`` count.
        as_of: last day the features may see.

    Returns:
        ``COUPON_AFFINITY``; one row per targeted customer and coupon. Lines meet only the scopes of campaigns that
        target their customer: O(lines of targeted customers x coupons of theirs that share a product).
    """
    valid = _valid(offers, campaigns, as_of)
    targets = campaign_targets.where(until(as_of, "targeted_on")).select("campaign_id", "customer_id").distinct()
    meant = valid.join(targets, "campaign_id")
    scope = offer_products.join(F.broadcast(valid.select("offer_id", "campaign_id")), "offer_id").distinct()
    seen = lines(order_lines, products).where(until(as_of))
    active = meant.select("customer_id", "campaign_id").distinct()
    history = _history(seen.join(active, "customer_id").join(scope, ["campaign_id", "product_id"]), as_of)
    pairs = (
        meant.join(_scopes(scope, products, seen), "offer_id", "left")
        .join(_demand(seen.where(within(as_of, 28)).join(scope, "product_id")), "offer_id", "left")
        .join(history, ["customer_id", "offer_id"], "left")
    )
    redeemed = responses.where((F.col("kind") == REDEEMED) & until(as_of, "responded_on"))
    return conform(_with_zeros(_with_responses(pairs, redeemed, offers)), COUPON_AFFINITY)


def _valid(offers: DataFrame, campaigns: DataFrame, as_of: date) -> DataFrame:
    tomorrow = F.lit(as_of + timedelta(days=1))
    kinds = campaigns.select("campaign_id", F.col("kind").alias("campaign_kind"))
    return (
        offers.where((F.col("kind") == "coupon") & tomorrow.between(F.col("valid_from"), F.col("valid_to")))
        .join(kinds, "campaign_id", "left")
        .select(
            "offer_id",
            "campaign_id",
            "campaign_kind",
            "valid_to",
            F.datediff("valid_to", F.lit(as_of)).alias("days_left"),
            F.datediff(F.lit(as_of), "valid_from").alias("days_running"),
        )
    )


def _scopes(scope: DataFrame, products: DataFrame, seen: DataFrame) -> DataFrame:
    """Describe what each coupon covers; ties of the main type go to the first by name."""
    sold = seen.groupBy("product_id").agg(F.sum("amount").alias("amount"))
    by_type = (
        scope.join(products.select("product_id", "product_type"), "product_id", "left")
        .join(sold, "product_id", "left")
        .groupBy("offer_id", "product_type")
        .agg(F.count("*").alias("products"), F.coalesce(F.sum("amount"), F.lit(0)).alias("amount"))
    )
    order = F.when(F.col("product_type").isNotNull(), F.struct(-F.col("amount"), "product_type"))
    return by_type.groupBy("offer_id").agg(
        F.sum("products").alias("scope_products"),
        F.count("product_type").alias("scope_types"),
        F.min_by("product_type", order).alias("scope_main_type"),
    )


def _demand(covered: DataFrame) -> DataFrame:
    """Count who bought in each scope, targeted or not, and what a buyer spent there."""
    buyers = (
        covered.groupBy("offer_id", "customer_id")
        .agg(F.sum("amount").alias("amount"), F.max("is_sale").alias("bought"))
        .where("bought")
    )
    return buyers.groupBy("offer_id").agg(
        F.count("*").alias("scope_buyers_28"),
        money(F.sum(F.greatest("amount", F.lit(0))) / F.count("*")).alias("scope_spend_per_buyer_28"),
    )


def _history(covered: DataFrame, as_of: date) -> DataFrame:
    """Summarise each customer's own purchases in the scopes of the coupons meant for them."""
    bought = F.col("bought")
    return (
        covered.groupBy("customer_id", "offer_id", "order_id", "ordered_on")
        .agg(F.sum("amount").alias("amount"), F.max("is_sale").alias("bought"))
        .groupBy("customer_id", "offer_id")
        .agg(
            *(F.count_if(bought & within(as_of, days)).alias(f"scope_baskets_{days}") for days in (28, 84)),
            F.count_if(bought).alias("scope_baskets_total"),
            money(F.sum(F.when(within(as_of, 84), F.col("amount")))).alias("scope_spend_84"),
            F.datediff(F.lit(as_of), F.max(F.when(bought, F.col("ordered_on")))).alias("scope_days_since_last"),
        )
    )


def _with_responses(pairs: DataFrame, redeemed: DataFrame, offers: DataFrame) -> DataFrame:
    """Count redemptions of the coupon, by the customer, by the customer in the campaign, and of the very pair."""
    in_campaign = redeemed.join(offers.select("offer_id", "campaign_id"), "offer_id")
    for name, rows, key in (
        ("offer_responses", redeemed, ["offer_id"]),
        ("customer_responses_total", redeemed, ["customer_id"]),
        ("customer_responses_campaign", in_campaign, ["customer_id", "campaign_id"]),
        ("own_responses", redeemed, ["customer_id", "offer_id"]),
    ):
        pairs = pairs.join(rows.groupBy(*key).agg(F.count("*").alias(name)), key, "left")
    return pairs


def _with_zeros(pairs: DataFrame) -> DataFrame:
    counts = [name for name in pairs.columns if name.startswith("scope_") and name not in NULLABLE]
    responses = [name for name in pairs.columns if name.endswith(("_responses", "_total", "_campaign"))]
    return pairs.fillna(0, [*counts, *responses]).withColumn("already_redeemed", F.col("own_responses") > 0)
