"""Who may be contacted tonight, and which offers are excluded.

Nothing here takes a customer out of the scores: everyone is scored, and what forbids a contact is a column of its own.
Days are local days of the source; ``day`` is the night, and what is offered is for the day after.
"""

from __future__ import annotations

from datetime import date, timedelta

from pyspark.sql import Column, DataFrame, functions as F

from conf.settings.consent import Consent
from conf.settings.schema import Policy
from features.canonical.consents import channel_of, in_words
from scoring.offers.consents import decisions

#: why a coupon is removed if no rule below applies
CEILING = "beyond the customer's ceiling"
UNPROFITABLE = "expected to cost more than it brings"
#: why an offer is removed, in the order of the rules
NOT_VALID = "not valid tonight"
NOT_TARGETED = "campaign does not target the customer"
REDEEMED = "already redeemed"
REPEATED = "contacted recently"
DURABLE = "bought already, and seldom bought twice"
UNFIT = "does not suit the customer"
RESTRICTED = "restricted goods"
#: why a customer may not be contacted
OPTED_OUT = "opted out"
NO_CONSENT = "no consent on record"
NOT_RECORDED = "the source records no consent"
TOO_OFTEN = "contacted too often"
GONE = "not in the CRM"
CONTROL = "control group"


def is_control(customer_id: Column, policy: Policy) -> Column:
    """Return whether a customer is in the control group, by a salted SHA-256 of the id alone: it never changes."""
    digest = F.sha2(F.concat(F.lit(policy.control_salt), F.lit(":"), customer_id), 256)
    share = F.conv(F.substring(digest, 1, 8), 16, 10).cast("double") / float(2**32)
    return share < F.lit(policy.control_share)


def contact_rights(
    customers: DataFrame,
    consents: DataFrame | None,
    contacts: DataFrame | None,
    consent: Consent,
    policy: Policy,
    day: date,
    timezone: str,
) -> DataFrame:
    """Return for every customer whether they are in the control group and whether they may be contacted.

    Args:
        customers: a row per customer with ``customer_id``.
        consents: ``CONSENTS``, or None where the source has none.
        contacts: ``customer_id``, ``offer_id`` (null: no single offer) and ``touched_on``, or None.
        consent: what the source says about consent; silence means refused unless it assumes otherwise.
        policy: shares and limits.
        day: the night; later decisions and contacts are ignored.
        timezone: zone in which ``day`` ends.

    Returns:
        One row per customer: ``customer_id``, ``treatment`` (treated, control), ``contactable`` (consent, control
        group and contact limits allow it), ``blocked_by`` (null where contactable) and
        ``recent_contacts`` (in the window that ends with ``day``).
    """
    rights = customers.select("customer_id").join(
        decisions(customers, in_words(consents, consent), channel_of(policy.channel, consent), day, timezone)
        if consents is not None and consent.recorded
        else _nobody(customers),
        "customer_id",
        "left",
    )
    if contacts is not None:
        rights = rights.join(_recent_contacts(contacts, policy, day), "customer_id", "left")
    else:
        rights = rights.withColumn("contacts", F.lit(0))
    recent = F.coalesce("contacts", F.lit(0)).cast("int")
    silence = F.lit(NO_CONSENT) if consent.recorded else F.lit(NOT_RECORDED)
    if not consent.recorded and consent.assume == "granted":
        silence = F.lit(None).cast("string")
    blocked = (
        F.when(F.col("refused"), OPTED_OUT)
        .when(F.col("refused").isNull() & silence.isNotNull(), silence)
        .when(is_control(F.col("customer_id"), policy), CONTROL)
        .when(recent >= policy.max_contacts, TOO_OFTEN)
    )
    return rights.select(
        "customer_id",
        F.when(is_control(F.col("customer_id"), policy), "control").otherwise("treated").alias("treatment"),
        blocked.isNull().alias("contactable"),
        blocked.alias("blocked_by"),
        recent.alias("recent_contacts"),
    )


def without_gone(rights: DataFrame, customers: DataFrame) -> DataFrame:
    """Forbid contact with customers who are no longer in the CRM: erased, merged or closed accounts.

    Args:
        rights: from :func:`contact_rights`.
        customers: ``CUSTOMERS``, complete.
    """
    there = customers.select("customer_id", F.lit(True).alias("_there"))
    gone = F.when(F.col("_there").isNull(), GONE)
    rows = rights.join(there, "customer_id", "left").withColumn("blocked_by", F.coalesce("blocked_by", gone))
    return rows.withColumn("contactable", F.col("blocked_by").isNull()).drop("_there")


def with_touches(delivered: DataFrame, touches: DataFrame | None) -> DataFrame:
    """Unite deliveries and the CRM's touch records; a delivery that the CRM recorded too counts once.

    A row of the CRM is a delivery's if customer and day agree and it names the same offer or none.

    Args:
        delivered: ``customer_id``, ``offer_id`` (null: no single offer) and ``touched_on``.
        touches: ``TOUCHES``, or None; control rows are no contacts.

    Returns:
        The columns of ``delivered``.
    """
    if touches is None:
        return delivered
    reached = touches.where("not coalesce(is_control, false)").select("customer_id", "offer_id", "touched_on")
    ours, theirs = delivered.alias("ours"), reached.alias("theirs")
    same = F.col("theirs.offer_id").isNull() | F.col("theirs.offer_id").eqNullSafe(F.col("ours.offer_id"))
    for name in ("customer_id", "touched_on"):
        same &= F.col(f"theirs.{name}") == F.col(f"ours.{name}")
    return theirs.join(ours, same, "left_anti").unionByName(delivered)


def mark_coupons(
    rows: DataFrame,
    offers: DataFrame,
    targets: DataFrame,
    contacts: DataFrame | None,
    policy: Policy,
    day: date,
) -> DataFrame:
    """Add ``removed_by`` to customers' coupons: why a coupon cannot be offered, null where it can.

    Args:
        rows: ``customer_id``, ``offer_id`` and ``already_redeemed``; ``unfit``, ``owned_scope``, ``restricted_scope``
            where there are such rules: nothing of its scope suits the customer, all of it is durable and bought, or it
            holds restricted goods.
        offers: ``OFFERS``.
        targets: ``CAMPAIGN_TARGETS``.
        contacts: as for :func:`contact_rights`.
        policy: the repeat rule.
        day: the night; a coupon must be valid on the day after.

    Returns:
        ``rows`` with ``removed_by``, ``offer_title``, ``offer_discount`` and ``offer_kind`` of the offer.
    """
    tomorrow = F.lit(day + timedelta(days=1))
    titled = offers.select(
        "offer_id",
        F.col("campaign_id").alias("_campaign"),
        F.col("title").alias("offer_title"),
        F.col("discount").cast("double").alias("offer_discount"),
        tomorrow.between(F.col("valid_from"), F.col("valid_to")).alias("_valid"),
    )
    targeted = targets.where(F.col("targeted_on") <= F.lit(day)).select(
        F.col("campaign_id").alias("_campaign"), "customer_id", F.lit(True).alias("_targeted")
    )
    rows = rows.join(F.broadcast(titled), "offer_id", "left")
    rows = rows.join(targeted.distinct(), ["_campaign", "customer_id"], "left")
    rows = _with_repeated(rows, contacts, policy, day)
    reason = (
        F.when(~F.coalesce("_valid", F.lit(False)), NOT_VALID)
        .when(F.col("_targeted").isNull(), NOT_TARGETED)
        .when(F.coalesce("already_redeemed", F.lit(False)), REDEEMED)
        .when(F.col("_repeated"), REPEATED)
    )
    if "unfit" in rows.columns:
        reason = reason.when(F.col("unfit"), UNFIT)
    if "owned_scope" in rows.columns:
        reason = reason.when(F.col("owned_scope"), DURABLE)
    if "restricted_scope" in rows.columns:
        reason = F.when(F.col("restricted_scope"), RESTRICTED).otherwise(reason)
    return rows.withColumn("removed_by", reason).drop("_campaign", "_valid", "_targeted", "_repeated")


def keep_within_ceiling(coupons: DataFrame, scores: DataFrame, assumed_discount: float) -> DataFrame:
    """Remove coupons whose discount is above the customer's ceiling.

    Args:
        coupons: from :func:`mark_coupons`.
        scores: ``customer_id`` and ``offer_ceiling`` (null: there is none).
        assumed_discount: where the source does not know the discount.

    Returns:
        ``coupons``, with ``removed_by`` set for them.
    """
    rows = coupons.join(scores.select("customer_id", "offer_ceiling"), "customer_id", "left")
    costs = F.coalesce("offer_discount", F.lit(assumed_discount)) > F.col("offer_ceiling")
    removed = F.coalesce("removed_by", F.when(costs, CEILING))
    return rows.withColumn("removed_by", removed).drop("offer_ceiling")


def mark_product_types(rows: DataFrame, contacts: DataFrame | None, policy: Policy, day: date) -> DataFrame:
    """Add ``removed_by`` to customers' product types: sent recently, unsuitable, or durable and already bought.

    Args:
        rows: ``customer_id``, ``offer_id``, ``pair_baskets_total``; ``unfit`` and ``type_renewable`` where there are
            such rules (null: fits, renewable).
        contacts: as for :func:`contact_rights`.
        policy: the repeat rule.
        day: the night.
    """
    rows = _with_repeated(rows, contacts, policy, day)
    reason = F.when(F.col("_repeated"), REPEATED)
    if "unfit" in rows.columns:
        reason = reason.when(F.col("unfit"), UNFIT)
    if "type_renewable" in rows.columns:
        bought = F.coalesce(F.col("pair_baskets_total"), F.lit(0)) > 0
        reason = reason.when(bought & ~F.col("type_renewable"), DURABLE)
    return rows.withColumn("removed_by", reason).drop("_repeated")


def _nobody(customers: DataFrame) -> DataFrame:
    return customers.select("customer_id", F.lit(None).cast("boolean").alias("refused")).limit(0)


def _recent_contacts(contacts: DataFrame, policy: Policy, day: date) -> DataFrame:
    """Count a customer's contacts in the window that ends with ``day``."""
    since = day - timedelta(days=policy.contact_window_days)
    within = contacts.where((F.col("touched_on") > F.lit(since)) & (F.col("touched_on") <= F.lit(day)))
    return within.groupBy("customer_id").agg(F.count("*").alias("contacts"))


def _with_repeated(rows: DataFrame, contacts: DataFrame | None, policy: Policy, day: date) -> DataFrame:
    """Mark offers that went to the customer in the last ``repeat_days`` days."""
    if contacts is None:
        return rows.withColumn("_repeated", F.lit(False))
    since = day - timedelta(days=policy.repeat_days)
    sent = contacts.where(
        F.col("offer_id").isNotNull() & (F.col("touched_on") > F.lit(since)) & (F.col("touched_on") <= F.lit(day))
    ).select("customer_id", "offer_id", F.lit(True).alias("_sent"))
    rows = rows.join(sent.distinct(), ["customer_id", "offer_id"], "left")
    return rows.withColumn("_repeated", F.coalesce("_sent", F.lit(False))).drop("_sent")
