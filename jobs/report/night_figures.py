"""Figures of the night as a whole: totals, data checks, run times."""

from __future__ import annotations

from jobs.lake.facts import ValidateFacts
from jobs.report.night_tables import NightTables, Row
from jobs.stages import Stage


def totals(night: NightTables) -> Row:
    """Return how many customers and offers there are, and who may be contacted."""
    (row,) = night.ask(
        "select count(*) as customers, count(*) filter (where is_cold) as cold, "
        "count(*) filter (where treatment = 'control') as control, "
        "count(*) filter (where contactable and treatment = 'treated') as contactable, "
        "count(*) filter (where not contactable and treatment = 'treated') as blocked from customers"
    )
    (more,) = night.ask(
        "select count(*) as offers, count(*) filter (where offer_kind = 'coupon') as coupons, "
        "count(*) filter (where is_discovery) as discoveries from offers"
    )
    clean = night.lake.need(Stage.VALIDATE, night.day)
    lines = clean.tables["clean/order_lines"].rows
    return row | more | {"order_lines": lines, "quarantined": ValidateFacts.of(clean).quarantined_rows}


def checks(night: NightTables) -> Row:
    """Return the night's checks, failed ones first, and the rows that rules quarantined."""
    rows = night.ask("select * exclude (ds) from checks order by passed, kind desc, table_name, check_name")
    return {
        "all": rows,
        "passed": sum(row["passed"] for row in rows),
        "broken": [row for row in rows if not row["passed"]],
        "quarantined": sorted(
            (row for row in rows if row["kind"] == "row" and row["rows_failed"]),
            key=lambda row: -row["rows_failed"],
        ),
        "skipped": _skipped(night),
    }


def stages(night: NightTables) -> list[Row]:
    """Return seconds, processor seconds and peak memory of each stage that is published."""
    manifests = ((stage, night.lake.manifest(stage, night.day)) for stage in Stage)
    return [
        {
            "stage": str(stage),
            "seconds": manifest.seconds,
            "cpu_seconds": manifest.cpu_seconds,
            "peak_mb": manifest.peak_mb,
        }
        for stage, manifest in manifests
        if manifest is not None and stage is not Stage.REPORT
    ]


def _skipped(night: NightTables) -> dict[str, str]:
    """Return what could not be built from this source, and why."""
    manifests = (night.lake.manifest(stage, night.day) for stage in (Stage.CATALOGUE, Stage.FEATURES, Stage.SCORE))
    return {
        name: why for manifest in manifests if manifest for name, why in (manifest.facts.get("skipped") or {}).items()
    }
