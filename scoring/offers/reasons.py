"""Why an offer was chosen: codes and plain sentences.

All sentences are Spark expressions over columns that the scores were made from; every number can be counted again from
the night's tables.
"""

from __future__ import annotations

from pyspark.sql import Column, DataFrame, Window, functions as F

#: baskets from which a purchase counts as a habit
OFTEN = 3
#: a product type is due again between these multiples of its usual interval
DUE = (0.8, 3.0)
#: least share of buyers who buy a type again within a year for its interval to be a reason
RETURNING = 0.5
#: least share of a segment's members who bought a type for its popularity there to be a reason
SEGMENT_SHARE = 0.05
#: a coupon that ends within so many days says so
ENDS_SOON = 7


def with_partner(chosen: DataFrame, bought_together: DataFrame, affinity: DataFrame) -> DataFrame:
    """Add the customer's own product type with the highest confidence for the offered one.

    Args:
        chosen: chosen offers with ``customer_id``, ``product_type`` and ``source``.
        bought_together: ``BOUGHT_TOGETHER``.
        affinity: ``AFFINITY``.

    Returns:
        ``chosen`` with ``partner`` and ``partner_confidence`` (share of the partner's baskets that hold the offered
        type); null unless ``source`` is ``bought_together``.
    """
    pairs = bought_together.where("llr > 0").select(
        F.col("other").alias("product_type"), F.col("product_type").alias("partner"), "confidence"
    )
    recent = affinity.where("baskets_84 > 0").select("customer_id", F.col("product_type").alias("partner"))
    wanted = chosen.where("source = 'bought_together'").select("customer_id", "product_type")
    best = Window.partitionBy("customer_id", "product_type").orderBy(F.desc("confidence"), F.asc("partner"))
    partners = (
        wanted.join(F.broadcast(pairs), "product_type")
        .join(recent, ["customer_id", "partner"])
        .withColumn("_place", F.row_number().over(best))
        .where("_place = 1")
        .select("customer_id", "product_type", "partner", F.col("confidence").alias("partner_confidence"))
    )
    return chosen.join(partners, ["customer_id", "product_type"], "left")


def offer_title() -> Column:
    """Return what the customer would read: the product type, or the coupon and the largest categories of its scope."""
    scope = F.concat(F.lit(": "), F.col("scope_title"))
    coupon = F.concat(F.coalesce("offer_title", F.lit("Coupon")), F.coalesce(scope, F.lit("")))
    return F.when(F.col("offer_kind") == "coupon", coupon).otherwise(F.coalesce("type_title", "product_type"))


def reason_codes() -> Column:
    """Return the codes of an offer's reasons, joined by ``;``, in the order of the sentence."""
    return F.concat_ws(";", *(F.when(condition, code) for code, condition, _ in _reasons()))


def reason() -> Column:
    """Return the reasons of an offer as plain sentences."""
    return F.concat_ws(" ", *(F.when(condition, sentence) for _, condition, sentence in _reasons()))


def count_of(number: Column, noun: str) -> Column:
    """Return ``1 day``, ``2 days``, ``3 redemptions``."""
    number = number.cast("long")
    plural = noun[:-1] + "ies" if noun.endswith("y") and noun[-2] not in "aeiou" else noun + "s"
    return F.concat(number.cast("string"), F.when(number == 1, f" {noun}").otherwise(f" {plural}"))


def percent(name: str) -> Column:
    """Return a share as a whole percentage."""
    whole = F.round(100 * F.col(name)).cast("long")
    return F.when((whole == 0) & (F.col(name) > 0), "Less than 1 %").otherwise(
        F.concat(whole.cast("string"), F.lit(" %"))
    )


def _reasons() -> list[tuple[str, Column, Column]]:
    """Return code, condition and sentence of every reason."""
    is_coupon = F.coalesce(F.col("offer_kind") == "coupon", F.lit(False))
    return [
        *_of_the_coupon(is_coupon),
        *_of_the_history(is_coupon),
        *_of_other_customers(~is_coupon),
        _novelty(is_coupon),
    ]


def _of_the_coupon(is_coupon: Column) -> list[tuple[str, Column, Column]]:
    redeemed = F.coalesce("offer_responses", F.lit(0))
    so_far = F.when(redeemed == 0, "has not been redeemed yet.").otherwise(
        F.concat(F.lit("has been redeemed "), _times(redeemed), F.lit(" so far."))
    )
    targeted = F.concat(F.lit("The running campaign targets this customer; the coupon "), so_far)
    ends = F.concat(F.lit("It ends in "), count_of(F.col("days_left"), "day"), F.lit("."))
    return [
        ("COUPON_TARGETED", is_coupon, targeted),
        ("COUPON_ENDS_SOON", is_coupon & (F.col("days_left") <= ENDS_SOON), ends),
    ]


def _of_the_history(is_coupon: Column) -> list[tuple[str, Column, Column]]:
    times = _bought(is_coupon)
    last = F.when(is_coupon, F.col("scope_days_since_last")).otherwise(F.col("pair_days_since_last"))
    usual = F.when(~is_coupon & (times >= OFTEN), F.round("pair_interval_days").cast("long"))
    bought = F.concat(
        F.when(is_coupon, "Bought in its scope ").otherwise("Bought "),
        _times(times),
        F.when(usual >= 1, F.concat(F.lit(", usually every "), _every(usual))).otherwise(""),
        F.lit("; last bought "),
        _ago(last),
        F.lit("."),
    )
    due = ~is_coupon & (times >= OFTEN) & F.col("pair_due_ratio").between(*DUE)
    type_interval = F.round("type_interval_days").cast("long")
    due_for_type = ~is_coupon & times.between(1, OFTEN - 1) & (F.col("type_repeat_year") >= RETURNING)
    due_for_type = due_for_type & (F.col("pair_days_since_last") / F.col("type_interval_days")).between(*DUE)
    after = F.concat(
        F.lit("It is due again: who buys it is back after about "), count_of(type_interval, "day"), F.lit(".")
    )
    return [
        ("BOUGHT_OFTEN", times >= OFTEN, bought),
        ("BOUGHT_BEFORE", times.between(1, OFTEN - 1), bought),
        ("DUE_AGAIN", due, F.lit("It is due again.")),
        ("DUE_LIKE_OTHERS", due_for_type, after),
    ]


def _of_other_customers(is_type: Column) -> list[tuple[str, Column, Column]]:
    source, partner = F.col("source"), F.col("partner")
    # popular there as counted, not as shrunk: a small segment may have no buyer at all
    counted = F.coalesce(
        F.col("segment_share_28") >= F.greatest("type_popularity_28", F.lit(SEGMENT_SHARE)), F.lit(False)
    )
    together = F.concat(
        percent("partner_confidence"),
        F.lit(" of baskets with "),
        F.lower(F.coalesce("partner_title", "partner")),
        F.lit(", which this customer buys, hold it too."),
    )
    active = F.lit(" of active customers ")
    alike = F.concat(
        F.lit("Customers with similar purchases buy it; "),
        percent("type_popularity_28"),
        active,
        F.lit("did in the last 28 days."),
    )
    in_segment = F.concat(
        percent("segment_share_28"),
        F.lit(' of the customers in the segment "'),
        F.col("segment_name"),
        F.lit('" bought it in the last 28 days.'),
    )
    popular = F.concat(percent("type_popularity_28"), active, F.lit("bought it in the last 28 days."))
    return [
        ("BOUGHT_WITH", is_type & partner.isNotNull(), together),
        ("SIMILAR_CUSTOMERS", is_type & (source == "similar_customers"), alike),
        ("POPULAR_IN_SEGMENT", is_type & (source == "popular_in_segment") & counted, in_segment),
        ("POPULAR", is_type & ((source == "popular") | ((source == "popular_in_segment") & ~counted)), popular),
    ]


def _novelty(is_coupon: Column) -> tuple[str, Column, Column]:
    never = F.when(is_coupon, "This customer never bought anything in its scope.")
    return "NEVER_BOUGHT", _bought(is_coupon) == 0, never.otherwise("This customer never bought it.")


def _bought(is_coupon: Column) -> Column:
    """Return how often the customer bought the product type, or in the coupon's scope."""
    times = F.when(is_coupon, F.col("scope_baskets_total")).otherwise(F.col("pair_baskets_total"))
    return F.coalesce(times, F.lit(0))


def _times(number: Column) -> Column:
    number = number.cast("long")
    return (
        F.when(number == 1, "once")
        .when(number == 2, "twice")
        .otherwise(F.concat(number.cast("string"), F.lit(" times")))
    )


def _every(days: Column) -> Column:
    return F.when(days == 1, "day").otherwise(F.concat(days.cast("string"), F.lit(" days")))


def _ago(days: Column) -> Column:
    days = days.cast("long")
    return (
        F.when(days == 0, "today")
        .when(days == 1, "yesterday")
        .otherwise(F.concat(days.cast("string"), F.lit(" days ago")))
    )
