"""Where the segments lie: how many, their centres, how stable that is, and which earlier segment each one continues.

s = sampled customers, d = traits (standardised, float32), k = segments. Everything here runs on the driver, on a sample
without names and on averages.

References: Rousseeuw (1987), "Silhouettes"; Hennig (2007), "Cluster-wise assessment of cluster stability" (bootstrap,
and the Jaccard overlap below which a cluster is another one); Hubert and Arabie (1985), "Comparing partitions".
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from features.segments.hierarchical_kmeans import (
    Averages,
    Totals,
    TreeConfig,
    averages,
    centres,
    cut,
    merges,
    nearest,
    refined,
)

log = logging.getLogger(__name__)
#: sampled customers that silhouettes and bootstraps look at
_JUDGED = 2048


@dataclass(frozen=True)
class FitConfig:
    """Everything that changes where segments lie.

    A number of segments is out of the question when one of them is smaller than ``smallest_share`` or
    ``fewest_members``, or when refits on resampled customers agree with it by less than ``least_stability`` (adjusted
    Rand index). ``least_overlap`` is the share of common members from which a segment is an earlier one. Segments of
    before give way only to others whose silhouette is better by ``better``, or when a segment has become too small or
    the stability fell below its bound by ``tolerance``: a few refits estimate it only roughly.
    """

    fewest: int = 3
    most: int = 6
    groups: int = 3
    smallest_share: float = 0.05
    fewest_members: int = 10
    least_stability: float = 0.6
    least_overlap: float = 0.5
    better: float = 0.03
    tolerance: float = 0.2
    bootstraps: int = 10
    tree: TreeConfig = field(default_factory=TreeConfig)


@dataclass(frozen=True)
class SegmentFit:
    """A fit of segments, as numbers: what later nights need to place customers in the same segments.

    ``shift`` and ``scale`` standardise the traits; ``ids``, ``names``, ``groups`` and ``since`` belong to the rows of
    ``centres``; ``given`` is how many ids were ever given, so that none comes twice.
    """

    fitted_on: str
    shift: tuple[float, ...]
    scale: tuple[float, ...]
    centres: tuple[tuple[float, ...], ...]
    ids: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    groups: tuple[int, ...] = ()
    since: tuple[str, ...] = ()
    silhouette: float | None = None
    stability: float | None = None
    given: int = 0

    @property
    def array(self) -> np.ndarray:
        """Centres, float32 (k, d)."""
        return np.array(self.centres, dtype="float32").reshape(len(self.centres), len(self.shift))

    def to_dict(self) -> dict[str, Any]:
        """Render as plain data."""
        return asdict(self)

    @staticmethod
    def from_dict(raw: dict[str, Any]) -> SegmentFit:
        """Read what :meth:`to_dict` wrote, also after a way through JSON."""
        tuples: dict[str, Any] = {n: tuple(value) if isinstance(value, list) else value for n, value in raw.items()}
        tuples["centres"] = tuple(tuple(row) for row in raw["centres"])
        return SegmentFit(**tuples)


@dataclass(frozen=True)
class Choice:
    """A number of segments that was tried: centres (k, d) and what speaks for it."""

    centres: np.ndarray
    groups: np.ndarray
    silhouette: float | None
    stability: float | None


def choose(
    sample: np.ndarray, totals: Totals, customers: int, config: FitConfig, before: np.ndarray | None = None
) -> Choice:
    """Find the centres, with as many segments as separate best among the stable ones.

    Micro-clusters with a hierarchy over them and plain k-means on the sample both propose centres for each number.

    Args:
        sample: standardised traits of some customers (s, d), in a stable order.
        totals: a pass over all customers.
        customers: how many they are.
        config: bounds.
        before: centres of an earlier fit, standardised as the sample is: moved to where their members are now, they
            stay unless others are clearly better. Customers have no sharp borders, so much the same silhouette can
            belong to quite another cut.

    Returns:
        The choice; a single segment where there is nothing to cut.
    """
    if not customers:
        return Choice(np.zeros((0, sample.shape[1])), np.zeros(0, dtype="int64"), None, None)
    micro = averages(sample, totals, config.tree)
    steps = merges(micro)
    least = max(config.smallest_share * customers, config.fewest_members)
    tried: list[Choice] = []

    def consider(start: np.ndarray) -> Choice | None:
        settled = refined(start, totals, config.tree)
        sizes = totals(settled)[1]
        if len(np.unique(settled, axis=0)) < len(start) or sizes.min() < least:
            return None
        return _judged(settled, sizes, sample, config)

    for k in range(config.fewest, min(config.most, len(micro.means)) + 1):
        # two methods give different cuts of much the same inertia: the better separated and stabler one is chosen
        for start in (centres(micro, steps, k, config.tree), _plain(sample, k, config)):
            if (one := consider(start)) is not None:
                tried.append(one)
                log.info("%d segments: silhouette %.4f, stability %.4f", k, one.silhouette, one.stability)
    if not tried:
        middle = np.average(micro.means, axis=0, weights=micro.weights)[None].astype("float32")
        return Choice(middle, np.zeros(1, dtype="int64"), None, None)
    stable = [one for one in tried if (one.stability or 0) >= config.least_stability]
    best = max(stable or tried, key=lambda one: (one.silhouette if stable else one.stability, -len(one.centres)))
    if before is None or not config.fewest <= len(before) <= config.most:
        return best
    held = consider(before)
    if held is None or (held.stability or 0) < config.least_stability - config.tolerance:
        return best
    log.info("the %d segments of before: silhouette %.4f, stability %.4f", len(before), held.silhouette, held.stability)
    return held if (held.silhouette or 0) >= (best.silhouette or 0) - config.better else best


def closeness(points: np.ndarray, centres: np.ndarray) -> np.ndarray:
    """Return simplified silhouettes (n,): (b - a) / max(a, b) of the distances to the own and the next centre."""
    gaps = np.sqrt(np.maximum(((points[:, None, :] - centres) ** 2).sum(axis=2), 0))
    if len(centres) < 2:
        return np.full(len(points), np.nan)
    own, other = np.partition(gaps, 1, axis=1)[:, :2].T
    return np.divide(other - own, other, out=np.zeros(len(points)), where=other > 0)


def inherited(before: np.ndarray, now: np.ndarray, sizes: tuple[int, int], least: float) -> dict[int, int]:
    """Return which earlier segment each one of now continues.

    Args:
        before: each customer's segment before (s,).
        now: the same customers' segment now (s,).
        sizes: numbers of segments before and now.
        least: Jaccard overlap from which a segment is the same.

    Returns:
        Segment now -> segment before; one to one, with the largest sum of overlaps.
    """
    from scipy.optimize import linear_sum_assignment

    common = np.zeros(sizes)
    np.add.at(common, (before, now), 1)
    union = common.sum(axis=1, keepdims=True) + common.sum(axis=0) - common
    overlap = np.divide(common, union, out=np.zeros(sizes), where=union > 0)
    pairs = zip(*linear_sum_assignment(-np.round(overlap, 9)), strict=True)
    return {int(new): int(old) for old, new in pairs if overlap[old, new] >= least}


def moved_from(old: SegmentFit, shift: Sequence[float], scale: Sequence[float]) -> np.ndarray:
    """Return an earlier fit's centres (k, d), standardised as points are now."""
    raw = old.array * np.array(old.scale) + np.array(old.shift)
    return np.round((raw - np.array(shift)) / np.array(scale), 6).astype("float32")


def moved_to(points: np.ndarray, old: SegmentFit, shift: Sequence[float], scale: Sequence[float]) -> np.ndarray:
    """Standardise points as an earlier fit did, from the way they are standardised now."""
    raw = points * np.array(scale) + np.array(shift)
    return ((raw - np.array(old.shift)) / np.array(old.scale)).astype("float32")


def _plain(sample: np.ndarray, k: int, config: FitConfig) -> np.ndarray:
    """Return centres (k, d) of plain k-means on the sample."""
    from sklearn.cluster import KMeans
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1):
        fitted = KMeans(k, n_init=config.tree.restarts, random_state=config.tree.seed).fit(sample)
    return np.round(fitted.cluster_centers_, 6).astype("float32")


def _judged(settled: np.ndarray, sizes: np.ndarray, sample: np.ndarray, config: FitConfig) -> Choice:
    from sklearn.cluster import KMeans
    from sklearn.metrics import adjusted_rand_score, silhouette_score
    from threadpoolctl import threadpool_limits

    judged = sample[:_JUDGED]
    label, _ = nearest(judged, settled)
    rng, agreement = np.random.default_rng(config.tree.seed), []
    with threadpool_limits(1):
        silhouette = float(silhouette_score(judged, label)) if len(np.unique(label)) > 1 else -1.0
        for number in range(config.bootstraps):
            resampled = judged[rng.integers(0, len(judged), len(judged))]
            again = KMeans(len(settled), n_init=2, random_state=config.tree.seed + number).fit(resampled)
            agreement.append(adjusted_rand_score(label, nearest(judged, again.cluster_centers_)[0]))
    stability = round(float(np.mean(agreement)), 6) if agreement else 1.0
    groups = cut(merges(Averages(settled, sizes)), min(config.groups, len(settled)))
    return Choice(settled, groups, round(silhouette, 6), stability)
