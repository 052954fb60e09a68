"""What each customer decided on being contacted, by the newest decision of each channel and purpose.

It fails closed: a refusal that names no customer by the exact key counts for every customer whose key it may mean
(blanks, case, signs and leading zeros apart, or a number that a spreadsheet has rounded).
"""

from __future__ import annotations

from datetime import date, timedelta

from pyspark.sql import Column, DataFrame, Window, functions as F

from conf.errors import ConfigError
from conf.tables.consent_words import ALL, CHANNELS
from features.canonical.ids import loose

#: purposes whose grant allows an offer, and those whose refusal forbids it
GRANTS, REFUSALS = ("marketing", ALL), ("marketing", "profiling", "processing", ALL)
#: channel -> channels whose decisions count; ``mail`` may mean letters or e-mail, so its refusal counts for both
_GRANTS = {"mail": ("mail", "post"), "post": ("mail", "post")}
_REFUSALS = {"mail": ("mail", "post", "email"), "post": ("mail", "post"), "email": ("mail", "email")}
#: a number in scientific notation: what is left of its digits, and the exponent
_ROUNDED = r"^(\d)(?:[.,](\d+))?[eE]\+?(\d{1,2})$"
#: decimals that such a number may have
_DECIMALS = range(11)


def decisions(customers: DataFrame, consents: DataFrame, channel: str | None, day: date, timezone: str) -> DataFrame:
    """Sum up each customer's decisions; one refusal among the newest ones wins.

    Args:
        customers: a row per customer with ``customer_id``.
        consents: ``CONSENTS``, in the words of the vocabularies.
        channel: word of the vocabulary that offers go out by; None: it has none for it.
        day: the night; later decisions are not seen.
        timezone: zone in which ``day`` ends.

    Returns:
        ``customer_id`` and ``refused``, of customers with a decision that counts.

    Raises:
        ConfigError: the channel of the offers is not one of the vocabulary.
    """
    if channel is None or channel == ALL:
        raise ConfigError(
            f"policy.channel is none of {', '.join(name for name in CHANNELS if name != ALL)}; name one of them, or "
            "declare its spelling under consent.channels of the source"
        )
    until = F.to_utc_timestamp(F.lit(str(day + timedelta(days=1))), timezone)
    granted = F.col("granted") & _counts(_GRANTS.get(channel, (channel,)), GRANTS)
    refused = ~F.col("granted") & _counts(_REFUSALS.get(channel, (channel,)), REFUSALS)
    counting = consents.where((F.col("changed_at") < until) & (granted | refused))
    exact = counting.join(customers.select("customer_id"), "customer_id", "left_semi")
    strays = counting.where("not granted").join(customers.select("customer_id"), "customer_id", "left_anti")
    newest = Window.partitionBy("customer_id", "channel", "purpose").orderBy(
        F.col("changed_at").desc(), F.col("granted").asc()
    )
    return (
        exact.select("customer_id", "channel", "purpose", "granted", "changed_at")
        .unionByName(_of_whom_they_may_mean(strays, customers))
        .withColumn("_place", F.row_number().over(newest))
        .where("_place = 1")
        .groupBy("customer_id")
        .agg(F.bool_or(~F.col("granted")).alias("refused"))
    )


def _counts(channels: tuple[str, ...], purposes: tuple[str, ...]) -> Column:
    return F.col("channel").isin(*channels, ALL) & F.col("purpose").isin(*purposes)


def _of_whom_they_may_mean(strays: DataFrame, customers: DataFrame) -> DataFrame:
    """Return refusals under keys that nobody has, once for each customer they may mean."""
    written = F.col("customer_id")
    means = F.when(written.rlike(_ROUNDED), _rounded(written)).otherwise(loose(written))
    strays = strays.withColumn("_means", means).drop("customer_id")
    keys = F.array_distinct(F.array_append(_roundings(written), loose(written)))
    may = customers.select("customer_id", F.explode(keys).alias("_means"))
    matched = strays.join(may, "_means")
    return matched.select("customer_id", "channel", "purpose", "granted", "changed_at")


def _rounded(written: Column) -> Column:
    """Return digits and exponent of a number in scientific notation."""
    digits = F.concat(F.regexp_extract(written, _ROUNDED, 1), F.regexp_extract(written, _ROUNDED, 2))
    return F.concat(digits, F.lit("e"), F.regexp_extract(written, _ROUNDED, 3).cast("int").cast("string"))


def _roundings(key: Column) -> Column:
    """Return what a spreadsheet may show of a long number, for each number of decimals; nothing for other keys."""
    length = F.length(key)
    exponent = F.concat(F.lit("e"), (length - 1).cast("string"))
    shown = []
    for decimals in _DECIMALS:
        kept = F.substring(key, 1, decimals + 1).try_cast("long")
        next_digit = F.coalesce(F.substring(key, decimals + 2, 1).try_cast("int"), F.lit(0))
        digits = kept + F.when(next_digit >= 5, 1).otherwise(0)
        shown.append(F.concat(digits.cast("string"), exponent))
        shown.append(F.concat(kept.cast("string"), exponent))
    return F.when(key.rlike(r"^[1-9]\d{9,}$"), F.array_distinct(F.array(*shown))).otherwise(
        F.array().cast("array<string>")
    )
