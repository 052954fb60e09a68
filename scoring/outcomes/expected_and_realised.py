"""Expected against realised purchases, redemptions and value of a night's offers, both as the scores define them.

A purchase is one of the product type within the horizon. The value of a product type is spend x margin - cost, that of
a coupon, if it is redeemed, spend in the scope x margin - discount, else 0. ``expected_value`` (``arbitration``) is its
expectation. Both sums agree, except for chance, if
probabilities are calibrated and buyers spend as expected. Margins and costs are the same assumptions on both sides. A
purchase counts for every offer of the customer whose scope it is in.
"""

from __future__ import annotations

import math

from pyspark.sql import DataFrame, functions as F

from conf.settings.schema import Offers
from scoring.offers.arbitration import TYPE_PREFIX
from scoring.outcomes.outcomes import ALL, either_slice

PURCHASES, REDEMPTIONS, VALUE = "purchases", "redemptions", "value"
#: figures of every kind of offer
FIGURES: dict[str, tuple[str, ...]] = {
    "product_type": (PURCHASES, VALUE),
    "coupon": (REDEMPTIONS, VALUE),
}
#: a figure's sums over the offers are named by these and the figure, their ratio by the figure and the last one
EXPECTED, REALISED, RATIO = "expected_", "realised_", "_ratio"
_KEYS = ["customer_id", "offer_id"]


def names(figure: str) -> tuple[str, str, str]:
    """Return the metrics of a figure: its expected sum, the realised one, and realised / expected."""
    return f"{EXPECTED}{figure}", f"{REALISED}{figure}", f"{figure}{RATIO}"


#: every metric of this kind
METRICS = frozenset(name for figure in (PURCHASES, REDEMPTIONS, VALUE) for name in names(figure))


def verdict(low: float, high: float) -> str:
    """Return, by the interval of realised / expected, whether ``more`` or ``less`` came than expected, beyond chance.

    >>> verdict(0.98, 1.12), verdict(math.nan, math.nan)
    ('as expected', 'too few to tell')
    """
    if math.isnan(low) or math.isnan(high):
        return "too few to tell"
    return "more" if low > 1 else "less" if high < 1 else "as expected"


def expected_and_realised(
    offers: DataFrame, types: DataFrame, scopes: DataFrame, redeemed: DataFrame, rules: Offers
) -> DataFrame:
    """Sum up, per customer, what offers were expected to bring and what they brought.

    Args:
        offers: ``NEXT_BEST_OFFER`` of the night.
        types: product types bought within the horizon (:func:`features.customers.labels.type_purchases`).
        scopes: scopes of coupons bought in (:func:`features.customers.labels.scope_purchases`).
        redeemed: ``customer_id``, ``offer_id``, ``discount`` (null: the assumed one); distinct.
        rules: margins, cost and assumed discount, as when the night was scored.

    Returns:
        ``customer_id``, ``offer_kind``, ``slice`` and ``expected_``, ``realised_`` of every figure in :data:`FIGURES`
        (redemptions of product types are 0).
    """
    offer = F.concat(F.lit(TYPE_PREFIX), F.col("product_type")).alias("offer_id")
    spent = types.select("customer_id", offer, "spend").unionByName(scopes.select(*_KEYS, "spend"))
    taken = redeemed.select(
        *_KEYS, F.coalesce(F.col("discount").cast("double"), F.lit(rules.coupons.discount)).alias("off")
    )
    rows = offers.join(spent, _KEYS, "left").join(taken, _KEYS, "left")
    coupon = F.col("offer_kind") == "coupon"
    margin = F.when(coupon, rules.coupons.margin).otherwise(rules.product_types.margin)
    cost = F.when(coupon, F.col("off")).otherwise(rules.product_types.cost)
    realised = F.coalesce("spend", F.lit(0.0)) * margin - cost
    pairs = {
        PURCHASES: (F.col("propensity"), F.col("spend").isNotNull().cast("double")),
        REDEMPTIONS: (F.coalesce("response_probability", F.lit(0.0)), F.col("off").isNotNull().cast("double")),
        VALUE: (F.col("expected_value"), F.coalesce(realised, F.lit(0.0))),
    }
    sums = [
        F.sum(column).alias(f"{side}{figure}")
        for figure, both in pairs.items()
        for side, column in zip((EXPECTED, REALISED), both, strict=True)
    ]
    parts = F.explode(F.array(F.lit(ALL), either_slice("is_discovery"))).alias("slice")
    return rows.select("*", parts).groupBy("customer_id", "offer_kind", "slice").agg(*sums)
