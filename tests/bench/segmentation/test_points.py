"""Methods of segmentation are compared on the night's own traits and on axes of its wide features."""

from __future__ import annotations

from datetime import date

import numpy as np
import pyarrow as pa
import pytest

from bench.segmentation.methods import METHODS, MethodsConfig, compare
from bench.segmentation.points import AXES, axes, traits
from conf.settings.schema import Settings
from conf.tables.interests import FEATURE_COVERAGE
from conf.tables.types import arrow_schema
from features.segments.traits import TRAITS
from jobs.lake.lake import Lake
from jobs.lake.manifest import Manifest
from jobs.stages import Stage

DAY = date(2017, 12, 3)


@pytest.fixture
def lake(settings: Settings) -> Lake:
    """Customers of three sorts: by what they spend and by what they buy."""
    rng, size, width = np.random.default_rng(0), 240, 30
    kind = np.arange(size) % 3
    profile = {
        "customer_id": [f"c{n:03d}" for n in range(size)],
        "is_cold": kind > 9,
        "recency_days": rng.poisson([5, 20, 60], (size // 3, 3)).ravel(),
        "baskets_84": rng.poisson([40, 15, 4], (size // 3, 3)).ravel(),
        "spend_84": rng.gamma(20, [40, 10, 3], (size // 3, 3)).ravel(),
        "spend_total": np.ones(size), "baskets_total": np.ones(size, dtype="int64"),
        "basket_value_84": rng.gamma(20, 1, size), "discount_share_84": rng.random(size) / 5,
        "discount_share_365": rng.random(size), "private_brand_share_84": rng.random(size) / 5,
        "trend_28": rng.normal(0, 0.1, size),
    }  # fmt: skip
    counts = rng.poisson(np.where(np.arange(width) % 3 == kind[:, None], 4.0, 0.3))
    places = [np.flatnonzero(row).astype("int32") for row in counts]
    wide = pa.table({
        "customer_id": profile["customer_id"],
        "places": pa.array([list(row) for row in places], pa.list_(pa.int32())),
        "cells": pa.array([[float(v) for v in row[row > 0]] for row in counts], pa.list_(pa.float32())),
    })  # fmt: skip
    recorded = [("wide", n, f"baskets_84|category C{n}", "baskets", "baskets", 1.0, 0.5) for n in range(width)]
    rows = [dict(zip(FEATURE_COVERAGE.names, row, strict=True)) for row in recorded]
    made = Lake(settings.lake)
    with made.draft(Stage.FEATURES, DAY) as draft:
        draft.arrow("features/profile", pa.table(profile))
        draft.arrow("features/wide", wide)
        draft.arrow("features/feature_coverage", pa.Table.from_pylist(rows, schema=arrow_schema(FEATURE_COVERAGE)))
        draft.facts = {"segments": {"centres": [[0.0] * 7], "shift": [3.0] * 7, "scale": [1.0] * 7}}
        draft.commit(Manifest("features", str(DAY), ""))
    return made


def test_every_method_is_judged_on_the_axes_and_three_sorts_of_customers_are_recovered(lake) -> None:
    quick = {name: method for name, method in METHODS.items() if not name.startswith("autoencoder")}
    verdicts = compare(axes(lake, DAY, 1), MethodsConfig(), quick)
    assert {one.method for one in verdicts} == set(quick)
    (best,) = [one for one in verdicts if one.chosen]
    assert best.k == 3
    assert next(one for one in verdicts if (one.method, one.k) == ("k-means", 3)).silhouette > 0.3


def test_points_are_those_that_the_nights_segments_rest_on(lake) -> None:
    points = traits(lake, DAY)
    assert points.shape == (240, len(TRAITS))
    profile = lake.arrow("features/profile", DAY)
    place = list(TRAITS).index("spend")
    assert points[:, place].sum() == pytest.approx(np.log1p(profile["spend_84"].to_numpy()).sum() - 3 * 240, rel=1e-5)
    assert axes(lake, DAY, 1).shape == (240, AXES)


def test_a_night_without_segments_has_no_points(settings) -> None:
    lake = Lake(settings.lake)
    with lake.draft(Stage.FEATURES, DAY) as draft:
        draft.commit(Manifest("features", str(DAY), ""))
    assert traits(lake, DAY).shape == (0, len(TRAITS))
