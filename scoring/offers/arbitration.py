"""Chooses and orders a customer's offers of the night.

1. Coupons compete with coupons: the ``offers.coupons.max_per_customer`` most likely to be redeemed are taken.
2. Product types fill the other places, the most likely to be bought first; ``offers.product_types.discoveries`` of
   them are kept for the likeliest types that the customer never bought: what they buy anyway would take all places.
3. The chosen offers are shown by expected value; ties by propensity, then by offer id.

A coupon's redemption (one or two in a hundred) and a purchase of milk (nine in ten) are not compared: a list ordered
by probability would never hold a coupon, and a list chosen by value would hold only the widest coupons.

Expected value, in the source's currency: of a product type P(buys it) x expected spend x margin - cost; of a coupon
P(redeems it) x (expected spend in the scope x margin - discount). Margin,
cost and, where the source does not know it, the discount are assumptions of ``conf/offers.yml``.
"""

from __future__ import annotations

from pyspark.sql import Column, DataFrame, Window, functions as F

from conf.settings.schema import Offers

#: decimals of what is published
PLACES = 6
TYPE_PREFIX = "type:"


def value_product_types(rows: DataFrame, offers: Offers) -> DataFrame:
    """Add expected spend and value to customers' product types.

    The spend expected of a buyer in 28 days is the customer's own mean over the 28-day windows with a purchase, with
    the mean of all buyers as one more window. A customer who bought nothing of it in 84 days is expected to spend what
    new buyers spend: they have less of the window left, and take less at first.

    Args:
        rows: ``product_type``, ``propensity``, ``pair_spend_84``, ``pair_baskets_84``, ``type_spend_per_buyer_28``,
            ``type_spend_per_new_buyer_28``.
        offers: margin and cost.

    Returns:
        ``rows`` with ``offer_id``, ``offer_kind``, ``expected_spend``, ``expected_value``; propensity rounded.
    """
    rules = offers.product_types
    buyers = F.when(F.col("pair_baskets_84") > 0, F.col("type_spend_per_buyer_28"))
    rows = rows.withColumn("_all_buyers", buyers.otherwise(F.col("type_spend_per_new_buyer_28")))
    spend = _blend("pair_spend_84", "pair_baskets_84", "_all_buyers")
    rows = rows.withColumn("propensity", F.round("propensity", PLACES))
    rows = rows.withColumn("expected_spend", F.round(spend, PLACES))
    value = F.col("propensity") * F.col("expected_spend") * rules.margin - rules.cost
    return rows.withColumns(
        {
            "offer_id": F.concat(F.lit(TYPE_PREFIX), F.col("product_type")),
            "offer_kind": F.lit("product_type"),
            "expected_value": F.round(value, PLACES),
        }
    ).drop("_all_buyers")


def value_coupons(rows: DataFrame, offers: Offers) -> DataFrame:
    """Add expected spend and value to customers' coupons; the cost is the discount if it is redeemed.

    Args:
        rows: ``scope_probability`` (buys in the scope), ``response_probability`` (redeems), ``scope_spend_84``,
            ``scope_baskets_84``, ``scope_spend_per_buyer_28`` and ``offer_discount`` (null: the assumed one).
        offers: margin and assumed discount.

    Returns:
        ``rows`` with ``offer_kind``, ``propensity`` (that of the response: what is shown, sorted and valued),
        ``expected_spend``, ``expected_value``; probabilities rounded.
    """
    rules = offers.coupons
    spend = _blend("scope_spend_84", "scope_baskets_84", "scope_spend_per_buyer_28")
    rows = rows.withColumns(
        {
            "propensity": F.round("response_probability", PLACES),
            "response_probability": F.round("response_probability", PLACES),
            "expected_spend": F.round(spend, PLACES),
            "offer_kind": F.lit("coupon"),
        }
    )
    gain = F.col("expected_spend") * rules.margin - F.coalesce("offer_discount", F.lit(rules.discount))
    value = F.col("response_probability") * gain
    return rows.withColumn("expected_value", F.round(value, PLACES))


def rank_product_types(rows: DataFrame, discoveries: int = 0) -> DataFrame:
    """Rank each customer's product types by propensity, then expected value, then id.

    Args:
        rows: valued product types with ``is_discovery`` and ``removed_by``.
        discoveries: how many types that the customer never bought come first among the offers.

    Returns:
        ``rows`` with ``rank`` (among all), ``rank_in_slice`` (among types bought before, or never bought) and
        ``offer_rank`` (among types that no rule removes, reserved discoveries first; null for removed types).
    """
    order = [F.desc("propensity"), F.desc("expected_value"), F.asc("offer_id")]
    removed = F.col("removed_by").isNotNull()
    everything = Window.partitionBy("customer_id").orderBy(*order)
    in_slice = Window.partitionBy("customer_id", "is_discovery").orderBy(*order)
    of_kind = Window.partitionBy("customer_id", removed, "is_discovery").orderBy(*order)
    kept = F.col("is_discovery") & (F.row_number().over(of_kind) <= discoveries)
    allowed = Window.partitionBy("customer_id", removed).orderBy(F.desc("_kept"), *order)
    ranked = rows.withColumn("_kept", kept).withColumns(
        {
            "rank": F.row_number().over(everything),
            "rank_in_slice": F.row_number().over(in_slice),
            "offer_rank": F.when(~removed, F.row_number().over(allowed)),
        }
    )
    return ranked.drop("_kept")


def choose(product_types: DataFrame, coupons: DataFrame | None, offers: Offers) -> DataFrame:
    """Return each customer's offers of the night in their final order.

    Args:
        product_types: from :func:`rank_product_types`.
        coupons: valued coupons with ``removed_by``, or None.
        offers: numbers of offers.

    Returns:
        The chosen rows of both (columns that only one side has are null on the other) with ``rank`` from 1; at most
        ``offers.per_customer`` a customer, and no fewer where so many product types may be offered.
    """
    types = product_types.drop("rank").where(F.col("offer_rank") <= offers.per_customer)
    if coupons is None or offers.coupons.max_per_customer == 0:
        chosen = types
    else:
        best = Window.partitionBy("customer_id").orderBy(
            F.desc("response_probability"), F.desc("expected_value"), F.desc("scope_probability"), F.asc("offer_id")
        )
        places = min(offers.coupons.max_per_customer, offers.per_customer)
        taken = coupons.where("removed_by is null").withColumn("offer_rank", F.row_number().over(best))
        taken = taken.where(F.col("offer_rank") <= places)
        both = types.unionByName(taken, allowMissingColumns=True)
        coupons_of_customer = F.count_if(F.col("offer_kind") == "coupon").over(Window.partitionBy("customer_id"))
        both = both.withColumn("_coupons", coupons_of_customer)
        is_coupon = F.col("offer_kind") == "coupon"
        chosen = both.where(is_coupon | (F.col("offer_rank") + F.col("_coupons") <= offers.per_customer))
        chosen = chosen.drop("_coupons")
    final = Window.partitionBy("customer_id").orderBy(F.desc("expected_value"), F.desc("propensity"), F.asc("offer_id"))
    return chosen.withColumn("rank", F.row_number().over(final))


def _blend(spend_84: str, baskets_84: str, all_buyers: str) -> Column:
    """Return the customer's own spend per 28-day window with a purchase, the mean of all buyers as one more window.

    Baskets that fall on three windows at random leave some of them empty: b baskets meet 3 (1 - (2/3)^b) windows.
    """
    baskets = F.coalesce(F.col(baskets_84).cast("double"), F.lit(0.0))
    windows = 3.0 * (1.0 - F.pow(F.lit(2.0 / 3.0), baskets))
    own = F.when(baskets > 0, F.coalesce(F.col(spend_84).cast("double"), F.lit(0.0))).otherwise(0.0)
    return (own + F.coalesce(F.col(all_buyers).cast("double"), F.lit(0.0))) / (windows + 1.0)
