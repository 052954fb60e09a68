from __future__ import annotations

import numpy as np
from sklearn.cluster import KMeans

from features.segments.hierarchical_kmeans import (
    Averages,
    TreeConfig,
    averages,
    centres,
    cut,
    merges,
    nearest,
    refined,
    totals_of,
)

CLOUDS = np.array([[0, 0], [10, 0], [0, 10], [11, 11]], dtype="float32")


def sample(size: int = 4000, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return (CLOUDS[rng.integers(0, 4, size)] + rng.normal(0, 1, (size, 2))).astype("float32")


def test_nearest_equals_brute_force_and_takes_the_first_of_equals():
    x, result = sample(5000), np.vstack([CLOUDS, CLOUDS[:1]])
    label, squares = nearest(x, result)
    gaps = ((x[:, None] - result) ** 2).sum(axis=2)
    np.testing.assert_array_equal(label, gaps.argmin(axis=1))
    np.testing.assert_allclose(squares, gaps.min(axis=1), atol=1e-3)
    assert label.max() < 4


def test_totals_add_up():
    x = sample()
    sums, weights = totals_of(x)(CLOUDS)
    assert weights.sum() == len(x)
    np.testing.assert_allclose(sums.sum(axis=0), x.sum(axis=0, dtype="float64"), rtol=1e-5)


def test_merges_follow_ward_with_weights():
    micro = Averages(np.array([[0.0], [1.0], [5.0], [5.5]], dtype="float32"), np.array([10.0, 10.0, 1.0, 1.0]))
    steps = merges(micro)
    assert steps.tolist()[0] == [2, 3]  # 0.125 against 5.0
    assert cut(steps, 2).tolist() == [0, 0, 1, 1]
    assert cut(steps, 4).tolist() == [0, 1, 2, 3]
    assert len(set(cut(steps, 1))) == 1


def test_clouds_are_found_at_the_inertia_of_plain_kmeans():
    x, config = sample(20_000), TreeConfig(micro=64)
    micro = averages(x[:2000], totals_of(x), config)
    assert micro.weights.sum() == len(x)
    result = refined(centres(micro, merges(micro), 4, config), totals_of(x), config)
    plain = KMeans(4, n_init=3, random_state=0).fit(x)
    assert nearest(x, result)[1].sum(dtype="float64") <= 1.001 * plain.inertia_


def test_few_different_points_give_few_averages():
    x = np.repeat(CLOUDS[:2], 50, axis=0)
    micro = averages(x, totals_of(x), TreeConfig())
    assert micro.weights.tolist() == [50, 50]
    alike = np.zeros((5, 2), dtype="float32")
    assert averages(alike, totals_of(alike), TreeConfig()).weights.tolist() == [5]
