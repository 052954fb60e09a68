"""Figures of the report's first screen: whom to contact, what to offer, what it is worth, changed and brought."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import duckdb

from jobs.lake.facts import ScoreFacts, SegmentsFacts
from jobs.report.night_tables import NightTables, Row
from jobs.stages import Stage

#: offer titles that the first screen names
MOST_TITLES = 5
_CHANGES = """
select count(*) filter (where b.customer_id is null) as joined,
       count(*) filter (where n.customer_id is null) as gone,
       count(*) filter (where n.churn_band = 'high' and coalesce(b.churn_band, '') <> 'high'
                        and b.customer_id is not null) as leaving,
       count(*) filter (where b.churn_band = 'high' and coalesce(n.churn_band, '') <> 'high'
                        and n.customer_id is not null) as calmer,
       count(*) filter (where n.segment_name <> b.segment_name) as moved
from now n full join before b using (customer_id)
"""


def tonight(night: NightTables, outcomes: list[Row], expectations: dict[Any, list[Row]]) -> dict[str, Any]:
    """Return what the first screen shows.

    Args:
        night: the night's tables.
        outcomes: from :func:`jobs.report.offer_figures.outcomes`.
        expectations: from :func:`jobs.report.expectation_figures.expectation_figures`.
    """
    scored = [day for day in night.lake.days(Stage.SCORE) if day < night.day]
    before = max(scored, default=None)
    files = _files(night, before)
    facts = ScoreFacts.of(night.lake.need(Stage.SCORE, night.day))
    restricted = {kind: len(names) for kind, names in facts.restricted.items()}
    blocked = {why: size for why, size in facts.blocked.items() if why != "control group"}
    return {
        "files": files,
        "in_files": sum(file["rows"] for file in files),
        "worth": sum(file["worth"] or 0.0 for file in files),
        "blocked": blocked,
        "restricted": ", ".join(f"{size} product types of {kind}" for kind, size in restricted.items()),
        "top": night.ask(
            "select offer_title, count(*) as customers from offers where rank = 1 group by 1 "
            f"order by customers desc, offer_title limit {MOST_TITLES}"
        ),
        "before": before,
        "changes": _changes(night, before) if before else {},
        "brought": _brought(outcomes, expectations, night.settings.source.currency),
    }


def _files(night: NightTables, before: Any) -> list[Row]:
    """Return the night's files with their change against the night before."""
    delivered = night.lake.manifest(Stage.SEGMENTS, night.day)
    earlier = night.lake.manifest(Stage.SEGMENTS, before) if before else None
    sizes = {file["slug"]: file["rows"] for file in SegmentsFacts.of(earlier).files}
    home, folder = Path(night.settings.home), Path(night.settings.home, "reports", str(night.day))
    rows = []
    for file in SegmentsFacts.of(delivered).files:
        path = home / "outbox" / str(night.day) / file["file"]
        rows.append(
            {
                "title": file["title"],
                "rows": file["rows"],
                "worth": file.get("expected_value"),
                "held_back": sum(file["suppressed"].values()),
                "change": file["rows"] - sizes[file["slug"]] if file["slug"] in sizes else None,
                "href": os.path.relpath(path, folder) if path.exists() else None,
            }
        )
    return rows


def _changes(night: NightTables, before: Any) -> Row:
    columns = ["customer_id", "churn_band", "segment_name"]
    with duckdb.connect() as engine:
        for name, day in (("now", night.day), ("before", before)):
            engine.register(name, night.lake.arrow("scores/customer_scores", day, columns))
        (row,) = engine.sql(_CHANGES).to_arrow_table().to_pylist()
    return dict(row)


def _brought(outcomes: list[Row], expectations: dict[Any, list[Row]], currency: str) -> Row | None:
    """Return sentences on the newest measured night: expected against realised, treated against control."""
    if not outcomes:
        return None
    newest = outcomes[0]
    lines = []
    names = {"product_type": "product types", "coupon": "coupons"}
    for row in expectations.get(newest["offers_of"], []):
        if row["slice"] != "all":
            continue
        unit = f" {currency}" if row["figure"] == "value" else ""
        figure = f"{row['realised']:,.0f}{unit} against {row['expected']:,.0f}{unit} expected: {row['verdict']}"
        lines.append(f"{row['figure'].capitalize()} of offered {names.get(row['kind'], row['kind'])}: {figure}")
    spend = {
        row["slice"]: row["methods"]["nbo"]
        for row in newest["rows"]
        if row["kind"] == "any" and row["metric"] == "spend" and "nbo" in row["methods"]
    }
    if {"treated", "control"} <= set(spend):
        treated, control = (f"{spend[name]['value']:,.2f} {currency}" for name in ("treated", "control"))
        lines.append(f"Mean spend of a customer: {treated} treated, {control} control")
    return {"night": newest["offers_of"], "is_replay": newest["is_replay"], "lines": lines}
