"""Decisions of the night: whom to contact with what, from customers' candidates and scores."""

from __future__ import annotations

import logging
from datetime import date

import pandas as pd
import pyarrow as pa
import pyarrow.dataset as pads
from pyspark.sql import DataFrame, functions as F

from conf.errors import DataError
from conf.settings.schema import Settings
from conf.tables.decisions import DECISION_TABLES
from conf.tables.table import Table
from conf.tables.types import arrow_schema
from jobs.lake.lake import Draft
from jobs.tables.scores import SCORES
from scoring.decisions.decide import ALL_DECISIONS, NOTHING, decide
from scoring.decisions.options import options
from scoring.decisions.values import anyway, of_coupon, of_purchase

log = logging.getLogger(__name__)


def write_decisions(
    settings: Settings, day: date, draft: Draft, ranking: DataFrame, coupons: DataFrame | None, scores: pads.Dataset
) -> None:
    """Write ``scores/decisions``, ``scores/decision_ledger`` and ``scores/decision_limits``.

    Args:
        settings: decisions, and margins of the offers.
        day: the night.
        draft: of the stage ``score``.
        ranking: from :func:`scoring.offers.next_best_offers.product_type_ranking`.
        coupons: the customers' coupons with what removes them, or None.
        scores: ``CUSTOMER_SCORES`` of the night.

    Raises:
        ConfigError: an expression of an action is no plain SQL over the columns of ``scores``.
        DataError: a decided action has no readable reason.
    """
    if not settings.decisions.actions:
        for table in DECISION_TABLES:
            draft.arrow(SCORES[table.name], arrow_schema(table).empty_table())
        return
    decided = decide(
        options(_candidates(settings, ranking, coupons), scores, settings.decisions), settings.decisions, day
    )
    unexplained = decided.decisions["reason"].isna() | (decided.decisions["reason"].str.strip() == "")
    if unexplained.any():
        raise DataError(
            f"{int(unexplained.sum()):,} decision(s) of {day} have no reason, and nothing is published; "
            "look at the actions of conf/decisions.yml and at the scores of the night"
        )
    for table, rows in zip(DECISION_TABLES, (decided.decisions, decided.ledger, decided.limits), strict=True):
        draft.arrow(SCORES[table.name], _arrow(table, rows))
    certificate = decided.limits.set_index("name").to_dict("index")[ALL_DECISIONS]
    counted = decided.decisions["action"].value_counts().sort_index().to_dict()
    draft.facts["decisions"] = {
        "actions": {str(name): int(number) for name, number in counted.items()},
        "value": certificate["used"],
        "bound": certificate["bound"],
        "first_offer_share": _share_of_first(decided.decisions),
    }
    log.info("score: decisions %s, value %.2f of at most %.2f", counted, certificate["used"], certificate["bound"])


def _candidates(settings: Settings, ranking: DataFrame, coupons: DataFrame | None) -> pd.DataFrame:
    """Return all customers' candidates as :func:`scoring.decisions.options.options` takes them; on the driver."""
    offers, days = settings.offers, settings.horizon_days
    kind = F.when(F.col("is_discovery"), "discovery").otherwise("repeat").alias("kind")
    shared = ("customer_id", "offer_id", F.col("propensity").alias("probability"), "expected_spend", "removed_by")
    frequency = F.coalesce(F.col("pair_baskets_84").cast("double"), F.lit(0.0)).alias("baskets_84")
    returns = F.coalesce("renewal_probability", F.lit(0.0)).alias("returns")
    rows = ranking.select(*shared, kind, frequency, returns).toArrow().to_pandas()
    rows["anyway"] = anyway(rows["baskets_84"].to_numpy(float), days, rows["returns"].to_numpy(float))
    rows["adds"] = of_purchase(
        rows["probability"].to_numpy(float), rows["anyway"].to_numpy(float), rows["expected_spend"].to_numpy(float),
        offers.product_types.margin,
    )  # fmt: skip
    rows["discount_cost"] = 0.0
    if coupons is None:
        return rows
    scope = F.coalesce(F.col("scope_baskets_84").cast("double"), F.lit(0.0)).alias("baskets_84")
    discount = F.coalesce("offer_discount", F.lit(offers.coupons.discount)).alias("discount")
    more = coupons.select(*shared, F.lit("coupon").alias("kind"), scope, discount).toArrow().to_pandas()
    more["anyway"] = anyway(more["baskets_84"].to_numpy(float), days)
    redeems, discounts = more["probability"].to_numpy(float), more["discount"].to_numpy(float)
    more["adds"] = of_coupon(
        redeems,
        more["anyway"].to_numpy(float),
        more["expected_spend"].to_numpy(float),
        offers.coupons.margin,
        discounts,
    )
    more["discount_cost"] = redeems * discounts
    return pd.concat([rows, more.drop(columns="discount")], ignore_index=True)


def _share_of_first(decisions: pd.DataFrame) -> float:
    """Return the share of the contacted customers that have the most frequent offer among theirs."""
    contacted = decisions[decisions["action"] != NOTHING]
    customers = contacted["customer_id"].nunique()
    most = contacted["offer_id"].value_counts().max() if contacted["offer_id"].notna().any() else 0
    return float(most / customers) if customers else 0.0


def _arrow(table: Table, rows: pd.DataFrame) -> pa.Table:
    return pa.Table.from_pandas(rows[list(table.names)], schema=arrow_schema(table), preserve_index=False)
