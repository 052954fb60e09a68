"""Customer segments on what customers do: fitted on one night, and kept over the nights that follow.

A fit stands for ``refit_days``; until then customers are placed by it, so whoever moves has changed. A customer between
two segments stays in the earlier one unless another is clearly nearer (``hold``). A refit inherits ids and names from
the segments it shares most members with. The fit itself is :mod:`features.segments.fit`.

Reference: Hruschka et al. (2006), "Evolving clusters for gene-expression data" (the simplified silhouette of a member).
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any

import numpy as np
import pyarrow as pa
from pyspark.sql import Column, DataFrame, functions as F, types as T

from conf.tables.features import SEGMENT_PROFILES, SEGMENTS
from features.schemas import conform, struct
from features.segments.fit import FitConfig, SegmentFit, choose, closeness, inherited, moved_from, moved_to
from features.segments.hierarchical_kmeans import nearest, totals_of
from features.segments.names import names
from features.segments.profiles import COLD, COLD_NAME, centre_of, cold_rows, member_means, profile_rows
from features.segments.traits import STANDARDISED, TRAITS, moments, standardised, standardised_rows

log = logging.getLogger(__name__)
#: why a customer is in another segment than the night before
BEHAVIOUR, BORDERS = "behaviour", "borders"


@dataclass(frozen=True)
class SegmentConfig:
    """Everything that changes the segments; one that shrinks below half its least size asks for a refit at once.

    ``hold``: a customer leaves the segment of the night before for one whose centre is nearer by this share. The fit
    looks at ``most_fitted`` customers at most, chosen by a hash of their keys, whose traits the driver holds (36 bytes
    each); Spark's workers then place all customers.
    """

    fit: FitConfig = field(default_factory=FitConfig)
    sample: int = 16_384
    most_fitted: int = 4_000_000
    refit_days: int = 7
    hold: float = 0.15


@dataclass(frozen=True)
class Segmented:
    """``members`` (``SEGMENTS``), ``profiles`` (``SEGMENT_PROFILES``), and the fit that the next night starts from."""

    members: DataFrame
    profiles: DataFrame
    fitted: SegmentFit


def segments(
    profile: DataFrame,
    as_of: date,
    config: SegmentConfig,
    before: SegmentFit | None = None,
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
        means_of = member_means(placed)
        if not _holds(before, means_of, as_of, config):
            placed.unpersist()
            fitted = None
    if fitted is None:
        fitted = fit(warm, as_of, config, before)
        placed = _placed(warm, fitted, before or fitted, config.hold).persist()
        means_of = member_means(placed)
        fitted = _named(fitted, means_of, before, as_of)
    cold = measured.where("is_cold")
    members = _members(placed, cold, fitted, before or fitted).persist()
    joined = {row["segment_id"]: row["joined"] for row in members.groupBy("segment_id").agg(_joined()).collect()}
    rows = profile_rows(fitted, means_of, joined) + cold_rows(cold, joined)
    described = profile.sparkSession.createDataFrame(rows, struct(SEGMENT_PROFILES))
    return Segmented(members, described, fitted)


# --- the fit


def fit(warm: DataFrame, as_of: date, config: SegmentConfig, before: SegmentFit | None = None) -> SegmentFit:
    """Find centres anew; what is the same segment as before gets its id and name.

    Args:
        warm: ``customer_id`` and a double for each of :data:`TRAITS`, null where it is unknown.
        as_of: the night.
        config: bounds, sample, seed, and how many customers the fit looks at.
        before: an earlier fit.
    """
    shift, scale, customers = moments(warm)
    everybody = standardised_rows(warm, shift, scale, config.most_fitted / max(customers, 1))
    sample, totals = everybody[: config.sample], totals_of(everybody)
    earlier = moved_from(before, shift, scale) if before is not None and before.centres else None
    choice = choose(sample, totals, len(everybody), config.fit, earlier)
    fitted = SegmentFit(
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


def _named(
    fitted: SegmentFit, means_of: dict[int, dict[str, Any]], before: SegmentFit | None, as_of: date
) -> SegmentFit:
    """Give ids and names to the segments that have none, by falling mean spend."""
    new = [number for number, old_id in enumerate(fitted.ids) if not old_id]
    new.sort(key=lambda n: (-(means_of.get(n, {}).get("spend") or 0.0), n))
    titles = names([centre_of(fitted, n) for n in new], [name for name in fitted.names if name])
    ids, called = list(fitted.ids), list(fitted.names)
    for number, (segment, title) in enumerate(zip(new, titles, strict=True), fitted.given + 1):
        ids[segment], called[segment] = f"segment_{number}", title
    if before is not None:
        log.info("%s: segments are fitted anew, %d of %d are as before", as_of, len(ids) - len(new), len(ids))
    return replace(fitted, ids=tuple(ids), names=tuple(called), given=fitted.given + len(new))


def _holds(before: SegmentFit, means_of: dict[int, dict[str, Any]], as_of: date, config: SegmentConfig) -> bool:
    """Return whether an earlier fit is young enough, and each of its segments still large enough."""
    if before.silhouette is None or (as_of - date.fromisoformat(before.fitted_on)).days >= config.refit_days:
        return False
    sizes = [own["customers"] for own in means_of.values()]
    return len(sizes) == len(before.centres) and min(sizes) >= config.fit.smallest_share * sum(sizes) / 2


# --- placing customers


def _placed(warm: DataFrame, fitted: SegmentFit, before: SegmentFit, hold: float) -> DataFrame:
    """Add ``z_<trait>``, ``number`` and ``silhouette`` by a fit, and ``number_before`` by the one before."""
    centres, old, shift, scale = fitted.array, before.array, fitted.shift, fitted.scale
    same = before.centres == fitted.centres
    now, then = ({one: n for n, one in enumerate(ids) if one} for ids in (fitted.ids, before.ids))

    def place(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            z = np.stack([batch.column(name).to_numpy() for name in STANDARDISED], axis=1).astype("float32")
            earlier = [str(one) for one in batch.column("previous_segment_id").to_pylist()]
            number = _held(z, centres, np.array([now.get(one, -1) for one in earlier]), hold)
            was = number
            if not same and len(old):
                was = _held(moved_to(z, before, shift, scale), old, np.array([then.get(o, -1) for o in earlier]), hold)
            silhouette = pa.array(np.round(closeness(z, centres).astype("float64"), 6), from_pandas=True)
            columns = [*batch.columns, pa.array(number), silhouette, pa.array(was)]
            yield pa.record_batch(columns, names=[*batch.schema.names, "number", "silhouette", "number_before"])

    rows = warm.withColumns(standardised(fitted.shift, fitted.scale))
    added = [("number", T.IntegerType()), ("silhouette", T.DoubleType()), ("number_before", T.IntegerType())]
    fields = [*rows.schema.fields, *(T.StructField(name, kind) for name, kind in added)]
    return rows.mapInArrow(place, T.StructType(fields))


def _held(z: np.ndarray, centres: np.ndarray, earlier: np.ndarray, hold: float) -> np.ndarray:
    """Return the nearest centre of each point, int32 (n,), or the earlier one unless the nearest is clearly nearer."""
    if not len(centres):
        return np.zeros(len(z), dtype="int32")
    number, squares = nearest(z, centres)
    placed = np.flatnonzero(earlier >= 0)
    own = ((z[placed] - centres[earlier[placed]]) ** 2).sum(axis=1)
    stays = placed[squares[placed] > (1 - hold) ** 2 * own]
    number[stays] = earlier[stays]
    return number


def _members(placed: DataFrame, cold: DataFrame, fitted: SegmentFit, before: SegmentFit) -> DataFrame:
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
