"""The best columns of a product, against those of the whole matrix."""

from __future__ import annotations

import numpy as np
import pytest

from bench.peers.best_products import best_products
from training.evaluation.top_k import best_columns


@pytest.mark.parametrize(("rows", "tile"), [(256, 2048), (3, 17), (7, 5)])
def test_products_tile_by_tile_are_those_of_the_whole_matrix(rows, tile):
    generator = np.random.default_rng(1)
    left, right = (generator.integers(-2, 3, size).astype("float32") for size in ((10, 4), (4, 100)))
    lists, values = best_products(left, right, 6, rows, tile)
    whole = left @ right
    assert lists.tolist() == best_columns(whole, 6).tolist()
    assert values.tolist() == np.take_along_axis(whole, lists, axis=1).tolist()
