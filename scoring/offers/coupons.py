"""Inputs of the coupon models: a row for a customer and a coupon whose campaign targets the customer."""

from __future__ import annotations

from pyspark.sql import DataFrame, Window, functions as F

from training.rankers.inputs import BUYER, COUPON


def coupon_rows(coupon_affinity: DataFrame, profile: DataFrame) -> DataFrame:
    """Return the inputs of the coupon models for every customer and coupon.

    Args:
        coupon_affinity: ``COUPON_AFFINITY``, with coupons that the customer has already redeemed: they count among
            the customer's coupons here, and are dropped before training or scoring.
        profile: ``PROFILE`` of the same day.

    Returns:
        The columns of ``COUPON_AFFINITY``, ``COUPON_INPUTS`` and ``RESPONSE_INPUTS`` (doubles), one row per
        customer and coupon.
    """
    customer = profile.select("customer_id", *(F.col(name).cast("double").alias(f"customer_{name}") for name in BUYER))
    rows = coupon_affinity.join(customer, "customer_id", "left")
    by_customer, by_campaign = Window.partitionBy("customer_id"), Window.partitionBy("customer_id", "campaign_id")
    rows = rows.withColumn("scope_frequency", frequency().cast("double"))
    alike = Window.partitionBy("customer_id", "campaign_id", "scope_frequency")
    before = F.rank().over(by_campaign.orderBy(F.desc("scope_frequency")))
    best = F.max("scope_frequency").over(by_campaign)
    own = (F.col("scope_baskets_total") + 0.5) / (F.col("customer_baskets_total") + 5)
    return rows.withColumns(
        {
            **{name: F.col(name).cast("double") for name in COUPON},
            "scope_share_84": _ratio("scope_baskets_84", "customer_baskets_84"),
            "scope_share_total": _ratio("scope_baskets_total", "customer_baskets_total"),
            "scope_spend_share_84": _ratio("scope_spend_84", "customer_spend_84"),
            "response_rate": _ratio("customer_responses_total", "customer_campaigns_total"),
            "campaign_coupons": F.count("*").over(by_campaign).cast("double"),
            "open_coupons": F.count("*").over(by_customer).cast("double"),
            # among the customer's coupons of the campaign; ties get their mean rank
            "scope_rank": before + (F.count("*").over(alike) - 1) / 2,
            "scope_lead": F.col("scope_frequency") / F.nullif(best, F.lit(0.0)),
            # the customer's share of baskets in the scope against the number of its buyers, as logarithms
            "scope_lift": F.log(own) - F.log(F.col("scope_buyers_28") + 2),
        }
    )


def frequency() -> F.Column:
    """Return personal frequency in the coupon's scope: twice the baskets of 84 days plus all baskets."""
    return 2 * F.col("scope_baskets_84") + F.col("scope_baskets_total")


def _ratio(above: str, below: str) -> F.Column:
    """Divide; null where the divisor is 0 or null."""
    return F.col(above).cast("double") / F.nullif(F.col(below).cast("double"), F.lit(0.0))
