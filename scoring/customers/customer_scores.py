"""What a night says of a customer: segment, scores of the models, and whether they may be contacted."""

from __future__ import annotations

from pyspark.sql import Column, DataFrame, functions as F

from conf.settings.schema import Offers
from features.schemas import conform
from scoring.offers.arbitration import PLACES
from training.registry import score_columns
from training.tables import CUSTOMER_SCORES

#: shares of the scored customers, by falling churn probability
HIGH, MIDDLE = 0.1, 0.3
#: classes of value by falling expected spend, a quarter of the customers each; the first counts as valuable
CLASSES = ("A", "B", "C", "D")
QUARTERS = (0.75, 0.5, 0.25)
_ROUNDED = ("spend_84", "spend_365", "discount_share_365", "private_brand_share_84", "store_loyalty", "leakage")
#: lower ends of the interval from which a customer buys only or mostly at a discount; upper end up to which seldom
ONLY, MOSTLY, SELDOM = 0.9, 0.6, 0.4


def discount_bands(discounts: DataFrame) -> DataFrame:
    """Return ``customer_id``, ``discount_dependence`` and ``discount_band`` from ``DISCOUNTS``."""
    low, high = F.col("dependence_low"), F.col("dependence_high")
    band = F.when(low >= ONLY, "only").when(low >= MOSTLY, "mostly").when(high <= SELDOM, "seldom").otherwise("mixed")
    dependence = F.round("dependence", PLACES).alias("discount_dependence")
    return discounts.select("customer_id", dependence, band.alias("discount_band"))


def customer_scores(
    profile: DataFrame, segments: DataFrame, rights: DataFrame, scores: DataFrame, offers: Offers, ds: str
) -> DataFrame:
    """Put together what the night says of customers.

    The borders of bands and classes are a few numbers that the driver collects.

    Args:
        profile: ``PROFILE`` with ``INTERESTS``, the result of :func:`discount_bands` and ``next_action``.
        segments: ``SEGMENTS``; a customer without one is in the segment ``none``.
        rights: from :func:`scoring.offers.policy.contact_rights`.
        scores: from :func:`scoring.customers.series_scores.series_scores`; where no spend is expected of anybody, the
            spend of the last 90 days stands in.
        offers: margin and share of it that offers may cost.
        ds: the night, ISO 8601.

    Returns:
        ``CUSTOMER_SCORES``; one row per customer of the profile.
    """
    scores = profile.select("customer_id", "spend_90").join(scores, "customer_id", "left").persist()
    shares = {"churn_probability": (1 - HIGH, 1 - MIDDLE), "expected_spend": QUARTERS, "spend_90": QUARTERS}
    percentiles = [F.percentile(name, F.array(*map(F.lit, at))).alias(name) for name, at in shares.items()]
    borders = {name: list(values or ()) for name, values in scores.agg(*percentiles).collect()[0].asDict().items()}
    stand_in = "expected_spend" if borders["expected_spend"] else "spend_90"
    spend, margin = F.col(stand_in), offers.product_types.margin * offers.ceiling_share
    scores = scores.select(
        "customer_id",
        *(column.name for column in score_columns() if column.name != "expected_spend"),
        _band(F.col("churn_probability"), borders["churn_probability"], ("high", "middle", "low")).alias("churn_band"),
        F.round(spend, PLACES).alias("expected_spend"),
        _band(spend, borders[stand_in], CLASSES).alias("value_class"),
        F.round(F.col("expected_spend") * margin, PLACES).alias("offer_ceiling"),
    )
    valuable = (F.col("value_class") == CLASSES[0]) & (F.col("expected_spend") > 0)
    rows = (
        profile.join(segments.select("customer_id", "segment_id", "segment_name"), "customer_id", "left")
        .join(rights, "customer_id", "left")
        .join(scores, "customer_id", "left")
        .withColumns(
            {
                "ds": F.lit(ds).cast("date"),
                "segment_id": F.coalesce("segment_id", F.lit("none")),
                "segment_name": F.coalesce("segment_name", F.lit("no segment")),
                "is_valuable": F.coalesce(valuable, F.lit(False)),
                **{name: F.round(name, PLACES) for name in _ROUNDED},
            }
        )
    )
    return conform(rows, CUSTOMER_SCORES)


def _band(value: Column, borders: list[float], names: tuple[str, ...]) -> Column:
    """Return the name of the first band whose border the value reaches, else of the last; null for null."""
    band = F.lit(names[-1])
    for border, name in reversed(list(zip(borders, names[:-1], strict=bool(borders)))):
        band = F.when(value >= F.lit(border), name).otherwise(band)
    return F.when(value.isNotNull(), band)
