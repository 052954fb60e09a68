"""What sets each segment apart: means of its members, its group, and a portrait in words."""

from __future__ import annotations

import math
from datetime import date
from typing import Any

import numpy as np
from pyspark.sql import DataFrame, functions as F

from features.segments.fit import SegmentFit
from features.segments.names import names, portrait
from features.segments.traits import STANDARDISED, TRAITS

COLD, COLD_NAME = "cold", "New and cold"
COLD_PORTRAIT = "Fewer than two baskets so far: too little to tell them apart by."
_NORMAL = 1.96


def member_means(placed: DataFrame) -> dict[int, dict[str, Any]]:
    """Return means, deviations and sizes of the segments that have members, by number."""
    rows = (
        placed.groupBy("number")
        .agg(
            F.count("*").alias("customers"),
            F.avg("silhouette").alias("silhouette"),
            *(F.avg(trait).alias(trait) for trait in TRAITS),
            *(F.stddev_pop(trait).alias(f"deviation_{trait}") for trait in TRAITS),
            *(F.avg(z).alias(z) for z in STANDARDISED),
        )
        .collect()
    )
    return {
        row["number"]: {
            name: value if name in ("number", "customers") else None if value is None else round(value, 6)
            for name, value in row.asDict().items()
        }
        for row in rows
    }


def centre_of(fitted: SegmentFit, number: int) -> dict[str, float]:
    """Return a centre by trait, in standard deviations from the average customer."""
    return dict(zip(TRAITS, fitted.centres[number], strict=True))


def profile_rows(
    fitted: SegmentFit, means_of: dict[int, dict[str, Any]], joined: dict[str, int]
) -> list[tuple[Any, ...]]:
    """Return rows of ``SEGMENT_PROFILES``, by falling mean spend."""
    if not means_of:
        return []
    everyone = sum(own["customers"] for own in means_of.values())
    overall = {t: sum((own[t] or 0.0) * own["customers"] for own in means_of.values()) / everyone for t in TRAITS}
    order = sorted(means_of, key=lambda n: (-(means_of[n]["spend"] or 0.0), -means_of[n]["customers"], n))
    groups = _groups(fitted, means_of)
    rows = []
    for number in order:
        own = means_of[number]
        centre = {trait: own[f"z_{trait}"] for trait in TRAITS}
        means = {trait: own[trait] or 0.0 for trait in TRAITS}
        margins = {t: _NORMAL * (own[f"deviation_{t}"] or 0.0) / math.sqrt(own["customers"]) for t in TRAITS}
        rows.append(
            (
                fitted.ids[number],
                fitted.names[number],
                *groups[fitted.groups[number]],
                date.fromisoformat(fitted.since[number]),
                own["customers"],
                joined.get(fitted.ids[number], 0),
                own["silhouette"],
                fitted.stability,
                portrait(centre, means, overall, margins),
                *(means[trait] for trait in ("recency", "frequency", "spend", "discount")),
            )
        )
    return rows


def _groups(fitted: SegmentFit, means_of: dict[int, dict[str, Any]]) -> dict[int, tuple[str, str]]:
    """Return id and name of the top groups: the id is that of the group's oldest segment, so it lasts as long."""
    parts = {g: [n for n in means_of if fitted.groups[n] == g] for g in sorted({fitted.groups[n] for n in means_of})}
    middles = []
    for members in parts.values():
        weights = [means_of[n]["customers"] for n in members]
        middles.append(
            {t: float(np.average([means_of[n][f"z_{t}"] for n in members], weights=weights)) for t in TRAITS}
        )
    oldest = {g: min(int(fitted.ids[n].rpartition("_")[2]) for n in members) for g, members in parts.items()}
    titles = names(middles)
    return {g: (f"group_{oldest[g]}", title) for g, title in zip(parts, titles, strict=True)}


def cold_rows(cold: DataFrame, joined: dict[str, int]) -> list[tuple[Any, ...]]:
    """Return the row of ``SEGMENT_PROFILES`` of cold customers; none where there are none."""
    traits = ("recency", "frequency", "spend", "discount")
    row = cold.agg(F.count("*").alias("customers"), *(F.round(F.avg(t), 6).alias(t) for t in traits)).first()
    if row is None or not row["customers"]:
        return []
    means = (row[trait] for trait in traits)
    moved = joined.get(COLD, 0)
    return [(COLD, COLD_NAME, COLD, COLD_NAME, None, row["customers"], moved, None, None, COLD_PORTRAIT, *means)]
