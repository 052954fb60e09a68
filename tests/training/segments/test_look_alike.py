"""Look-alikes find hidden members, nobody is scored by a model that saw them, and the curve is computed by hand."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from scipy import sparse

from training.segments.look_alike import (
    LookAlikeConfig,
    beats_chance,
    comparable,
    curve,
    extension,
    similarity,
    sparse_matrix,
)

CONFIG = LookAlikeConfig(strength=0.01, sample=1000)


def crowd(seed: int = 0, size: int = 600) -> tuple[sparse.csr_matrix, np.ndarray]:
    """Customers of whom a fifth buys in categories of its own."""
    rng = np.random.default_rng(seed)
    alike = rng.random(size) < 0.2
    rate = np.where(alike[:, None], np.r_[np.full(20, 2.0), np.full(80, 0.4)], 0.4)
    return sparse.csr_matrix(rng.poisson(rate).astype("float32")), alike


def test_hidden_members_are_recovered():
    wide, alike = crowd()
    alone = comparable(sparse.csr_matrix(np.array([[0.0, 5.0], [np.e - 1, 5.0]], dtype="float32")))
    np.testing.assert_allclose(alone.toarray(), [[0, 0], [2, 0]], rtol=1e-5)  # what never varies says nothing
    actual = alike & (np.random.default_rng(1).random(600) < 0.5)  # half of them never said so
    likeness = similarity(comparable(wide), actual, np.ones(600, dtype=bool), CONFIG)
    added, bands = extension(likeness, actual, 60)
    assert not actual[added].any()
    assert alike[added].mean() > 0.9 * min(1, (alike & ~actual).sum() / 60)
    assert bands[0] == "closest"
    assert bands[-1] == "wider"
    point = next(one for one in curve(likeness, actual, np.ones(600, dtype=bool)) if one.reach_share == 0.2)
    assert point.recall > 0.9
    assert point.lift > 4


def test_a_seed_drawn_by_lot_is_not_found_again():
    wide, _ = crowd()
    wide = comparable(wide)
    lot = np.random.default_rng(2).random(600) < 0.3
    likeness = similarity(wide, lot, np.ones(600, dtype=bool), CONFIG)
    point = next(one for one in curve(likeness, lot, np.ones(600, dtype=bool)) if one.reach_share == 0.3)
    assert not beats_chance(curve(likeness, lot, np.ones(600, dtype=bool)))
    assert 0.6 < point.lift < 1.4  # in-sample scores of these features would find clearly more


def test_of_whom_nothing_is_known_teaches_nothing():
    wide, alike = crowd()
    wide = comparable(wide)
    recorded = np.arange(600) < 300
    one = similarity(wide, alike & recorded, recorded, CONFIG)
    other = similarity(wide, alike, recorded, CONFIG)  # what the unknown are does not matter
    np.testing.assert_array_equal(one, other)
    assert one[~recorded & alike].mean() > 2 * one[~recorded & ~alike].mean()
    with pytest.raises(ValueError, match="the seed has 3 member"):
        similarity(wide, np.arange(600) < 3, recorded, CONFIG)


def test_a_curve_by_hand():
    likeness = np.array([0.9, 0.8, 0.7, 0.1, 0.05, 0.04, 0.03, 0.02, 0.01, 0.0])
    is_seed = np.array([True, False, True, False, False, False, False, False, False, True])
    points = {one.reach_share: one for one in curve(likeness, is_seed, np.ones(10, dtype=bool))}
    half = points[0.5]
    assert (half.customers, half.recovered, half.recall, half.precision) == (5, 2, 2 / 3, 2 / 5)
    assert half.lift == pytest.approx((2 / 5) / (3 / 10))
    assert (half.precision_low, half.precision_high) == pytest.approx((0.1176, 0.7693), abs=1e-4)
    assert (half.recall_low, half.recall_high) == pytest.approx((0.2077, 0.9385), abs=1e-4)


def test_lists_become_a_matrix_also_behind_a_slice():
    places = pa.array([[0, 2], [], [1]], pa.list_(pa.int32()))
    cells = pa.array([[1.0, 2.0], [], [3.0]], pa.list_(pa.float32()))
    assert sparse_matrix(places, cells, 3).toarray().tolist() == [[1, 0, 2], [0, 0, 0], [0, 3, 0]]
    assert sparse_matrix(places.slice(1), cells.slice(1), 3).toarray().tolist() == [[0, 0, 0], [0, 3, 0]]
