"""Segments by rules, by values and by similarity to a seed; their portraits, affinities and overlaps.

n = customers in the order of their keys, g = categories. An audience holds positions of customers, so everything
here is O(members) and NumPy; the driver holds keys, never rows.

References: Katz et al. (1978), "Obtaining confidence intervals for the risk ratio" (the interval of an affinity index).
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow.dataset as pads
from scipy import sparse

from conf.errors import ConfigError
from conf.settings.schema import LookAlike, Partition, Segment, Segments
from features.segments.names import WORDS, portrait
from scoring.expressions import values
from scoring.segments.segment_files import members
from training.segments.look_alike import (
    CurvePoint,
    LookAlikeConfig,
    beats_chance,
    comparable,
    curve,
    extension,
    similarity,
)

LOOK_ALIKE, SEED = "look_alike", "seed"
_NORMAL = 1.96
#: categories per segment and direction (over- and under-represented), and the least number of members who buy there
_MOST_CATEGORIES, _LEAST_BUYERS = 5, 10


@dataclass(frozen=True)
class Audience:
    """A segment: ``places`` are the positions of its members (m,); look-alikes have a likeness and band per member."""

    slug: str
    family: str
    title: str
    places: np.ndarray
    likeness: np.ndarray | None = None
    bands: tuple[str, ...] = ()


@dataclass(frozen=True)
class Extended:
    """Look-alikes and their curves by slug; ``skipped`` says why the remaining ones were not made."""

    audiences: list[Audience] = field(default_factory=list)
    curves: dict[str, list[CurvePoint]] = field(default_factory=dict)
    skipped: dict[str, str] = field(default_factory=dict)


def rule_audiences(config: Segments, scores: pads.Dataset, offers: pads.Dataset, keys: np.ndarray) -> list[Audience]:
    """Return the segments of ``config`` that are rules, and those of its partitions.

    Args:
        config: segments and partitions.
        scores: ``CUSTOMER_SCORES``.
        offers: ``NEXT_BEST_OFFER``.
        keys: of the customers, ascending (n,).

    Raises:
        ConfigError: a rule is no plain condition.
    """
    audiences = [
        Audience(one.slug, one.family, one.title, np.searchsorted(keys, _array(members(one, scores, offers))))
        for one in config.segments
    ]
    for partition in config.partitions:
        audiences += _parted(partition, scores, keys)
    return audiences


def look_alikes(
    config: Sequence[LookAlike],
    rules: Sequence[Audience],
    scores: pads.Dataset,
    keys: np.ndarray,
    wide: sparse.csr_matrix,
    fit: LookAlikeConfig,
) -> Extended:
    """Extend seeds by the most similar customers.

    Args:
        config: the look-alikes.
        rules: segments whose slug may be a seed.
        scores: ``CUSTOMER_SCORES``.
        keys: of the customers, ascending (n,).
        wide: their wide features (n, w).
        fit: folds and penalty.

    Raises:
        ConfigError: a seed is neither a slug nor a plain condition.
    """
    extended = Extended()
    if not config or not len(keys):
        return extended
    compared = comparable(wide)
    by_slug = {audience.slug: audience.places for audience in rules}
    for one in config:
        is_seed = np.zeros(len(keys), dtype=bool)
        is_seed[by_slug[one.seed] if one.seed in by_slug else picked(one, one.seed, scores, keys)] = True
        eligible = np.zeros(len(keys), dtype=bool)
        eligible[picked(one, one.known, scores, keys)] = True
        try:
            likeness = similarity(compared, is_seed, eligible, fit)
        except ValueError as why:
            extended.skipped[one.slug] = str(why)
            continue
        extended.curves[one.slug] = curve(likeness, is_seed, eligible)
        if not beats_chance(extended.curves[one.slug]):
            extended.skipped[one.slug] = "hidden members of the seed are ranked no better than at random"
            continue
        size = (one.reach or round(one.factor * is_seed.sum())) - int(is_seed.sum())
        added, bands = extension(likeness, is_seed, max(size, 0))
        places = np.concatenate([np.flatnonzero(is_seed), added])
        band_of = (*([SEED] * int(is_seed.sum())), *bands)
        extended.audiences.append(Audience(one.slug, LOOK_ALIKE, one.title, places, likeness[places], band_of))
    return extended


def portraits(audiences: Sequence[Audience], traits: np.ndarray) -> dict[str, tuple[dict[str, float], str]]:
    """Return means of the traits and a portrait in words for each segment with members.

    Args:
        audiences: the segments.
        traits: ``features.segments.names.WORDS`` in their order (n, 7), NaN where unknown.
    """
    if not len(traits):
        return {}
    overall, spread = _moments(traits)
    described = {}
    for one in audiences:
        if not len(one.places):
            continue
        mean, own = _moments(traits[one.places])
        far = np.divide(mean - overall, spread, out=np.zeros(len(mean)), where=spread > 0)
        margin = _NORMAL * own / np.sqrt(len(one.places))
        by_name = [dict(zip(WORDS, (float(v) for v in part), strict=True)) for part in (far, mean, overall, margin)]
        described[one.slug] = by_name[1], portrait(*by_name)
    return described


def affinities(
    audiences: Sequence[Audience], bought: sparse.csr_matrix, names: Sequence[str], most: int = _MOST_CATEGORIES
) -> list[tuple[str, str, int, int, float, float, float]]:
    """Return the categories that members buy clearly more, or less, than all customers do.

    Args:
        audiences: the segments.
        bought: 1 where a customer bought in a category (n, g).
        names: of the categories (g,).
        most: categories per segment and direction.

    Returns:
        Segment, category, rank, buyers, index and its 95 % interval; over-represented categories first, by how far the
        near end of the interval lies from 1.
    """
    base = np.asarray(bought.sum(axis=0)).ravel()
    rows = []
    for one in (audience for audience in audiences if len(audience.places)):
        m, n = len(one.places), bought.shape[0]
        buyers = np.asarray(bought[one.places].sum(axis=0)).ravel()
        with np.errstate(divide="ignore", invalid="ignore"):
            index = (buyers / m) / (base / n)
            error = np.sqrt(np.maximum(1 / buyers - 1 / m + 1 / base - 1 / n, 0))
            low, high = index * np.exp(-_NORMAL * error), index * np.exp(_NORMAL * error)
        enough = buyers >= _LEAST_BUYERS
        over = [g for g in np.argsort(-np.where(enough, low, 0), kind="stable")[:most] if enough[g] and low[g] > 1]
        under = [g for g in np.argsort(np.where(enough, high, 9), kind="stable")[:most] if enough[g] and high[g] < 1]
        for rank, g in enumerate((*over, *under), 1):
            numbers = (round(float(value), 6) for value in (index[g], low[g], high[g]))
            rows.append((one.slug, names[g], rank, int(buyers[g]), *numbers))
    return rows


def overlaps(audiences: Sequence[Audience], customers: int) -> list[tuple[str, str, int, float, float, float]]:
    """Count members that two segments share: both slugs, customers, share of the first's, Jaccard index and lift."""
    sizes = [len(one.places) for one in audiences]
    cells = (
        np.ones(sum(sizes), dtype="int64"),
        (
            np.repeat(np.arange(len(audiences)), sizes),
            np.concatenate([np.zeros(0, dtype="int64"), *(one.places for one in audiences)]),
        ),
    )
    member = sparse.csr_matrix(cells, shape=(len(audiences), max(customers, 1)))
    common = (member @ member.T).tocoo()
    rows = []
    for a, b, both in sorted(zip(common.row.tolist(), common.col.tolist(), common.data.tolist(), strict=True)):
        if a != b:
            parts = (both / sizes[a], both / (sizes[a] + sizes[b] - both), both * customers / (sizes[a] * sizes[b]))
            rows.append((audiences[a].slug, audiences[b].slug, int(both), *(round(part, 6) for part in parts)))
    return rows


def _parted(partition: Partition, scores: pads.Dataset, keys: np.ndarray) -> list[Audience]:
    """Return a segment for every one of the most frequent values."""
    table = values(partition.by, scores, f"conf/segments.yml, segment {partition.family}")
    value, place = _array(table["value"]), np.searchsorted(keys, _array(table["customer_id"]))
    has_value = np.array([one is not None and one != "" for one in value], dtype=bool)
    names, number, sizes = np.unique(value[has_value].astype(str), return_inverse=True, return_counts=True)
    order = [n for n in np.argsort(-sizes, kind="stable") if sizes[n] >= partition.least_members]
    slugs = value_slugs(names.tolist())
    return [
        Audience(
            f"{partition.family}_{slugs[n]}", partition.family, str(names[n]), np.sort(place[has_value][number == n])
        )
        for n in order[: partition.most]
    ]


def value_slugs(values: Sequence[str]) -> list[str]:
    """Return an id for each value: its letters and digits of any script, in lower case, joined by underscores.

    An id depends on its own value and not on its place among the others, so that it lasts from night to night. Values
    that differ only in case or punctuation, and values without a letter or digit, get a hash of the value as well.

    Args:
        values: distinct values.
    """
    plain = [re.sub(r"[\W_]+", "_", unicodedata.normalize("NFKC", value).casefold()).strip("_") for value in values]
    count = Counter(plain)
    return [
        slug if slug and count[slug] == 1 else f"{slug}_{hashlib.sha256(value.encode()).hexdigest()[:8]}".strip("_")
        for slug, value in zip(plain, values, strict=True)
    ]


def picked(one: LookAlike, where: str, scores: pads.Dataset, keys: np.ndarray) -> np.ndarray:
    """Return the places of the customers that a look-alike's condition picks.

    Raises:
        ConfigError: it is no plain condition.
    """
    rule = Segment(slug=one.slug, title=one.title, about=one.about, where=where, offer_where=None)
    try:
        return np.searchsorted(keys, _array(members(rule, scores, scores)))
    except ConfigError as error:
        raise ConfigError(f"{error}; a seed is a condition or the slug of a segment") from None


def _moments(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return means and standard deviations of the finite values; zeros where there is none."""
    there = np.isfinite(values)
    count = np.maximum(there.sum(axis=0), 1)
    mean = np.where(there, values, 0).sum(axis=0) / count
    spread = np.sqrt(np.where(there, (values - mean) ** 2, 0).sum(axis=0) / count)
    return mean, spread


def _array(column: object) -> np.ndarray:
    return np.array(column.to_pylist(), dtype=object)  # type: ignore[attr-defined]
