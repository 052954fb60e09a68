from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from features.segments.fit import Choice, FitConfig, SegmentFit, choose, moved_from, moved_to
from features.segments.hierarchical_kmeans import nearest, totals_of

CONFIG = FitConfig(most=4, bootstraps=3, least_stability=0.3)
CORNERS = np.array([[0, 0], [9, 0], [0, 9], [9, 9]], dtype="float32")


def disc(size: int = 1200) -> np.ndarray:
    """A continuum that can be cut into equal sectors whichever way one begins."""
    rng = np.random.default_rng(0)
    angle, radius = rng.uniform(0, 2 * np.pi, size), np.sqrt(rng.random(size))
    return np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1).astype("float32")


def sectors(k: int, turned: float) -> np.ndarray:
    angle = turned + np.arange(k) * 2 * np.pi / k
    return np.stack([np.cos(angle), np.sin(angle)], axis=1).astype("float32") / 2


def chosen(x: np.ndarray, before: np.ndarray | None = None, config: FitConfig = CONFIG) -> Choice:
    return choose(x, totals_of(x), len(x), config, before)


def test_a_cut_as_good_as_the_best_stays():
    x = disc()
    for turned in (0.0, 0.5, 1.0):
        start = sectors(4, turned)
        result = chosen(x, start)
        own, old = nearest(x, result.centres)[0], nearest(x, start)[0]
        assert np.mean(own == old) > 0.85  # the order of the centres is kept too
    strict = chosen(x, sectors(4, 0.5), replace(CONFIG, better=-1.0))
    assert strict.silhouette == chosen(x).silhouette


def test_a_cut_whose_stability_is_a_little_too_low_stays():
    x, start = disc(), sectors(4, 0.5)
    held = chosen(x, start)
    bound = (held.stability or 0) + 0.1
    assert nearest(x, chosen(x, start, replace(CONFIG, least_stability=bound)).centres)[0].tolist() == (
        nearest(x, held.centres)[0].tolist()
    )
    strict = replace(CONFIG, least_stability=bound, tolerance=0.0)
    assert chosen(x, start, strict).silhouette == chosen(x, None, strict).silhouette


def test_a_cut_that_became_worse_gives_way():
    rng = np.random.default_rng(1)
    x = (CORNERS[rng.integers(0, 4, 1200)] + rng.normal(0, 0.5, (1200, 2))).astype("float32")
    sides = np.array([[0, 4.5], [9, 4.5], [4.5, 20]], dtype="float32")
    result = chosen(x, sides)
    assert len(result.centres) == 4
    assert result.silhouette == pytest.approx(chosen(x).silhouette)


def test_centres_of_before_are_standardised_as_points_are_now():
    old = SegmentFit("2017-12-01", (1.0, 2.0), (2.0, 4.0), ((0.5, -1.0),))
    now = moved_from(old, [0.0, 0.0], [1.0, 2.0])
    assert now.tolist() == [[2.0, -1.0]]  # 0.5 x 2 + 1 and -1 x 4 + 2, then by the scale of now
    np.testing.assert_allclose(moved_to(now, old, [0.0, 0.0], [1.0, 2.0]), old.array, atol=1e-6)
