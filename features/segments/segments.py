"""Customer segments on what customers do: found on one night, and held still over the nights that follow.

A fit stands for ``refit_days``; until then customers are placed by it, so whoever moves has changed. A customer between
two segments stays where he was: another one has to be clearly nearer (``hold``). A refit inherits ids and names from
the segments it shares most members with. The fit itself is :mod:`features.segments.fit`.

Reference: Hruschka et al. (2006), "Evolving clusters for gene-expression data" (the simplified silhouette of a member).
"""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any

import numpy as np
import pyarrow as pa
from pyspark.sql import Column, DataFrame, functions as F, types as T

from conf.tables.features import SEGMENT_PROFILES, SEGMENTS
from features.schemas import conform, struct
from features.segments.fit import FitConfig, Fitted, choose, closeness, inherited, moved_from, moved_to
from features.segments.hierarchical_kmeans import nearest, totals_of
from features.segments.names import names, portrait
from features.segments.points import points

log = logging.getLogger(__name__)
COLD, COLD_NAME = "cold", "New and cold"
COLD_PORTRAIT = "Fewer than two baskets so far: too little to tell them apart by."
#: trait -> its value from the columns of PROFILE, and whether its logarithm is clustered
TRAITS = {
    "recency": ("recency_days", True),
    "frequency": ("baskets_84", True),
    "spend": ("spend_84", True),
    "basket_value": ("coalesce(basket_value_84, spend_total / nullif(baskets_total, 0))", True),
    "discount": ("coalesce(discount_share_84, discount_share_365)", False),
    "private_brand": ("private_brand_share_84", False),
    "trend": ("trend_28", False),
}
#: why a customer is in another segment than the night before
BEHAVIOUR, BORDERS = "behaviour", "borders"
_Z = [f"z_{trait}" for trait in TRAITS]
_NORMAL = 1.96


@dataclass(frozen=True)
class SegmentConfig:
    """Everything that changes the segments; one that shrinks below half its least size asks for a refit at once.

    ``hold``: a customer leaves the segment of the night before for one whose centre is nearer by this share. Up to
    ``in_memory`` customers the driver holds their traits (28 bytes each) and makes the passes over them; from there on
    Spark's workers do, since the driver's memory is bounded. Centres are the same up to the rounding of sums.
    """

    fit: FitConfig = field(default_factory=FitConfig)
    sample: int = 16_384
    in_memory: int = 4_000_000
    refit_days: int = 7
    hold: float = 0.15


@dataclass(frozen=True)
class Segmented:
    """``members`` (``SEGMENTS``), ``profiles`` (``SEGMENT_PROFILES``), and the fit that the next night starts from."""

    members: DataFrame
    profiles: DataFrame
    fitted: Fitted


def segments(
    profile: DataFrame,
    as_of: date,
    config: SegmentConfig,
    before: Fitted | None = None,
    members_before: DataFrame | None = None,
) -> Segmented:
    """Put every customer in a segment, and say what sets each segment apart.

    Traits are standardised (amounts and counts as logarithms; one that is unknown is average). O(n x traits) a pass;
    the driver sees means and unnamed traits, never customers.

    Args:
        profile: ``PROFILE``; read twice. What is made of it stays cached until the results are written.
        as_of: the night.
        config: bounds, sample and seed.
        before: the fit of the night before; None on the first.
        members_before: ``SEGMENTS`` of the night before, where there is one.

    Returns:
        Members (cold customers are in the segment ``cold``), a row per segment with members, and the fit. On the first
        night ``segment_1`` has the highest mean spend.
    """
    measured = profile.select(
        "customer_id",
        "is_cold",
        *(F.expr(value).cast("double").alias(trait) for trait, (value, _) in TRAITS.items()),
    )
    was = "previous_segment_id"
    if members_before is None:
        measured = measured.withColumn(was, F.lit(None).cast("string"))
    else:
        measured = measured.join(
            members_before.select("customer_id", F.col("segment_id").alias(was)), "customer_id", "left"
        )
    warm = measured.where("not is_cold")
    fitted = before
    if before is not None:
        placed = _placed(warm, before, before, config.hold).persist()
        found = _means(placed)
        if not _holds(before, found, as_of, config):
            placed.unpersist()
            fitted = None
    if fitted is None:
        fitted = fit(warm, as_of, config, before)
        placed = _placed(warm, fitted, before or fitted, config.hold).persist()
        found = _means(placed)
        fitted = _named(fitted, found, before, as_of)
    cold = measured.where("is_cold")
    members = _members(placed, cold, fitted, before or fitted).persist()
    joined = {row["segment_id"]: row["joined"] for row in members.groupBy("segment_id").agg(_joined()).collect()}
    rows = _rows(fitted, found, joined) + _cold_rows(cold, joined)
    described = profile.sparkSession.createDataFrame(rows, struct(SEGMENT_PROFILES))
    return Segmented(members, described, fitted)


# --- the fit


def fit(warm: DataFrame, as_of: date, config: SegmentConfig, before: Fitted | None = None) -> Fitted:
    """Find centres anew; what is the same segment as before gets its id and name.

    Args:
        warm: ``customer_id`` and a double for each of :data:`TRAITS`, null where it is unknown.
        as_of: the night.
        config: bounds, sample, seed, and up to how many customers the driver passes over them itself.
        before: an earlier fit.
    """
    shift, scale, customers = _moments(warm)
    cells = _standardised(shift, scale)
    held = points(warm.select("customer_id", *(cells[z].alias(z) for z in _Z)), "customer_id", _Z)
    if customers <= config.in_memory:
        everybody = held.matrix()
        sample, totals = everybody[: config.sample], totals_of(everybody)
    else:
        sample, totals = held.sample(config.sample), held.totals()
    earlier = moved_from(before, shift, scale) if before is not None and before.centres else None
    choice = choose(sample, totals, customers, config.fit, earlier)
    held.release()
    fitted = Fitted(
        str(as_of),
        tuple(shift),
        tuple(scale),
        tuple(tuple(float(value) for value in row) for row in choice.centres),
        groups=tuple(int(group) for group in choice.groups),
        silhouette=choice.silhouette,
        stability=choice.stability,
        given=before.given if before else 0,
    )
    same: dict[int, int] = {}
    if before is not None and before.centres and customers:
        old, _ = nearest(moved_to(sample, before, shift, scale), before.array)
        now, _ = nearest(sample, fitted.array)
        sizes = len(before.centres), len(fitted.centres)
        same = inherited(old, now, sizes, config.fit.least_overlap)
    number = range(len(fitted.centres))
    return replace(
        fitted,
        ids=tuple(before.ids[same[n]] if before and n in same else "" for n in number),
        names=tuple(before.names[same[n]] if before and n in same else "" for n in number),
        since=tuple(before.since[same[n]] if before and n in same else str(as_of) for n in number),
    )


def _named(fitted: Fitted, found: dict[int, dict[str, Any]], before: Fitted | None, as_of: date) -> Fitted:
    """Give ids and names to the segments that have none, by falling mean spend."""
    new = [number for number, known in enumerate(fitted.ids) if not known]
    new.sort(key=lambda n: (-(found.get(n, {}).get("spend") or 0.0), n))
    titles = names([_centre(fitted, n) for n in new], [name for name in fitted.names if name])
    ids, called = list(fitted.ids), list(fitted.names)
    for number, (segment, title) in enumerate(zip(new, titles, strict=True), fitted.given + 1):
        ids[segment], called[segment] = f"segment_{number}", title
    if before is not None:
        log.info("%s: segments are fitted anew, %d of %d are as before", as_of, len(ids) - len(new), len(ids))
    return replace(fitted, ids=tuple(ids), names=tuple(called), given=fitted.given + len(new))


def _holds(before: Fitted, found: dict[int, dict[str, Any]], as_of: date, config: SegmentConfig) -> bool:
    """Tell whether an earlier fit is young enough, and each of its segments still large enough."""
    if before.silhouette is None or (as_of - date.fromisoformat(before.fitted_on)).days >= config.refit_days:
        return False
    sizes = [own["customers"] for own in found.values()]
    return len(sizes) == len(before.centres) and min(sizes) >= config.fit.smallest_share * sum(sizes) / 2


def _moments(warm: DataFrame) -> tuple[list[float], list[float], int]:
    scaled = {trait: _scaled(trait) for trait in TRAITS}
    row = warm.agg(
        F.count("*").alias("n"),
        *(F.avg(value).alias(f"mean_{trait}") for trait, value in scaled.items()),
        *(F.stddev_pop(value).alias(f"deviation_{trait}") for trait, value in scaled.items()),
    ).first()
    given = row.asDict() if row else {"n": 0}
    shift = [round(given[f"mean_{trait}"] or 0.0, 9) for trait in TRAITS]
    scale = [round(given[f"deviation_{trait}"] or 0.0, 9) or 1.0 for trait in TRAITS]
    return shift, scale, given["n"]


def _standardised(shift: list[float] | tuple[float, ...], scale: list[float] | tuple[float, ...]) -> dict[str, Column]:
    """Return ``z_<trait>``: distances from the average in standard deviations, 0 where unknown."""
    return {
        f"z_{trait}": F.coalesce(F.round((_scaled(trait) - F.lit(mean)) / F.lit(deviation), 6), F.lit(0.0))
        for trait, mean, deviation in zip(TRAITS, shift, scale, strict=True)
    }


def _scaled(trait: str) -> Column:
    return F.log1p(F.greatest(trait, F.lit(0.0))) if TRAITS[trait][1] else F.col(trait)


# --- placing customers


def _placed(warm: DataFrame, fitted: Fitted, before: Fitted, hold: float) -> DataFrame:
    """Add ``z_<trait>``, ``number`` and ``silhouette`` by a fit, and ``number_before`` by the one before."""
    found, old, shift, scale = fitted.array, before.array, fitted.shift, fitted.scale
    same = before.centres == fitted.centres
    now, then = ({one: n for n, one in enumerate(ids) if one} for ids in (fitted.ids, before.ids))

    def place(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            z = np.stack([batch.column(name).to_numpy() for name in _Z], axis=1).astype("float32")
            earlier = [str(one) for one in batch.column("previous_segment_id").to_pylist()]
            number = _held(z, found, np.array([now.get(one, -1) for one in earlier]), hold)
            was = number
            if not same and len(old):
                was = _held(moved_to(z, before, shift, scale), old, np.array([then.get(o, -1) for o in earlier]), hold)
            silhouette = pa.array(np.round(closeness(z, found).astype("float64"), 6), from_pandas=True)
            columns = [*batch.columns, pa.array(number), silhouette, pa.array(was)]
            yield pa.record_batch(columns, names=[*batch.schema.names, "number", "silhouette", "number_before"])

    rows = warm.withColumns(_standardised(fitted.shift, fitted.scale))
    added = [("number", T.IntegerType()), ("silhouette", T.DoubleType()), ("number_before", T.IntegerType())]
    fields = [*rows.schema.fields, *(T.StructField(name, kind) for name, kind in added)]
    return rows.mapInArrow(place, T.StructType(fields))


def _held(z: np.ndarray, found: np.ndarray, earlier: np.ndarray, hold: float) -> np.ndarray:
    """Return the nearest centre of each point, int32 (n,), or the earlier one unless the nearest is clearly nearer."""
    if not len(found):
        return np.zeros(len(z), dtype="int32")
    number, squares = nearest(z, found)
    known = np.flatnonzero(earlier >= 0)
    own = ((z[known] - found[earlier[known]]) ** 2).sum(axis=1)
    stays = known[squares[known] > (1 - hold) ** 2 * own]
    number[stays] = earlier[stays]
    return number


def _members(placed: DataFrame, cold: DataFrame, fitted: Fitted, before: Fitted) -> DataFrame:
    """Return ``SEGMENTS``: who is where, was where, and why that differs."""
    warm = placed.select(
        "customer_id",
        _lookup("number", fitted.ids).alias("segment_id"),
        _lookup("number", fitted.names).alias("segment_name"),
        "silhouette",
        "previous_segment_id",
        _lookup("number_before", before.ids).alias("by_old"),
    )
    nothing = F.lit(None).cast("double").alias("silhouette")
    frozen = cold.select("customer_id", F.lit(COLD), F.lit(COLD_NAME), nothing, "previous_segment_id", F.lit(COLD))
    everyone = warm.union(frozen)
    behaviour = F.col("by_old") != F.col("previous_segment_id")
    why = F.when(F.col("previous_segment_id") != F.col("segment_id"), F.when(behaviour, BEHAVIOUR).otherwise(BORDERS))
    return conform(everyone.withColumn("moved_by", why), SEGMENTS)


def _joined() -> Column:
    return F.count_if(F.col("moved_by").isNotNull()).alias("joined")


def _lookup(column: str, values: tuple[str, ...]) -> Column:
    return F.element_at(F.array(*map(F.lit, values)), F.col(column) + 1) if values else F.lit("")


# --- describing segments


def _means(placed: DataFrame) -> dict[int, dict[str, Any]]:
    """Return means, deviations and sizes of the segments that have members, by number."""
    rows = (
        placed.groupBy("number")
        .agg(
            F.count("*").alias("customers"),
            F.avg("silhouette").alias("silhouette"),
            *(F.avg(trait).alias(trait) for trait in TRAITS),
            *(F.stddev_pop(trait).alias(f"deviation_{trait}") for trait in TRAITS),
            *(F.avg(z).alias(z) for z in _Z),
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


def _centre(fitted: Fitted, number: int) -> dict[str, float]:
    return dict(zip(TRAITS, fitted.centres[number], strict=True))


def _rows(fitted: Fitted, found: dict[int, dict[str, Any]], joined: dict[str, int]) -> list[tuple[Any, ...]]:
    """Return rows of ``SEGMENT_PROFILES``, by falling mean spend."""
    if not found:
        return []
    everyone = sum(own["customers"] for own in found.values())
    overall = {t: sum((own[t] or 0.0) * own["customers"] for own in found.values()) / everyone for t in TRAITS}
    order = sorted(found, key=lambda n: (-(found[n]["spend"] or 0.0), -found[n]["customers"], n))
    groups = _groups(fitted, found)
    rows = []
    for number in order:
        own = found[number]
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


def _groups(fitted: Fitted, found: dict[int, dict[str, Any]]) -> dict[int, tuple[str, str]]:
    """Return id and name of the top groups: the id is that of the group's oldest segment, so it lasts as long."""
    parts = {g: [n for n in found if fitted.groups[n] == g] for g in sorted({fitted.groups[n] for n in found})}
    middles = []
    for members in parts.values():
        weights = [found[n]["customers"] for n in members]
        middles.append({t: float(np.average([found[n][f"z_{t}"] for n in members], weights=weights)) for t in TRAITS})
    oldest = {g: min(int(fitted.ids[n].rpartition("_")[2]) for n in members) for g, members in parts.items()}
    titles = names(middles)
    return {g: (f"group_{oldest[g]}", title) for g, title in zip(parts, titles, strict=True)}


def _cold_rows(cold: DataFrame, joined: dict[str, int]) -> list[tuple[Any, ...]]:
    traits = ("recency", "frequency", "spend", "discount")
    row = cold.agg(F.count("*").alias("customers"), *(F.round(F.avg(t), 6).alias(t) for t in traits)).first()
    if row is None or not row["customers"]:
        return []
    means = (row[trait] for trait in traits)
    moved = joined.get(COLD, 0)
    return [(COLD, COLD_NAME, COLD, COLD_NAME, None, row["customers"], moved, None, None, COLD_PORTRAIT, *means)]
