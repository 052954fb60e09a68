"""Puts beside a customer's product types when, and whether, their buyers buy them again."""

from __future__ import annotations

from pyspark.sql import DataFrame, functions as F

from features.repurchase import renewed


def with_repeats(candidates: DataFrame, repurchase: DataFrame, horizon: int) -> DataFrame:
    """Add what is known of repeats.

    Args:
        candidates: ``product_type``, ``pair_baskets_total`` and ``pair_days_since_last``.
        repurchase: ``REPURCHASE``, some thousand rows; a type that is not in it gets nulls.
        horizon: days ahead.

    Returns:
        ``candidates`` with ``type_renewable``, ``type_interval_days`` (median of those who return),
        ``type_repeat_year`` and, where the customer has bought it, ``renewal_probability``: P(buyers of the type buy it
        again within ``horizon`` days, so long after their last purchase).
    """
    told = repurchase.select(
        "product_type", "interval_days", "interval_spread", "repeat_ever",
        F.col("renewable").alias("type_renewable"), F.col("repeat_year").alias("type_repeat_year"),
    )  # fmt: skip
    rows = candidates.join(F.broadcast(told), "product_type", "left")
    bought = F.coalesce(F.col("pair_baskets_total"), F.lit(0)) > 0
    due = F.when(bought, renewed(F.col("pair_days_since_last").cast("double"), horizon))
    rows = rows.withColumns({"renewal_probability": due, "type_interval_days": F.col("interval_days")})
    return rows.drop("interval_days", "interval_spread", "repeat_ever")
