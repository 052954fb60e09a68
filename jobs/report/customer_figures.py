"""Figures of the night's customers: recency, spend, churn, value, propensities and segments."""

from __future__ import annotations

import math

from jobs.report.night_tables import NightTables, Row
from jobs.stages import Stage

RECENCY = ((7, "0-6"), (14, "7-13"), (28, "14-27"), (56, "28-55"), (84, "56-83"), (None, "84+"))


def recency(night: NightTables) -> list[tuple[str, int]]:
    """Return customers by days since the last basket."""
    cases = " ".join(f"when recency_days < {top} then '{name}'" for top, name in RECENCY if top)
    count_of = dict(
        night.pairs(
            f"select case when recency_days is null then 'never' {cases} else '84+' end, count(*) "
            "from customers group by 1"
        )
    )
    return [(name, count_of.get(name, 0)) for name in [*(name for _, name in RECENCY), "never"]]


def spend(night: NightTables) -> list[tuple[str, int]]:
    """Return customers by spend in 84 days, in about eight steps of a round width."""
    (row,) = night.ask("select coalesce(quantile_cont(spend_84, 0.95), 0) as top from customers")
    step = _round_step(row["top"] / 8)
    count_of = dict(
        night.pairs(f"select least(floor(coalesce(spend_84, 0) / {step}), 8)::int, count(*) from customers group by 1")
    )
    names = [f"{i * step:g}-{(i + 1) * step:g}" for i in range(8)] + [f"{8 * step:g}+"]
    return [(name, count_of.get(i, 0)) for i, name in enumerate(names)]


def churn(night: NightTables) -> list[Row]:
    """Return the churn bands: customers, mean probability, and how many are valuable."""
    return night.ask(
        "select coalesce(churn_band, 'not scored') as band, count(*) as customers, "
        "avg(churn_probability) as probability, count(*) filter (where is_valuable) as valuable from customers "
        "group by 1 order by case band when 'high' then 1 when 'middle' then 2 when 'low' then 3 else 4 end"
    )


def named(night: NightTables) -> list[Row]:
    """Return the share of customers that the churn model names at a precision, on its held-out window."""
    training = night.lake.manifest(Stage.TRAIN, night.day)
    metrics = (training.facts if training else {}).get("pins", {}).get("churn", {}).get("metrics", {})
    return [
        {"precision": share / 100, "named": metrics[f"named_at_{share}"], "found": metrics[f"found_at_{share}"]}
        for share in (50, 70, 90)
        if f"named_at_{share}" in metrics
    ]


def survival(night: NightTables) -> Row | None:
    """Return how many of the customers scored are expected to be active in some weeks, or None: no model."""
    (row,) = night.ask(
        "select count(active_in_4_weeks) as customers, avg(active_in_4_weeks) as four, "
        "avg(active_in_8_weeks) as eight, avg(active_in_12_weeks) as twelve, "
        "count(*) filter (where weeks_to_leave <= 4) as soon from customers"
    )
    return row if row["customers"] else None


def value(night: NightTables) -> list[Row]:
    """Return the classes of value: customers, expected spend with its interval, ceiling, and those with high churn."""
    return night.ask(
        "select value_class, count(*) as customers, avg(expected_spend) as expected, avg(spend_low) as low, "
        "avg(spend_high) as high, avg(offer_ceiling) as ceiling, sum(expected_spend) as total, "
        "count(*) filter (where churn_band = 'high') as leaving from customers where value_class is not null "
        "group by 1 order by 1"
    )


def propensities(night: NightTables) -> list[Row]:
    """Return every configured label: customers scored, bands, and its model's figures on the gate window."""
    counted = (
        night.ask(
            "select label, count(*) as customers, avg(probability) as probability, avg(expected) as expected, "
            "count(*) filter (where band = 'high') as high, count(*) filter (where band = 'middle') as middle "
            "from propensities group by label"
        )
        if night.has("propensities")
        else []
    )
    scored = {row["label"]: row for row in counted}
    facts = night.lake.need(Stage.TRAIN, night.day).facts
    pins, skipped = facts.get("pins", {}), facts.get("skipped", {})
    nothing: Row = {"customers": 0, "probability": None, "expected": None, "high": 0, "middle": 0}
    return [
        nothing
        | scored.get(one.label, {})
        | {"label": one.label, "title": one.title, "skipped": skipped.get(one.model)}
        | {"kind": pins.get(one.model, {}).get("kind"), "metrics": pins.get(one.model, {}).get("metrics", {})}
        for one in night.settings.propensities.labels
    ]


def segments(night: NightTables) -> list[Row]:
    """Return the segments with their sizes and portraits, the largest first."""
    if not night.has("profiles"):
        return night.ask(
            "select segment_id, segment_name, count(*) as customers, null as portrait, null as silhouette "
            "from customers group by all order by customers desc, segment_id"
        )
    return night.ask("select * from profiles order by customers desc, segment_id")


def _round_step(raw: float) -> float:
    """Return 1, 2 or 5 times a power of ten, at least ``raw``."""
    if raw <= 0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(raw))
    return next(step * power for step in (1, 2, 5, 10) if step * power >= raw * 0.999)
