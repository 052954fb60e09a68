"""Methods of segmentation agree on clear clusters, and are out of bounds where there are none."""

from __future__ import annotations

import numpy as np
import pytest

from bench.segmentation.methods import DENSITY, METHODS, OURS, MethodsConfig, compare

CONFIG = MethodsConfig(bootstraps=2, sample=600, most=4)
QUICK = {name: way for name, way in METHODS.items() if not name.startswith("autoencoder")}


def clouds(size: int = 600) -> np.ndarray:
    rng = np.random.default_rng(0)
    middle = np.array([[0, 0, 0, 0], [6, 0, 6, 0], [0, 6, 0, 6]], dtype="float32")
    return (middle[rng.integers(0, 3, size)] + rng.normal(0, 1, (size, 4))).astype("float32")


def test_every_method_recovers_three_clouds():
    result = compare(clouds(), CONFIG, QUICK)
    three = {one.method: one for one in result if one.k == 3}
    assert set(three) == set(QUICK)
    for name, one in three.items():
        assert min(one.agreement, one.stability) > 0.95, name
    (chosen,) = [one for one in result if one.chosen]
    assert chosen.k == 3
    assert chosen.eligible
    assert three["Gaussian mixture"].softness == pytest.approx(1, abs=0.01)
    assert three[OURS].softness is None
    assert three[DENSITY].left_out < 0.3


def test_an_autoencoders_space_keeps_clouds_apart():
    x = clouds()
    network = next(way for name, way in METHODS.items() if name.startswith("autoencoder"))
    (one,) = compare(x, MethodsConfig(bootstraps=1, sample=600, most=3), {"network": network})
    assert one.agreement > 0.6
    assert one.silhouette > 0.4


def test_what_cuts_a_single_cloud_otherwise_each_time_is_not_eligible():
    points = np.random.default_rng(1).normal(0, 1, (600, 4)).astype("float32")
    result = compare(points, CONFIG, QUICK)
    shaky = [one for one in result if one.stability < CONFIG.least_stability]
    assert {OURS, DENSITY} <= {one.method for one in shaky}
    assert not any(one.eligible for one in shaky)


def test_a_tiny_segment_is_out_of_the_question():
    points = clouds()
    points[:6] += 40
    result = compare(points, CONFIG, {"k-means": METHODS["k-means"]})
    far = [one for one in result if one.smallest_share < 0.02]
    assert far
    assert not any(one.eligible for one in far)


def test_a_handful_of_customers_is_not_judged():
    assert compare(clouds(30), CONFIG) == []
