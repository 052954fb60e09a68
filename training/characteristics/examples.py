"""What the characteristic network learns from: one row per customer, with profile, organisation and history."""

from __future__ import annotations

import pandas as pd
from pyspark.sql import DataFrame, functions as F

from training.characteristics.columns import CATEGORIES, LISTS, NUMBERS, ORGANIZATION, STAGE
from training.characteristics.funnel import stage


def organization_fields(customers: DataFrame, organizations: DataFrame) -> DataFrame:
    """Return what is known of each customer's organisation: ``customer_id`` and :data:`ORGANIZATION`."""
    fields = [F.col(name.removeprefix("organization_")).alias(name) for name in ORGANIZATION]
    members = customers.where("organization_id is not null").select("customer_id", "organization_id")
    return members.join(organizations.select("organization_id", *fields), "organization_id").drop("organization_id")


def examples(profile: DataFrame, affinity: DataFrame, organizations: DataFrame | None = None) -> DataFrame:
    """Return what the network takes: one row per customer.

    Args:
        profile: ``PROFILE``.
        affinity: ``AFFINITY`` of the same day.
        organizations: result of :func:`organization_fields`, where the source has organisations.

    Returns:
        ``customer_id``, :data:`NUMBERS` (doubles), :data:`CATEGORIES`, :data:`ORGANIZATION` (null without), and the
        lists ``types``, ``type_baskets_84`` and ``type_baskets_total`` (null without a purchase), sorted by type.
    """
    owned = F.sort_array(F.collect_list(F.struct("product_type", "baskets_84", "baskets_total")))
    history = affinity.groupBy("customer_id").agg(owned.alias("history"))
    rows = profile.join(history, "customer_id", "left")
    if organizations is not None:
        rows = rows.join(organizations, "customer_id", "left")
    return rows.select(
        "customer_id",
        *(F.col(name).cast("double").alias(name) for name in NUMBERS),
        stage().alias(STAGE),
        *CATEGORIES[1:],
        *((F.col(name) if organizations is not None else F.lit(None).cast("string").alias(name))
          for name in ORGANIZATION),
        F.col("history.product_type").alias(LISTS[0]),
        F.col("history.baskets_84").alias(LISTS[1]),
        F.col("history.baskets_total").alias(LISTS[2]),
    )  # fmt: skip


def truth_of(frame: pd.DataFrame) -> pd.DataFrame:
    """Return all product types that were bought, characteristics or not: ``customer_id``, ``item``."""
    bought = frame[["customer_id", "bought"]].explode("bought").dropna(subset=["bought"])
    return bought.rename(columns={"bought": "item"}).reset_index(drop=True)


def seen_of(frame: pd.DataFrame) -> pd.DataFrame:
    """Return what customers had bought before: ``customer_id``, ``item``."""
    seen = frame[["customer_id", LISTS[0]]].explode(LISTS[0]).dropna(subset=[LISTS[0]])
    return seen.rename(columns={LISTS[0]: "item"}).reset_index(drop=True)
