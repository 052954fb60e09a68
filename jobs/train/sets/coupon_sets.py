"""Writes the training set ``coupons``: customers, the coupons that were meant for them, and what came of them.

One in a thousand coupons is redeemed: so the inputs of redemptions are written for windows further back as well.
"""

from __future__ import annotations

from datetime import date

from pyspark.sql import DataFrame, functions as F

from conf.tables.canonical import COUPON_ENTITIES
from features.customers.labels import redemptions, scope_purchases
from features.customers.profile import profile
from features.items.coupons import coupon_affinity
from jobs.train.sets.set_source import SetSource
from scoring.offers.coupons import coupon_rows
from training.rankers.inputs import COUPON_INPUTS, RESPONSE_INPUTS

#: tables of the clean layer that coupons and their customers are read from
COUPON_TABLES = ("order_lines", "products", *COUPON_ENTITIES)
_KEYS = ["customer_id", "offer_id"]


def write_coupons(source: SetSource, as_of: date, night: date, clean: dict[str, DataFrame], who: DataFrame) -> None:
    """Write a window with all inputs, and with what was redeemed and bought within the horizon.

    Args:
        source: what is trained on, and where the sets go.
        as_of: day of the window.
        night: the day that stands for it in ``clean``.
        clean: canonical tables by name.
        who: ``PROFILE``.
    """
    bought = scope_purchases(clean["order_lines"], clean["offer_products"], night, source.settings.horizon_days)
    rows = _with_redeemed(source, night, clean, who)
    rows = rows.join(bought.select(*_KEYS, "spend", F.lit(True).alias("bought")), _KEYS, "left")
    columns = dict.fromkeys((*_KEYS, *COUPON_INPUTS, *RESPONSE_INPUTS))
    source.write(rows.fillna(False, ["bought"]).select(*columns, "redeemed", "bought", "spend"), "coupons", as_of)


def write_redemptions(source: SetSource, as_of: date, night: date, clean: dict[str, DataFrame]) -> None:
    """Write a window further back with the inputs of redemptions, and what was redeemed within the horizon.

    Nothing is kept for a second use, so that Spark leaves out of the profile all that is not needed. Arguments are
    those of :func:`write_coupons`.
    """
    targets, responses, zone = clean["campaign_targets"], clean["responses"], source.settings.source.timezone
    who = profile(clean["customers"], clean["order_lines"], clean["products"], targets, responses, night, zone)
    rows = _with_redeemed(source, night, clean, who)
    source.write(rows.select(*_KEYS, *RESPONSE_INPUTS, "redeemed"), "coupons", as_of)


def _with_redeemed(source: SetSource, night: date, clean: dict[str, DataFrame], who: DataFrame) -> DataFrame:
    """Return the coupons that a customer has not redeemed yet, and whether they do within the horizon."""
    affinity = coupon_affinity(**{name: clean[name] for name in COUPON_TABLES}, as_of=night)
    redeemed = redemptions(clean["responses"], night, source.settings.horizon_days)
    rows = coupon_rows(affinity, who).where("not already_redeemed")
    rows = rows.join(redeemed.withColumn("redeemed", F.lit(True)), _KEYS, "left").fillna(False, ["redeemed"])
    return source.sample(rows, source.settings.models.max_customers)
