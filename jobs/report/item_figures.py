"""Figures of products for the report: neighbours, baskets, repurchase intervals."""

from __future__ import annotations

from datetime import date
from typing import Any

import duckdb

from jobs.lake.facts import FeatureFacts
from jobs.lake.lake import Lake
from jobs.stages import Stage

_TABLES = ("similar_products", "products_together", "repurchase", "customer_tags", "offer_lists", "store_overlaps")
_COUNTS = """
select (select count(distinct product_id) from similar_products where source = 'customers') as alike,
       (select count(distinct product_id) from similar_products where source = 'content') as described,
       (select count(distinct product_id) from products_together) as together,
       (select count(distinct customer_id) from customer_tags) as tagged,
       (select count(distinct (place_kind, place)) from offer_lists) as places,
       (select count(distinct community) from store_overlaps) as communities,
       (select max(modularity) from store_overlaps) as modularity,
       (select count(*) from repurchase) as types,
       (select count(*) from repurchase where not renewable) as durable
"""
#: the types bought again most often, and how soon
_SOONEST = (
    "select product_type, interval_days, interval_low, interval_high, repeat_year, repeats from repurchase "
    "order by repeats desc, product_type limit 8"
)


def item_figures(lake: Lake, day: date) -> dict[str, Any] | None:
    """Return counts, the day they were made on and some intervals; None for a night without these tables."""
    if not all(lake.has(f"features/{name}", day) for name in _TABLES):
        return None
    with duckdb.connect() as engine:
        for name in _TABLES:
            engine.register(name, lake.dataset(f"features/{name}", day))
        counts, soonest = (_rows(engine, query) for query in (_COUNTS, _SOONEST))
    made_on = FeatureFacts.of(lake.need(Stage.FEATURES, day)).items.get("made_on")
    return counts[0] | {"made_on": made_on, "soonest": soonest}


def _rows(engine: duckdb.DuckDBPyConnection, query: str) -> list[dict[str, Any]]:
    cursor = engine.execute(query)
    names = [column[0] for column in cursor.description or ()]
    return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
