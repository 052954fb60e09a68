"""Small feature tables: a row names what it needs, the rest is filled in."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from pyspark.sql import DataFrame, SparkSession

from conf.tables.canonical import CANONICAL
from conf.tables.features import FEATURES
from features.schemas import struct

DEFAULTS: dict[str, dict[str, Any]] = {
    "profile": {"is_cold": False, "baskets_total": 10, "baskets_84": 5, "recency_days": 3},
    "product_types": {
        "department": "GROCERY", "buyers": 100, "buyers_28": 10, "buyers_84": 20, "baskets_84": 40,
        "popularity_28": 0.1, "spend_per_buyer_28": 4.0, "spend_per_new_buyer_28": 3.0,
        "repeat_share_84": 0.5,
    },
    "affinity": {
        "baskets_28": 0, "baskets_84": 0, "baskets_total": 1, "spend_84": 0.0, "days_since_last": 100,
        "days_since_first": 100, "faded_baskets": 0.5,
    },
    "bought_together": {"baskets": 5, "confidence": 0.2, "lift": 2.0, "llr": 10.0, "rank": 1},
    "segments": {"segment_id": "s1", "segment_name": "regulars"},
    "coupon_affinity": {
        "campaign_id": "A", "days_left": 20, "days_running": 5, "scope_main_type": "BREAD", "scope_baskets_28": 0,
        "scope_baskets_84": 0, "scope_baskets_total": 0, "scope_spend_84": 0.0, "scope_spend_per_buyer_28": 10.0,
        "offer_responses": 0, "customer_responses_total": 0, "customer_responses_campaign": 0,
        "already_redeemed": False,
    },
}  # fmt: skip

Maker = Callable[..., DataFrame]


@pytest.fixture(scope="session")
def frame(spark: SparkSession) -> Maker:
    """Make a table of the features or the clean layer: ``frame("profile", {...}, {...})``."""

    def make(name: str, *rows: dict[str, Any]) -> DataFrame:
        table = FEATURES.get(name) or CANONICAL[name]
        full = [{**DEFAULTS.get(name, {}), **row} for row in rows]
        unknown = {column for row in full for column in row} - set(table.names)
        if unknown:
            raise ValueError(f"{name} has no column {sorted(unknown)}")
        return spark.createDataFrame([tuple(row.get(n) for n in table.names) for row in full], struct(table))

    return make


@pytest.fixture(scope="session")
def rows(spark: SparkSession) -> Maker:
    """Make any frame from a schema in words: ``rows("a string, b double", ("x", 1.0))``."""

    def make(schema: str, *values: tuple[Any, ...]) -> DataFrame:
        return spark.createDataFrame(list(values), schema)

    return make
