"""What a night says of each customer: segment, churn, value, and whether he may be contacted."""

from __future__ import annotations

from pyspark.sql import Column, DataFrame, functions as F

from conf.published import CUSTOMER_SCORES
from features.schemas import conform
from scoring.arbitration import PLACES
from scoring.churn_reasons import churn_reasons
from scoring.predictions import Packed, with_drivers

#: shares of the scored customers, by falling churn probability
HIGH, MIDDLE = 0.1, 0.3
#: share of the customers that count as valuable
VALUABLE = 0.25
_ROUNDED = ("spend_84", "spend_365", "discount_share_365", "private_brand_share_84", "store_loyalty", "leakage")


def churn_scores(told: DataFrame, model: Packed | None, active_days: int) -> DataFrame:
    """Score the customers with a purchase in the last ``active_days`` days.

    The borders of the bands are two numbers that the driver collects.

    Args:
        told: the model's inputs, from ``PROFILE`` or ``RHYTHM``: ``customer_id`` and ``recency_days`` among them.
        model: the churn model, or None: nobody is scored.
        active_days: from the churn label.

    Returns:
        ``customer_id``, ``churn_probability``, ``churn_band``, ``churn_reasons``.
    """
    active = told.where(F.col("recency_days") < active_days)
    if model is None:
        nothing = F.lit(None).cast("string")
        return active.limit(0).select(
            "customer_id",
            F.lit(None).cast("double").alias("churn_probability"),
            nothing.alias("churn_band"),
            nothing.alias("churn_reasons"),
        )
    scored = with_drivers(active, model, "churn_probability", "drivers").select(
        "customer_id",
        F.round("churn_probability", PLACES).alias("churn_probability"),
        churn_reasons(F.col("drivers"), list(model.meta.inputs)).alias("churn_reasons"),
    )
    scored = scored.persist()
    high, middle = _percentiles(scored, F.col("churn_probability"), 1 - HIGH, 1 - MIDDLE)
    band = (
        F.when(F.col("churn_probability") >= high, "high")
        .when(F.col("churn_probability") >= middle, "middle")
        .otherwise("low")
    )
    return scored.withColumn("churn_band", band)


def customer_scores(profile: DataFrame, segments: DataFrame, rights: DataFrame, churn: DataFrame, ds: str) -> DataFrame:
    """Put together what the night says of each customer.

    Args:
        profile: ``PROFILE`` beside ``INTERESTS``.
        segments: ``SEGMENTS``; a customer without one is in the segment ``none``.
        rights: from :func:`scoring.policy.contact_rights`.
        churn: from :func:`churn_scores`.
        ds: the night, ISO 8601.

    Returns:
        ``CUSTOMER_SCORES``; one row per customer of the profile.
    """
    spend = F.coalesce("spend_90", F.lit(0.0))
    (border,) = _percentiles(profile, spend, 1 - VALUABLE)
    rows = (
        profile.join(segments.select("customer_id", "segment_id", "segment_name"), "customer_id", "left")
        .join(rights, "customer_id", "left")
        .join(churn, "customer_id", "left")
        .withColumns(
            {
                "ds": F.lit(ds).cast("date"),
                "segment_id": F.coalesce("segment_id", F.lit("none")),
                "segment_name": F.coalesce("segment_name", F.lit("no segment")),
                "expected_spend": F.round(spend, PLACES),
                "is_valuable": (spend >= border) & (spend > 0),
                **{name: F.round(name, PLACES) for name in _ROUNDED},
            }
        )
    )
    return conform(rows, CUSTOMER_SCORES)


def _percentiles(rows: DataFrame, value: Column, *shares: float) -> list[float]:
    """Return exact percentiles of a column, zeros where there is no row."""
    found = rows.agg(F.percentile(value, F.array(*(F.lit(share) for share in shares)))).first()
    return list(found[0]) if found and found[0] else [0.0] * len(shares)
