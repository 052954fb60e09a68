"""Figures of the night's segments for the report: families, drift of interests, look-alikes."""

from __future__ import annotations

from typing import Any

import duckdb

from jobs.lake.facts import ScoreFacts
from jobs.report.customer_figures import segments
from jobs.report.night_tables import NightTables, Row
from jobs.stages import Stage

#: segments per family and categories per segment that the page shows
_SHOWN, _CATEGORIES = 12, 3
_TABLES = ("segments", "segment_affinities", "look_alike_curves", "customer_scores")


def segment_figures(night: NightTables) -> dict[str, Any]:
    """Return families of segments, counts of drift, and look-alikes with their curves."""
    lake, day = night.lake, night.day
    figures: dict[str, Any] = {
        "families": [], "affinities": {}, "drift": {}, "curves": {},
        "skipped": ScoreFacts.of(lake.need(Stage.SCORE, day)).skipped_look_alikes,
    }  # fmt: skip
    if not all(lake.has(f"scores/{name}", day) for name in _TABLES):
        return figures
    with duckdb.connect() as engine:
        for name in _TABLES:
            engine.register(name, lake.dataset(f"scores/{name}", day))
        figures["affinities"] = _affinities(engine)
        figures["families"] = _families(engine)
        figures["drift"] = _drift(engine)
        for row in _ask(engine, "select * from look_alike_curves order by segment_id, reach_share"):
            figures["curves"].setdefault(row["segment_id"], []).append(row)
    return figures


def map_of(night: NightTables) -> list[tuple[str, float, float, float]]:
    """Return name, baskets and amount a basket in 84 days, and size of every learned segment that is not cold."""
    return [
        (row["segment_name"], row["baskets_84"], row["spend_84"] / row["baskets_84"], row["customers"])
        for row in segments(night)
        if row.get("baskets_84") and row["segment_id"] != "cold"
    ]


def _families(engine: duckdb.DuckDBPyConnection) -> list[Row]:
    """Return every family except the learned one with its largest segments."""
    rows = _ask(
        engine,
        "select family, segment_id, segment_name, customers, reach, portrait from segments where family <> 'behaviour' "
        f"and customers > 0 qualify row_number() over (partition by family order by customers desc, segment_id) "
        f"<= {_SHOWN} order by family, customers desc, segment_id",
    )
    by_family: dict[str, list[Row]] = {}
    for row in rows:
        by_family.setdefault(row["family"], []).append(row)
    return [{"family": family, "segments": rows} for family, rows in by_family.items()]


def _affinities(engine: duckdb.DuckDBPyConnection) -> dict[str, str]:
    """Return the clearest over-represented categories of every segment, with their intervals, in words."""
    rows = _ask(
        engine,
        "select segment_id, category, affinity_index, low, high from segment_affinities where low > 1 "
        f"qualify row_number() over (partition by segment_id order by rank) <= {_CATEGORIES} order by segment_id, rank",
    )
    by_segment: dict[str, list[str]] = {}
    for row in rows:
        words = f"{row['category']} {row['affinity_index']:.1f}x ({row['low']:.1f} to {row['high']:.1f})"
        by_segment.setdefault(row["segment_id"], []).append(words)
    return {segment: ", ".join(words) for segment, words in by_segment.items()}


def _drift(engine: duckdb.DuckDBPyConnection) -> Row:
    """Return how many customers' interests moved, and between which interests most often."""
    (row,) = _ask(
        engine,
        "select count(*) filter (where interest_drift) as moved, count(interest_drift) as known from customer_scores",
    )
    lost, won = "split_part(long_interests, '; ', 1)", "split_part(short_interests, '; ', 1)"
    pairs = _ask(
        engine,
        f"select {lost} as before, {won} as now, count(*) as customers from customer_scores where interest_drift "
        f"and {lost} <> {won} group by all having count(*) > 1 order by customers desc, before, now limit 5",
    )
    return row | {"pairs": pairs}


def _ask(engine: duckdb.DuckDBPyConnection, query: str) -> list[Row]:
    rows: list[Row] = engine.sql(query).to_arrow_table().to_pylist()
    return rows
