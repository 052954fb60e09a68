"""Where a contact stands in the sales funnel, and the words for a talk.

In trade with consumers the stages are derived from the purchases: a first contact has bought at most once, one whom the
house is losing has to be kept, everyone else is being sold to.
"""

from __future__ import annotations

from pyspark.sql import Column, DataFrame, Window, functions as F

from training.characteristics.expert_prior import FIRST, RETENTION, SALE

#: times the usual interval, and days, without a basket after which a contact has to be kept
OVERDUE, LEAST_DAYS = 2.0, 21


def stage() -> Column:
    """Return the stage of a customer of ``PROFILE``: cold, overdue by their own habit, or neither."""
    overdue = F.coalesce((F.col("overdue_ratio") >= OVERDUE) & (F.col("recency_days") >= LEAST_DAYS), F.lit(False))
    return F.when(F.coalesce("is_cold", F.lit(True)), FIRST).when(overdue, RETENTION).otherwise(SALE)


def advice(characteristic: Column, discovery: Column, where: Column) -> Column:
    """Return a sentence for the talk: what to stress, by stage and by whether the contact knows it."""
    name = F.concat(F.lit('"'), characteristic, F.lit('"'))
    first, kept = where == FIRST, where == RETENTION
    return (
        F.when(first, F.concat(F.lit("Open with "), name))
        .when(kept & ~discovery, F.concat(F.lit("Win back with "), name, F.lit(", bought before")))
        .when(kept, F.concat(F.lit("Give "), name, F.lit(" as a reason to come back; never bought")))
        .when(discovery, F.concat(F.lit("Extend to "), name, F.lit("; never bought")))
        .otherwise(F.concat(F.lit("Build on "), name, F.lit(", bought before")))
    )


def of_organizations(ranked: DataFrame, customers: DataFrame, most: int = 10) -> DataFrame:
    """Put the contacts' characteristics together by organisation.

    The chance that at least one contact buys takes contacts as independent of each other.

    Args:
        ranked: ``customer_id``, ``characteristic``, ``probability``: the first of each contact.
        customers: ``CUSTOMERS``; who belongs to no organisation is left out.
        most: characteristics kept of an organisation.

    Returns:
        ``organization_id``, ``rank``, ``characteristic``, ``probability``, ``contacts``; ties by the alphabet.
    """
    belongs = customers.where("organization_id is not null").select("customer_id", "organization_id")
    missed = F.sum(F.log1p(-F.least("probability", F.lit(0.999999))))
    both = ranked.join(belongs, "customer_id").groupBy("organization_id", "characteristic")
    chances = both.agg(F.round(1 - F.exp(missed), 6).alias("probability"), F.count("*").alias("contacts"))
    order = Window.partitionBy("organization_id").orderBy(F.desc("probability"), "characteristic")
    return chances.withColumn("rank", F.row_number().over(order)).where(F.col("rank") <= most)
