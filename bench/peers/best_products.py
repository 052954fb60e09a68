"""The best columns of a matrix product, made and thrown away tile by tile: customers x products by latent factors."""

from __future__ import annotations

import numpy as np

from training.evaluation.top_k import _empty, _merge, _sort

#: columns whose scores are held at once: with some hundred rows they stay within a core's cache
_TILE = 2048


def best_products(
    left: np.ndarray, right: np.ndarray, k: int, rows: int = 256, tile: int = _TILE
) -> tuple[np.ndarray, np.ndarray]:
    """Return the columns (b, k) and the values of the largest cells of ``left @ right``; O(b x i x d).

    Never more than ``rows`` x ``tile`` products are held.

    Args:
        left: (b, d) float32.
        right: (d, i) float32, C-ordered.
        k: length of a list.
        rows: rows of ``left`` that are multiplied at once.
        tile: columns of ``right`` that are multiplied at once.
    """
    values, lists = _empty(len(left), k, np.dtype("float32"))
    tiles = [(start, np.ascontiguousarray(right[:, start : start + tile])) for start in range(0, right.shape[1], tile)]
    scratch = np.empty(rows * tile, dtype="float32")
    for first in range(0, len(left), rows):
        part = slice(first, first + rows)
        block = np.ascontiguousarray(left[part])
        for start, columns in tiles:
            size = len(block), columns.shape[1]
            held = scratch[: size[0] * size[1]].reshape(size)
            _merge(np.matmul(block, columns, out=held), start, values[part], lists[part])
    _sort(values, lists)
    return lists, values
