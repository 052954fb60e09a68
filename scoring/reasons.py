"""Why an offer was chosen, and what drives a customer's churn probability: codes and plain sentences.

All sentences are Spark expressions over columns that the scores were made from, so each number in them is the one the
models saw.
"""

from __future__ import annotations

from pyspark.sql import Column, DataFrame, Window, functions as F

#: baskets from which a purchase counts as a habit
OFTEN = 3
#: from this share of its usual interval on, a product type is due again; long overdue ones are not
DUE = (0.8, 3.0)
#: days from which a coupon's end is worth a word
ENDS_SOON = 7


def readable(text: Column) -> Column:
    """Return ``FLUID MILK WHITE ONLY`` as ``Fluid milk white only``."""
    return F.concat(F.upper(F.substring(text, 1, 1)), F.lower(F.substr(text, F.lit(2))))


def with_partner(chosen: DataFrame, bought_together: DataFrame, affinity: DataFrame) -> DataFrame:
    """Add the customer's own product type that speaks most for an offered one.

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
    """Return what the customer would read: the product type, or the coupon and what it is for."""
    more = F.col("scope_types") - 1
    scope = F.concat(
        F.lit(": "),
        readable(F.col("scope_main_type")),
        F.when(more > 0, F.concat(F.lit(" and "), _count(more, "other product type"))).otherwise(""),
    )
    coupon = F.concat(F.coalesce("offer_title", F.lit("Coupon")), F.coalesce(scope, F.lit("")))
    return F.when(F.col("offer_kind") == "coupon", coupon).otherwise(readable(F.col("product_type")))


def reason_codes() -> Column:
    """Return the codes of an offer's reasons, joined by ``;``, in the order of the sentence."""
    return _joined(";", *(F.when(condition, code) for code, condition, _ in _reasons()))


def reason() -> Column:
    """Return the reasons of an offer as plain sentences."""
    return _joined(" ", *(F.when(condition, sentence) for _, condition, sentence in _reasons()))


def _reasons() -> list[tuple[str, Column, Column]]:
    """Code, condition and sentence of every reason."""
    coupon = F.coalesce(F.col("offer_kind") == "coupon", F.lit(False))
    times = F.coalesce(F.when(coupon, F.col("scope_baskets_total")).otherwise(F.col("pair_baskets_total")), F.lit(0))
    last = F.when(coupon, F.col("scope_days_since_last")).otherwise(F.col("pair_days_since_last"))
    usual = F.when(~coupon, F.round("pair_interval_days").cast("long"))
    where = F.when(coupon, "Bought in its scope ").otherwise("Bought ")
    rhythm = F.when(usual >= 1, F.concat(F.lit(", usually every "), _every(usual))).otherwise("")
    bought = F.concat(where, _times(times), rhythm, F.lit("; last bought "), _ago(last), F.lit("."))
    due = ~coupon & (times >= OFTEN) & F.col("pair_due_ratio").between(*DUE)
    source = F.coalesce("source", F.lit(""))
    fresh = times == 0
    return [
        (
            "COUPON_TARGETED",
            coupon,
            F.concat(
                F.lit("The running campaign targets this customer; the coupon has been redeemed "),
                _times(F.coalesce("offer_responses", F.lit(0))),
                F.lit(" so far."),
            ),
        ),
        (
            "COUPON_ENDS_SOON",
            coupon & (F.col("days_left") <= ENDS_SOON),
            F.concat(F.lit("It ends in "), _count(F.col("days_left"), "day"), F.lit(".")),
        ),
        ("BOUGHT_OFTEN", times >= OFTEN, bought),
        ("BOUGHT_BEFORE", times.between(1, OFTEN - 1), bought),
        ("DUE_AGAIN", due, F.lit("It is due again.")),
        (
            "BOUGHT_WITH",
            ~coupon & F.col("partner").isNotNull(),
            F.concat(
                _percent("partner_confidence"),
                F.lit(" of baskets with "),
                F.lower("partner"),
                F.lit(", which this customer buys, hold it too."),
            ),
        ),
        (
            "SIMILAR_CUSTOMERS",
            ~coupon & (source == "similar_customers"),
            F.concat(
                F.lit("Customers with similar purchases buy it; "),
                _percent("type_popularity_28"),
                F.lit(" of active customers did in the last 28 days."),
            ),
        ),
        (
            "POPULAR_IN_SEGMENT",
            ~coupon & (source == "popular_in_segment"),
            F.concat(
                F.lit("About "),
                _percent("segment_popularity"),
                F.lit(' of the customers in the segment "'),
                F.col("segment_name"),
                F.lit('" bought it in the last 28 days.'),
            ),
        ),
        (
            "POPULAR",
            ~coupon & ((source == "popular") | ((source == "bought_together") & F.col("partner").isNull())),
            F.concat(_percent("type_popularity_28"), F.lit(" of active customers bought it in the last 28 days.")),
        ),
        ("NEVER_BOUGHT", fresh, F.lit("This customer never bought it.")),
    ]


#: what an input of the churn model means, in words; {} is its value
CHURN_WORDS: dict[str, tuple[str, str]] = {
    "tenure_days": ("customer for {}", "day"),
    "recency_days": ("last basket {} ago", "day"),
    "baskets_total": ("{} ever", "basket"),
    "baskets_28": ("{} in the last 28 days", "basket"),
    "baskets_30": ("{} in the last 30 days", "basket"),
    "baskets_60": ("{} in the last 60 days", "basket"),
    "baskets_84": ("{} in the last 84 days", "basket"),
    "baskets_90": ("{} in the last 90 days", "basket"),
    "baskets_365": ("{} in the last 365 days", "basket"),
    "types_84": ("{} in the last 84 days", "product type"),
    "types_total": ("{} ever", "product type"),
    "stores_84": ("{} in the last 84 days", "store"),
    "lines_84": ("{} in the last 84 days", "order line"),
    "interval_days": ("{} between baskets on average", "day"),
    "interval_deviation_days": ("intervals between baskets vary by {}", "day"),
    "campaigns_total": ("targeted by {}", "campaign"),
    "responses_total": ("{} ever", "redemption"),
    "responses_84": ("{} in the last 84 days", "redemption"),
}
#: inputs that are shares, amounts or ratios
CHURN_NUMBERS: dict[str, tuple[str, str]] = {
    **{f"spend_{d}": (f"spent {{}} in the last {d} days", "%.2f") for d in (28, 30, 60, 84, 90, 365)},
    "spend_total": ("spent {} ever", "%.2f"),
    **{
        f"discount_share_{d}": (f"{{}} of list value in discounts over {d} days", "%")
        for d in (28, 30, 60, 84, 90, 365)
    },
    "main_store_share_84": ("{} of baskets in one store", "%"),
    "basket_value_84": ("{} a basket", "%.2f"),
    "basket_lines_84": ("{} lines a basket", "%.1f"),
    "basket_pieces_84": ("{} pieces a basket", "%.1f"),
    "private_brand_share_84": ("{} of spend on private brands", "%"),
    "overdue_ratio": ("days since the last basket are {} times the usual interval", "%.1f"),
    "trend_28": ("baskets of 28 days against those of 84: log ratio {}", "%+.2f"),
    "weekend_share_84": ("{} of baskets at the weekend", "%"),
    "evening_share_84": ("{} of baskets in the evening", "%"),
}


def churn_reasons(drivers: Column, inputs: list[str]) -> Column:
    """Return the inputs in ``drivers`` (array of names) as words with the customer's values.

    Args:
        drivers: names of the inputs that raise the probability most, the strongest first.
        inputs: all names that may occur; those that are columns of the profile get their value.
    """
    words = [F.struct(F.lit(name).alias("name"), _driver(name).alias("words")) for name in inputs]
    table = F.map_from_entries(F.array(*words))
    return F.concat_ws("; ", F.transform(drivers, lambda name: F.try_element_at(table, name)))


def _driver(name: str) -> Column:
    if name in CHURN_WORDS:
        text, unit = CHURN_WORDS[name]
        value = _count(F.round(F.col(name)).cast("long"), unit)
    elif name in CHURN_NUMBERS:
        text, form = CHURN_NUMBERS[name]
        value = _percent(name) if form == "%" else F.format_string(form, F.col(name).cast("double"))
    else:
        return F.lit(name.replace("_", " "))
    before, after = text.split("{}")
    known = F.concat(F.lit(before), value, F.lit(after))
    return F.when(F.col(name).isNotNull(), known).otherwise(F.lit(f"{name.replace('_', ' ')} unknown"))


def _joined(separator: str, *parts: Column) -> Column:
    return F.concat_ws(separator, *parts)


def _count(number: Column, noun: str) -> Column:
    number = number.cast("long")
    plural = noun[:-1] + "ies" if noun.endswith("y") and noun[-2] not in "aeiou" else noun + "s"
    return F.concat(number.cast("string"), F.when(number == 1, f" {noun}").otherwise(f" {plural}"))


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


def _percent(name: str) -> Column:
    return F.concat(F.round(100 * F.col(name)).cast("long").cast("string"), F.lit(" %"))
