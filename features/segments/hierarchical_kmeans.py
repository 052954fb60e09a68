"""Hierarchical k-means with averaging: micro-clusters of all points, then a hierarchy over their weighted means.

n = points, d = coordinates, m = micro-clusters, k = clusters; coordinates are float32. All points are passed over once
to average them into micro-clusters, and for each k that is tried to settle its centres and to count their members.
Everything between happens on m weighted means, on the driver. One task works on a core at a time, with one thread.

References: Zhang, Ramakrishnan and Livny (1996), "BIRCH" (cluster the averages of small clusters, not the points); Ward
(1963), "Hierarchical Grouping to Optimize an Objective Function"; Lloyd (1982), "Least Squares Quantization in PCM".
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from scipy import sparse

#: passes over all points: (m, d) centres -> sums of the points nearest to each (m, d), and how many they are (m,)
Totals = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]
#: rows that are summed up at once, in float64: a copy of them is made
_PART = 16_384
#: rows whose products with all centres stay in a core's cache
_BLOCK = 2048
#: decimals that are kept of a centre: sums differ behind them with the order of rows
_DECIMALS = 6


@dataclass(frozen=True)
class TreeConfig:
    """Everything that changes the clusters.

    ``sweeps`` move the seeds of micro-clusters on the sample, ``refinements`` are passes over all points that move the
    final centres, ``restarts`` are further starts of k-means on the averages.
    """

    micro: int = 256
    sweeps: int = 3
    refinements: int = 1
    restarts: int = 4
    seed: int = 20260101


@dataclass(frozen=True)
class Averages:
    """Micro-clusters: ``means`` (m, d) and ``weights`` (m,), the points that each stands for."""

    means: np.ndarray
    weights: np.ndarray


def nearest(points: np.ndarray, centres: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Find the nearest centre of each point, the first of equals.

    Returns:
        Numbers of centres, int32 (n,), and squared distances, float32 (n,). O(n x centres x d), as matrix products.
    """
    label, closeness = np.empty(len(points), dtype="int32"), np.empty(len(points), dtype="float32")
    for part, score in _scores(points, centres):
        label[part] = score.argmax(axis=1)
        closeness[part] = np.take_along_axis(score, label[part, None].astype("int64"), axis=1)[:, 0]
    return label, np.maximum(np.einsum("ij,ij->i", points, points) - 2 * closeness, 0)


def _scores(points: np.ndarray, centres: np.ndarray) -> Iterator[tuple[slice, np.ndarray]]:
    """Return, block by block, x.c - c.c / 2 of points and centres: the nearest centre has the largest."""
    half = (0.5 * np.einsum("ij,ij->i", centres, centres)).astype("float32")
    turned = np.ascontiguousarray(centres.T, dtype="float32")
    for start in range(0, len(points), _BLOCK):
        part = slice(start, start + _BLOCK)
        score = points[part] @ turned
        score -= half
        yield part, score


def totals_of(points: np.ndarray) -> Totals:
    """Return a pass over points that lie in memory."""

    def totals(centres: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        sums, weights = np.zeros((len(centres), points.shape[1])), np.zeros(len(centres))
        for start in range(0, len(points), _PART):
            more = _totals(points[start : start + _PART], centres)
            sums, weights = sums + more[0], weights + more[1]
        return sums, weights

    return totals


def _totals(points: np.ndarray, centres: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    label = np.empty(len(points), dtype="int32")
    for part, score in _scores(points, centres):
        label[part] = score.argmax(axis=1)
    cells = np.ones(len(points)), label, np.arange(len(points) + 1)
    member = sparse.csc_matrix(cells, shape=(len(centres), len(points)))
    return member @ points, np.bincount(label, minlength=len(centres)).astype("float64")


def averages(sample: np.ndarray, totals: Totals, config: TreeConfig) -> Averages:
    """Average all points into micro-clusters, in one pass over them.

    Args:
        sample: points from which the seeds of the micro-clusters come (s, d), in a stable order.
        totals: a pass over all points.
        config: how many micro-clusters.

    Returns:
        At most ``config.micro`` averages; a sample with fewer different points gives as many as it has.
    """
    different = np.unique(sample, axis=0)
    chosen = np.random.default_rng(config.seed).permutation(len(different))[: config.micro]
    seeds, own = different[np.sort(chosen)], totals_of(sample)
    for _ in range(config.sweeps):
        seeds = _moved(seeds, *own(seeds))
    sums, weights = totals(seeds)
    full = weights > 0
    return Averages(np.round(sums[full] / weights[full, None], _DECIMALS).astype("float32"), weights[full])


def merges(points: Averages) -> np.ndarray:
    """Merge averages pair by pair, each time those whose union adds least to the squares within clusters.

    Returns:
        (m - 1, 2) int: the two that merge at each step; the union takes the first's place. O(m^2) a step.
    """
    mean, weight = points.means.astype("float64"), points.weights.astype("float64").copy()
    squares = np.einsum("ij,ij->i", mean, mean)
    gap = np.maximum(squares[:, None] + squares - 2 * mean @ mean.T, 0)
    cost = gap * (weight[:, None] * weight / (weight[:, None] + weight))
    np.fill_diagonal(cost, np.inf)
    steps = np.empty((len(mean) - 1, 2), dtype="int64")
    for step in range(len(steps)):
        a, b = sorted(divmod(int(np.argmin(cost)), len(mean)))
        steps[step] = a, b
        row = ((weight[a] + weight) * cost[a] + (weight[b] + weight) * cost[b] - weight * cost[a, b]) / (
            weight[a] + weight[b] + weight
        )  # Lance and Williams (1967): Ward's cost of the union, from the costs of its parts
        weight[a] += weight[b]
        row[[a, b]] = np.inf
        row[~np.isfinite(cost[a])] = np.inf
        cost[a], cost[:, a], cost[b], cost[:, b] = row, row, np.inf, np.inf
    return steps


def cut(steps: np.ndarray, k: int) -> np.ndarray:
    """Cut a hierarchy of :func:`merges` into ``k`` clusters; returns each average's cluster (m,), numbered from 0."""
    place = np.arange(len(steps) + 1)
    for a, b in steps[: max(len(steps) + 1 - k, 0)]:
        place[place == b] = a
    return np.unique(place, return_inverse=True)[1]


def centres(points: Averages, steps: np.ndarray, k: int, config: TreeConfig) -> np.ndarray:
    """Return ``k`` centres (k, d) of the averages: k-means that starts from the hierarchy, or from better seeds."""
    from sklearn.cluster import KMeans
    from threadpoolctl import threadpool_limits

    label = cut(steps, k)
    start = np.stack(
        [np.average(points.means[label == c], axis=0, weights=points.weights[label == c]) for c in range(k)]
    )
    with threadpool_limits(1):  # threads add up floats in another order every time
        tries = [KMeans(k, init=start.astype("float32"), n_init=1)]
        tries += [KMeans(k, n_init=1, random_state=config.seed + number) for number in range(config.restarts)]
        fitted = [one.fit(points.means, sample_weight=points.weights) for one in tries]
    best = min(fitted, key=lambda one: round(float(one.inertia_), 3))
    return np.round(best.cluster_centers_, _DECIMALS).astype("float32")


def refined(moved: np.ndarray, totals: Totals, config: TreeConfig) -> np.ndarray:
    """Move centres to the means of the points nearest to them, ``config.refinements`` times."""
    for _ in range(config.refinements):
        moved = _moved(moved, *totals(moved))
    return moved


def _moved(old: np.ndarray, sums: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return the means of what was summed; a centre that nothing is nearest to stays."""
    means = np.where(weights[:, None] > 0, sums / np.maximum(weights, 1)[:, None], old)
    return np.round(means, _DECIMALS).astype("float32")
