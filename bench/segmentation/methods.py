"""Methods of segmentation compared on the same points, and the one that the figures choose.

n = customers of a sample, d = coordinates, k = segments. Every method is judged in the space of the points, also
where it clusters in another: mean silhouette, adjusted Rand index of refits on resampled customers, size of its
smallest segment.

References: Rousseeuw (1987), "Silhouettes"; Hennig (2007), "Cluster-wise assessment of cluster stability"; McLachlan
and Peel (2000), "Finite Mixture Models"; Campello, Moulavi and Sander (2013), "Density-based clustering based on
hierarchical density estimates"; Xie, Girshick and Farhadi (2016), "Unsupervised deep embedding for clustering analysis"
(k-means in an autoencoder's space).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from features.segments.hierarchical_kmeans import TreeConfig, averages, centres, merges, nearest, refined, totals_of
from training.networks.backend import keras_for

#: points (n, d) -> their segments (n,), -1 where a method leaves a point out
Place = Callable[[np.ndarray], np.ndarray]
#: points and seed -> what cuts them into a number of segments: the costly part is done once for all numbers
Method = Callable[[np.ndarray, int], Callable[[int], Place]]
OURS = "hierarchical k-means"


@dataclass(frozen=True)
class MethodsConfig:
    """Everything that changes the comparison; bounds as in ``features.segments.fit.FitConfig``, and one more.

    A segment with more than ``largest_share`` of the customers is of no use to a marketer.
    """

    fewest: int = 3
    most: int = 6
    smallest_share: float = 0.05
    largest_share: float = 2 / 3
    least_stability: float = 0.6
    bootstraps: int = 5
    sample: int = 2048
    seed: int = 20260101


@dataclass(frozen=True)
class Verdict:
    """A method with a number of segments.

    Attributes:
        method: its name.
        k: number of segments.
        silhouette: mean over all points; one that is left out counts 0.
        stability: mean adjusted Rand index of refits on resampled customers; of all points.
        smallest_share: size of the smallest segment.
        largest_share: size of the largest.
        left_out: share of the points that it calls noise.
        softness: mixtures: mean probability of a customer's own segment; else None.
        agreement: adjusted Rand index with hierarchical k-means of as many segments.
        eligible: within all bounds.
        chosen: the best silhouette among the eligible.
    """

    method: str
    k: int
    silhouette: float
    stability: float
    smallest_share: float
    largest_share: float
    left_out: float
    softness: float | None
    agreement: float
    eligible: bool
    chosen: bool = False


def compare(points: np.ndarray, config: MethodsConfig, methods: Mapping[str, Method] | None = None) -> list[Verdict]:
    """Judge every method with every number of segments.

    Args:
        points: standardised, float32 (n, d), in a stable order; the first ``config.sample`` are used.
        config: bounds.
        methods: by name; None: all of :data:`METHODS`.

    Returns:
        A verdict for each; at most one is chosen. Empty where there are fewer points than a number of segments needs.
    """
    sample = np.ascontiguousarray(points[: config.sample], dtype="float32")
    if len(sample) < 10 * config.most:
        return []
    rng = np.random.default_rng(config.seed)
    resampled = [sample[rng.integers(0, len(sample), len(sample))] for _ in range(config.bootstraps)]
    ours = METHODS[OURS](sample, config.seed)
    verdicts: list[Verdict] = []
    for name, method in (methods or METHODS).items():
        cut = method(sample, config.seed)
        again = [method(part, config.seed + number) for number, part in enumerate(resampled, 1)]
        # density chooses the number of segments itself
        for k in range(config.fewest, config.fewest + 1 if name == DENSITY else config.most + 1):
            refits = [one(k)(sample) for one in again]
            verdicts.append(_judged(name, cut(k), refits, ours(k)(sample), sample, config))
    eligible = [one for one in verdicts if one.eligible]
    if not eligible:
        return verdicts
    best = max(eligible, key=lambda one: (one.silhouette, -one.k))
    return [Verdict(**{**asdict(one), "chosen": one is best}) for one in verdicts]


def _judged(
    name: str, place: Place, refits: list[np.ndarray], ours: np.ndarray, sample: np.ndarray, config: MethodsConfig
) -> Verdict:
    from sklearn.metrics import adjusted_rand_score, silhouette_score

    label = place(sample)
    agreement = [adjusted_rand_score(label, refit) for refit in refits]
    placed = label >= 0
    sizes = np.unique(label[placed], return_counts=True)[1]
    many = len(sizes)
    silhouette = float(silhouette_score(sample[placed], label[placed]) * placed.mean()) if many > 1 else -1.0
    stability = float(np.mean(agreement))
    smallest, largest = (float(pick(sizes, default=0)) / len(sample) for pick in (min, max))
    eligible = (
        config.fewest <= many <= config.most
        and stability >= config.least_stability
        and smallest >= config.smallest_share
        and largest <= config.largest_share
    )
    soft = getattr(place, "softness", None)
    return Verdict(
        method=name,
        k=many,
        silhouette=round(silhouette, 6),
        stability=round(stability, 6),
        smallest_share=round(smallest, 6),
        largest_share=round(largest, 6),
        left_out=round(1 - float(placed.mean()), 6),
        softness=None if soft is None else round(float(soft), 6),
        agreement=round(float(adjusted_rand_score(ours, label)), 6),
        eligible=eligible,
    )


# --- methods


def _hierarchical(points: np.ndarray, seed: int) -> Callable[[int], Place]:
    config = TreeConfig(seed=seed)
    totals = totals_of(points)
    micro = averages(points, totals, config)
    steps = merges(micro)

    def cut(k: int) -> Place:
        best = refined(centres(micro, steps, k, config), totals, config)
        return lambda x: nearest(x, best)[0]

    return cut


def _kmeans(points: np.ndarray, seed: int) -> Callable[[int], Place]:
    def cut(k: int) -> Place:
        fitted = _fitted_kmeans(points, k, seed)
        return lambda x: nearest(x, fitted)[0]

    return cut


class _Mixture:
    """Places by the most probable component; ``softness`` is the mean probability of it."""

    def __init__(self, points: np.ndarray, k: int, seed: int) -> None:
        from sklearn.mixture import GaussianMixture

        # full covariances of d coordinates need points enough for each component
        kind: Any = "full" if len(points) > 20 * k * points.shape[1] else "diag"
        self.model = GaussianMixture(k, covariance_type=kind, n_init=2, reg_covar=1e-3, random_state=seed).fit(points)
        self.softness = float(self.model.predict_proba(points).max(axis=1).mean())

    def __call__(self, x: np.ndarray) -> np.ndarray:
        return np.asarray(self.model.predict(x), dtype="int64")


def _mixture(points: np.ndarray, seed: int) -> Callable[[int], Place]:
    return lambda k: _Mixture(points, k, seed)


def _density(points: np.ndarray, seed: int) -> Callable[[int], Place]:
    """Cluster by density; the fitted points keep their own labels, noise included, others go to the nearest mean."""
    from sklearn.cluster import HDBSCAN

    label = HDBSCAN(min_cluster_size=max(len(points) // 50, 5), min_samples=5, copy=True).fit_predict(points)
    labels = np.unique(label[label >= 0])
    if not len(labels):
        return lambda k: lambda x: np.full(len(x), -1)
    means = np.stack([points[label == one].mean(axis=0) for one in labels])
    return lambda k: lambda x: label if x is points else nearest(x, means)[0]


def _autoencoded(points: np.ndarray, seed: int) -> Callable[[int], Place]:
    """Train a small autoencoder and run k-means in the space of its code."""
    keras = keras_for(seed)
    width = points.shape[1]
    given = keras.Input((width,))
    code = keras.layers.Dense(3)(keras.layers.Dense(4 * width, activation="gelu")(given))
    back = keras.layers.Dense(width)(keras.layers.Dense(4 * width, activation="gelu")(code))
    network = keras.Model(given, back)
    network.compile(optimizer=keras.optimizers.Adam(5e-3), loss="mse")
    network.fit(points, points, batch_size=256, epochs=30, verbose=0)
    encoder = keras.Model(given, code)
    held = np.asarray(encoder(points))

    def cut(k: int) -> Place:
        fitted = _fitted_kmeans(held, k, seed)
        return lambda x: nearest(np.asarray(encoder(x)), fitted)[0]

    return cut


def _fitted_kmeans(points: np.ndarray, k: int, seed: int) -> np.ndarray:
    from sklearn.cluster import KMeans
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1):  # threads add up floats in another order every time
        fitted = KMeans(k, n_init=4, random_state=seed).fit(points)
    return np.asarray(fitted.cluster_centers_, dtype="float32")


DENSITY = "density (HDBSCAN)"
METHODS: dict[str, Method] = {
    OURS: _hierarchical,
    "k-means": _kmeans,
    "Gaussian mixture": _mixture,
    DENSITY: _density,
    "autoencoder and k-means": _autoencoded,
}
