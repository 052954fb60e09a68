"""From candidates and coupons to the published list of offers of every customer."""

from __future__ import annotations

from datetime import date

from pyspark.sql import DataFrame, functions as F

from conf.settings.schema import Offers, Policy
from conf.tables.offers import NEXT_BEST_OFFER
from features.schemas import conform
from scoring.offers.arbitration import choose, rank_product_types, value_coupons, value_product_types
from scoring.offers.policy import UNPROFITABLE, mark_coupons, mark_product_types
from scoring.offers.reasons import offer_title, reason, reason_codes, with_partner
from scoring.predictions import Packed, with_probabilities, with_split_probability

#: product types kept per customer for the offers and for measuring: overall, and among repeats or discoveries
TOP, TOP_OF_SLICE = 10, 5
#: digits of a model's SHA-256 that a row names
HASH = 12
#: stand for the rankers and for the models of coupons where none is trained
LEARNT_RATES, BASELINE = "baseline:repeat_rates", "baseline:personal_frequency"


def product_type_ranking(
    candidates: DataFrame,
    rankers: dict[bool, Packed],
    contacts: DataFrame | None,
    offers: Offers,
    policy: Policy,
    day: date,
) -> DataFrame:
    """Score, value and rank the candidates of every customer.

    Args:
        candidates: from :func:`scoring.offers.untrained.with_learnt_propensity`.
        rankers: models of P(buys the type within the horizon) for what the customer bought before (False) and for
            discoveries (True); without them, the candidates' own ``propensity`` stays.
        contacts: as for :func:`scoring.offers.policy.contact_rights`.
        offers: margins and numbers.
        policy: the repeat rule.
        day: the night.

    Returns:
        The best candidates with ``propensity``, ``expected_value``, ``rank``, ``rank_in_slice``, ``offer_rank``,
        ``is_discovery`` and the columns that reasons need.
    """
    rows = candidates.withColumn("is_discovery", F.coalesce("pair_baskets_total", F.lit(0.0)) == 0)
    scored = with_split_probability(rows, "propensity", "is_discovery", rankers)
    valued = mark_product_types(value_product_types(scored, offers), contacts, policy, day)
    ranked = rank_product_types(valued, offers.product_types.discoveries)
    return ranked.where(
        (F.col("rank") <= TOP) | (F.col("rank_in_slice") <= TOP_OF_SLICE) | (F.col("offer_rank") <= offers.per_customer)
    )


def scored_coupons(
    rows: DataFrame,
    response: Packed | None,
    scope: Packed | None,
    offers_table: DataFrame,
    targets: DataFrame,
    contacts: DataFrame | None,
    offers: Offers,
    policy: Policy,
    day: date,
) -> DataFrame:
    """Score and value the customers' coupons, and mark which cannot be offered.

    Args:
        rows: from :func:`scoring.offers.coupons.coupon_rows`.
        response: P(redeems within the horizon), or None: it rises with the scope's probability.
        scope: P(buys in the scope within the horizon), or None: personal frequency in the scope is used.
        offers_table: ``OFFERS``.
        targets: ``CAMPAIGN_TARGETS``.
        contacts: as for :func:`scoring.offers.policy.contact_rights`.
        offers: margin and assumed discount.
        policy: the repeat rule.
        day: the night.

    Returns:
        ``rows`` with probabilities, value, ``removed_by`` (null: may be offered), ``is_discovery`` and ``source``.
    """
    models = {"scope_probability": scope, "response_probability": response}
    rows = with_probabilities(rows, {name: model for name, model in models.items() if model is not None})
    if scope is None:
        rows = rows.withColumn("scope_probability", _frequency(F.col("scope_baskets_84"), F.col("scope_baskets_total")))
    if response is None:  # redemptions are rare: about one in a hundred customers and coupons
        rows = rows.withColumn("response_probability", 0.01 * (0.5 + F.col("scope_probability")))
    marked = mark_coupons(rows, offers_table, targets, contacts, policy, day)
    losing = F.when(F.col("expected_value") <= 0, UNPROFITABLE)
    return value_coupons(marked, offers).withColumns(
        {
            "removed_by": F.coalesce("removed_by", losing),
            "is_discovery": F.coalesce("scope_baskets_total", F.lit(0.0)) == 0,
            "source": F.lit("campaign"),
            "product_type": F.lit(None).cast("string"),
        }
    )


def next_best_offers(
    ranking: DataFrame,
    coupons: DataFrame | None,
    affinity: DataFrame,
    bought_together: DataFrame,
    customers: DataFrame,
    titles: DataFrame,
    models: dict[str, str],
    offers: Offers,
    policy: Policy,
    day: date,
) -> DataFrame:
    """Choose every customer's offers and add titles and reasons.

    Args:
        ranking: from :func:`product_type_ranking`.
        coupons: from :func:`scored_coupons`, or None.
        affinity: ``AFFINITY``.
        bought_together: ``BOUGHT_TOGETHER``.
        customers: ``customer_id``, ``segment_name``, ``treatment``, ``contactable``, ``blocked_by``.
        titles: from :func:`scoring.offers.titles.type_titles`.
        models: offer kind -> ``name:hash`` of its models, joined by ``;``.
        offers: numbers of offers.
        policy: the channel.
        day: the night.

    Returns:
        ``NEXT_BEST_OFFER``.
    """
    chosen = choose(ranking, coupons, offers)
    for name, kind in _SOME_HAVE.items():
        if name not in chosen.columns:
            chosen = chosen.withColumn(name, F.lit(None).cast(kind))
    chosen = with_partner(chosen, bought_together, affinity).join(customers, "customer_id")
    chosen = chosen.join(F.broadcast(titles), "product_type", "left")
    partners = titles.withColumnsRenamed({"product_type": "partner", "type_title": "partner_title"})
    chosen = chosen.join(F.broadcast(partners), "partner", "left")
    named = F.when(F.col("offer_kind") == "coupon", models.get("coupon", "")).otherwise(models["product_type"])
    rows = chosen.select(
        F.lit(day).alias("ds"),
        "*",
        offer_title().alias("_title"),
        reason_codes().alias("reason_codes"),
        reason().alias("reason"),
        F.lit(policy.channel).alias("channel"),
        F.lit(None).cast("double").alias("uplift"),
        F.col("source").alias("candidate_source"),
        named.alias("models"),
    )
    return conform(rows.drop("offer_title").withColumnRenamed("_title", "offer_title"), NEXT_BEST_OFFER)


#: columns that only coupons have, or only product types of a night with repurchase intervals
_SOME_HAVE = {
    "response_probability": "double",
    "valid_to": "date",
    "offer_title": "string",
    "scope_title": "string",
    "scope_baskets_total": "double",
    "scope_days_since_last": "double",
    "offer_responses": "double",
    "days_left": "double",
    "type_interval_days": "double",
    "type_repeat_year": "double",
}


def _frequency(baskets_84: F.Column, baskets_total: F.Column) -> F.Column:
    """1 - exp(-rate), with the rate rising by twice the recent baskets plus all baskets (personal frequency)."""
    score = 2 * F.coalesce(baskets_84.cast("double"), F.lit(0.0)) + F.coalesce(baskets_total.cast("double"), F.lit(0.0))
    return 1 - F.exp(-score / 9)
