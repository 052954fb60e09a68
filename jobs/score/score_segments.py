"""Segments of all families for the night's tables: learnt ones, rules, values and look-alikes, from what was scored."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.dataset as pads
from scipy import sparse

from conf.settings.schema import Settings
from conf.tables.segments import LOOK_ALIKE_CURVES, SEGMENT_AFFINITIES, SEGMENT_MEMBERS, SEGMENT_OVERLAPS, SEGMENTS
from conf.tables.table import Table
from conf.tables.types import arrow_schema
from features.segments.names import WORDS
from features.segments.traits import TRAITS
from jobs.lake.lake import Draft, Lake
from jobs.tables.features import FEATURES
from jobs.tables.scores import SCORES
from scoring.segments.audiences import Audience, Extended, affinities, look_alikes, overlaps, portraits, rule_audiences
from training.segments.look_alike import CurvePoint, LookAlikeConfig, sparse_matrix

log = logging.getLogger(__name__)
LEARNED = "behaviour"
_MEANS = {"recency_days": "recency", "baskets_84": "frequency", "spend_84": "spend", "discount_share_84": "discount"}


@dataclass(frozen=True)
class Population:
    """The customers of a night by their keys, ascending (n,), and the segments of all families."""

    keys: np.ndarray
    audiences: Sequence[Audience]


def write_segment_tables(
    settings: Settings, lake: Lake, day: date, draft: Draft, scores: pads.Dataset, offers: pads.Dataset
) -> Population:
    """Write the tables of :mod:`conf.tables.segments` under ``scores/``, and note the look-alikes that were not made.

    Args:
        settings: segments, partitions and look-alikes.
        lake: features of the night.
        day: the night.
        draft: of the stage ``score``.
        scores: ``CUSTOMER_SCORES`` as drafted.
        offers: ``NEXT_BEST_OFFER`` as drafted.

    Returns:
        Who is in which segment.

    Raises:
        ConfigError: a rule is no plain condition.
    """
    scored = scores.to_table(columns=["customer_id", "treatment", "contactable"]).sort_by("customer_id")
    keys = np.array(scored["customer_id"].to_pylist(), dtype=object)
    may = np.array(scored["contactable"].to_pylist()) & (np.array(scored["treatment"].to_pylist()) == "treated")
    rules = rule_audiences(settings.segments, scores, offers, keys)
    wide, bought, names = wide_features(lake, day, keys)
    fit = LookAlikeConfig(seed=settings.models.seed)
    extended = look_alikes(settings.segments.look_alikes, rules, scores, keys, wide, fit)
    for slug, why in extended.skipped.items():
        log.warning("look-alike %s is not made: %s", slug, why)
    draft.facts["skipped_look_alikes"] = extended.skipped
    learned, profiles = _learned(lake, day)
    made = [*rules, *extended.audiences]
    everybody = [*_audiences(learned, keys), *made]
    described = portraits(made, _traits(lake, day, keys))
    reach = {one.slug: int(may[one.places].sum()) for one in everybody}
    draft.arrow(SCORES["segments"], _segments(day, profiles, made, described, reach))
    draft.arrow(SCORES["segment_members"], _members(day, learned, made, keys))
    _rows(draft, SEGMENT_AFFINITIES, day, affinities(everybody, bought, names))
    _rows(draft, SEGMENT_OVERLAPS, day, overlaps(everybody, len(keys)))
    _rows(draft, LOOK_ALIKE_CURVES, day, _curves(extended))
    return Population(keys, everybody)


def wide_features(lake: Lake, day: date, keys: np.ndarray) -> tuple[sparse.csr_matrix, sparse.csr_matrix, list[str]]:
    """Return the wide features of ``keys`` (n, w), which categories they bought in (n, g), and those categories."""
    nothing = sparse.csr_matrix((len(keys), 1), dtype="float32")
    if not lake.has(FEATURES["wide"], day):
        return nothing, nothing[:, :0], []
    coverage = lake.arrow(FEATURES["feature_coverage"], day).filter(pads.field("table_name") == "wide")
    columns = [str(name) for name in coverage.sort_by("position")["column_name"].to_pylist()]
    table = lake.arrow(FEATURES["wide"], day).sort_by("customer_id").combine_chunks()
    if not columns or not table.num_rows:
        return nothing, nothing[:, :0], []
    batch = table.to_batches()[0]
    rows = sparse_matrix(batch.column("places"), batch.column("cells"), len(columns))
    place = np.searchsorted(keys, np.array(batch.column("customer_id").to_pylist(), dtype=object))
    at = sparse.csr_matrix((np.ones(len(place), dtype="float32"), (place, np.arange(len(place)))),
                           shape=(len(keys), len(place)))  # fmt: skip
    rows = (at @ rows).tocsr()
    level = "category" if any("|category " in name for name in columns) else "department"
    chosen = [n for n, name in enumerate(columns) if name.startswith(f"baskets_84|{level} ")]
    bought = rows[:, chosen]
    bought.data = np.ones_like(bought.data)
    return rows, bought, [columns[n].split("|", 1)[1].removeprefix(f"{level} ") for n in chosen]


def _traits(lake: Lake, day: date, keys: np.ndarray) -> np.ndarray:
    """Return the traits of ``keys`` in the order of ``WORDS`` (n, t), NaN where unknown."""
    values = np.full((len(keys), len(WORDS)), np.nan)
    if not lake.has(FEATURES["profile"], day):
        return values
    cells = ", ".join(f"({TRAITS[trait][0]})::double as {trait}" for trait in WORDS)
    with duckdb.connect() as engine:
        engine.register("profile", lake.dataset(FEATURES["profile"], day))
        table = engine.sql(f"select customer_id, {cells} from profile order by customer_id").to_arrow_table()
    place = np.searchsorted(keys, np.array(table["customer_id"].to_pylist(), dtype=object))
    values[place] = np.stack([table[trait].to_numpy() for trait in WORDS], axis=1)
    return values


def _learned(lake: Lake, day: date) -> tuple[pa.Table | None, pa.Table | None]:
    """Return members and profiles of the segments of the features layer."""
    names = (FEATURES["segments"], FEATURES["segment_profiles"])
    members, profiles = (lake.arrow(name, day) if lake.has(name, day) else None for name in names)
    return members if members is None else members.sort_by("customer_id"), profiles


def _audiences(learned: pa.Table | None, keys: np.ndarray) -> list[Audience]:
    if learned is None:
        return []
    place = np.searchsorted(keys, np.array(learned["customer_id"].to_pylist(), dtype=object))
    segment = np.array(learned["segment_id"].to_pylist(), dtype=object)
    return [Audience(str(one), LEARNED, str(one), place[segment == one]) for one in sorted(set(segment))]


def _segments(
    day: date,
    profiles: pa.Table | None,
    made: Sequence[Audience],
    described: dict[str, tuple[dict[str, float], str]],
    reach: dict[str, int],
) -> pa.Table:
    schema = arrow_schema(SEGMENTS)
    rows = [] if profiles is None else [row | {"ds": day, "family": LEARNED} for row in profiles.to_pylist()]
    for one in made:
        means, words = described.get(one.slug, ({}, None))
        row: dict[str, Any] = {
            "ds": day, "family": one.family, "segment_id": one.slug, "segment_name": one.title,
            "group_id": one.family, "group_name": one.family.replace("_", " ").capitalize(),
            "customers": len(one.places), "portrait": words,
        }  # fmt: skip
        rows.append(row | {name: means.get(trait) for name, trait in _MEANS.items()})
    return pa.Table.from_pylist([row | {"reach": reach.get(row["segment_id"], 0)} for row in rows], schema=schema)


def _members(day: date, learned: pa.Table | None, made: Sequence[Audience], keys: np.ndarray) -> pa.Table:
    schema = arrow_schema(SEGMENT_MEMBERS)
    parts = []
    if learned is not None:
        parts.append(filled(schema, learned, {"ds": day, "family": LEARNED}))
    for one in made:
        own = {"customer_id": pa.array(keys[one.places], pa.string())}
        if one.likeness is not None:
            own |= {"likeness": pa.array(one.likeness), "band": pa.array(one.bands, pa.string())}
        named = {"ds": day, "family": one.family, "segment_id": one.slug, "segment_name": one.title}
        parts.append(filled(schema, pa.table(own), named))
    return pa.concat_tables(parts) if parts else schema.empty_table()


def filled(schema: pa.Schema, table: pa.Table, constant: dict[str, Any]) -> pa.Table:
    """Return ``table`` in the form of ``schema``: constants where they are given, null where nothing is."""
    size = table.num_rows
    cells = [
        pa.repeat(pa.scalar(constant[f.name], f.type), size) if f.name in constant
        else table[f.name].cast(f.type) if f.name in table.schema.names else pa.nulls(size, f.type)
        for f in schema
    ]  # fmt: skip
    return pa.table(cells, schema=schema)


def _curves(extended: Extended) -> Iterable[tuple[Any, ...]]:
    for slug, points in extended.curves.items():
        for point in points:
            yield slug, *_cells(point)


def _cells(point: CurvePoint) -> tuple[Any, ...]:
    numbers = (getattr(point, name) for name in LOOK_ALIKE_CURVES.names[2:])
    return tuple(round(value, 6) if isinstance(value, float) else value for value in numbers)


def _rows(draft: Draft, table: Table, day: date, rows: Iterable[tuple[Any, ...]]) -> None:
    records = [dict(zip(table.names, (day, *row), strict=True)) for row in rows]
    draft.arrow(SCORES[table.name], pa.Table.from_pylist(records, schema=arrow_schema(table)))
