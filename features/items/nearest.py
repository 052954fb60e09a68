"""Nearest neighbours of items by what they share: the best few columns of each row of a sparse product.

One kernel serves items of the same baskets, products described by the same words, customers and the words of
what they buy, and shops and what is popular there. i = rows, b = baskets (whatever joins the two sides), j = columns,
e = events (cells that are not zero).

References: Dunning (1993), "Accurate Methods for the Statistics of Surprise and Coincidence", Computational
Linguistics 19(1); Robertson and Zaragoza (2009), "The Probabilistic Relevance Framework: BM25 and Beyond"; Schelter,
Boden and Markl (2012), "Scalable Similarity-Based Neighborhood Methods with MapReduce", RecSys, for bounding the work
of frequent items by a sample.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

import numba
import numpy as np

Weighting = Literal["llr", "cosine", "bm25", "dot"]
#: BM25's saturation and length normalisation
K1, B = 100.0, 0.8
NOTHING = np.zeros(0, np.float32)


@dataclass(frozen=True)
class NearestConfig:
    """What is kept of each row, and what bounds the work.

    Attributes:
        weighting: ``llr`` (signed log-likelihood ratio), ``cosine``, ``bm25``, or ``dot``: the plain sum of products.
        top: columns kept of each row.
        least: baskets in which two must meet.
        most_items: baskets with more items are left out: they give most of the pairs and say least.
        most_baskets: of a row in more baskets, the first so many are read and counts scaled up. Baskets are in the
            order of a hash, so this is a random sample, the same for all rows: a row costs at most ``most_baskets`` x
            ``most_items``, however popular its item is. Rare items meet popular ones in full.
    """

    weighting: Weighting = "llr"
    top: int = 20
    least: int = 2
    most_items: int = 60
    most_baskets: int = 20_000


@dataclass(frozen=True)
class Cells:
    """A matrix by rows: ``starts`` int64 (rows + 1,), ``index`` int32 (e,), ``data`` float32 (e,) or empty: 1."""

    starts: np.ndarray
    index: np.ndarray
    data: np.ndarray = field(default_factory=lambda: NOTHING)

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.starts) - 1

    @staticmethod
    def of(matrix) -> Cells:  # type: ignore[no-untyped-def]
        """Take over a SciPy matrix by rows."""
        matrix = matrix.tocsr()
        return Cells(matrix.indptr.astype(np.int64), matrix.indices.astype(np.int32), matrix.data.astype(np.float32))


@dataclass(frozen=True)
class Nearest:
    """The best columns of some rows, best first: arrays (rows, top).

    Attributes:
        index: int32 column; -1 where there are no more.
        score: float64 by the weighting.
        together: float64 baskets with both; estimated where a row was sampled.
    """

    index: np.ndarray
    score: np.ndarray
    together: np.ndarray


def from_events(basket: np.ndarray, item: np.ndarray) -> tuple[np.ndarray, Cells]:
    """Return the distinct baskets (int64, ascending) and the baskets x items matrix; O(e log e).

    Args:
        basket: (e,) int64 names of baskets in any order.
        item: (e,) items from 0; one that stands in a basket twice counts once.
    """
    order = np.argsort(basket, kind="stable")
    names, starts, index = _by_basket(basket[order], item[order].astype(np.int32))
    return names, Cells(starts, index)


def without_long(baskets: Cells, most_items: int) -> tuple[np.ndarray, Cells]:
    """Leave out the baskets with more than ``most_items`` items; return which stay (boolean) and the rest."""
    sizes = np.diff(baskets.starts)
    kept = sizes <= most_items
    starts = np.concatenate([[0], np.cumsum(sizes[kept])]).astype(np.int64)
    return kept, Cells(starts, baskets.index[np.repeat(kept, sizes)])


def nearest_items(
    baskets: Cells, items: int, config: NearestConfig, task: int = 0, tasks: int = 1, block: int = 200_000
) -> Iterator[tuple[np.ndarray, np.ndarray, Nearest]]:
    """Find the neighbours of the items ``task, task + tasks, ...`` among all items, in blocks.

    O(sum over baskets of items^2), bounded by ``items x most_baskets x most_items``; memory 4 bytes an event and 16 an
    item, and ``4 / tasks`` an event more for the own items.

    Args:
        baskets: baskets x items, the baskets in the order of a hash of their names.
        items: number of items.
        config: settings; ``dot`` counts baskets.
        task: number of the share of the items.
        tasks: number of shares.
        block: items of a block.

    Yields:
        The items of a block (int32), the basket counts of all items (int64), and their
        neighbours.
    """
    sizes = np.bincount(baskets.index, minlength=items).astype(np.int64)
    by_item = _transposed(baskets.starts, baskets.index, sizes, task, tasks)
    own = np.arange(task, items, tasks, dtype=np.int32)
    gain, scale = _weights(baskets, sizes, config.weighting)
    for start in range(0, len(own), block):
        mine = own[start : start + block]
        ends = by_item[0][start : start + len(mine) + 1]
        index = by_item[1][ends[0] : ends[-1]]
        rows = Cells(ends - ends[0], index, gain[index] if len(gain) else NOTHING)
        yield mine, sizes, nearest(rows, baskets, config, sizes, scale, own=mine)


def nearest(
    rows: Cells, columns: Cells, config: NearestConfig, sizes: np.ndarray | None = None, scale: np.ndarray = NOTHING,
    own: np.ndarray | None = None,
) -> Nearest:  # fmt: skip
    """Keep the best columns of each row of ``rows @ columns``.

    Args:
        rows: i x b.
        columns: b x j.
        config: ``top``, ``least``, ``most_baskets`` and, with ``sizes``, ``llr``.
        sizes: (j,) baskets of each column; needed for ``llr`` alone.
        scale: (j,) factor of each column, and of each row that is a column too; empty for 1.
        own: (i,) the column that a row itself is, and that is not its own neighbour; None where it is none.

    Returns:
        Ties go to more baskets, then to the first column. ``llr`` may be negative: together less than by chance.
    """
    own = np.full(len(rows), -1, np.int32) if own is None else own
    width = int(max(columns.index.max(initial=-1) + 1, own.max(initial=-1) + 1, 0 if sizes is None else len(sizes)))
    counted = sizes is not None and config.weighting == "llr"
    best = _nearest(
        (rows.starts, rows.index, rows.data), (columns.starts, columns.index, columns.data), own, width,
        sizes.astype(np.float64) if counted and sizes is not None else np.zeros(0), scale.astype(np.float64),
        config.top, config.least, config.most_baskets,
    )  # fmt: skip
    return Nearest(*best)


def _weights(baskets: Cells, sizes: np.ndarray, weighting: str) -> tuple[np.ndarray, np.ndarray]:
    """Return what a shared basket gives (b,) and what an item's score is multiplied by (j,); empty for 1."""
    n = np.maximum(sizes, 1).astype(np.float64)
    if weighting == "cosine":
        return NOTHING, 1 / np.sqrt(n)
    if weighting == "bm25":  # an item is a document, its baskets are the words
        rarity = np.log(max(len(sizes), 1)) - np.log1p(np.diff(baskets.starts))
        saturation = (K1 + 1) / (K1 * (1 - B + B * n / max(sizes.mean(), 1e-12)) + 1)
        return (rarity**2).astype(np.float32), saturation
    return NOTHING, NOTHING


@numba.njit(nogil=True, cache=True)
def _by_basket(basket, item):  # type: ignore[no-untyped-def]
    """Cut sorted events into baskets, the items of each ascending and once."""
    size, kept, at = len(basket), 0, 0
    names, starts = np.empty(size, np.int64), np.zeros(size + 1, np.int64)
    while at < size:
        end = at
        while end < size and basket[end] == basket[at]:
            end += 1
        item[at:end].sort()
        names[kept] = basket[at]
        here = starts[kept]
        for place in range(at, end):
            if place == at or item[place] != item[here - 1]:
                item[here] = item[place]
                here += 1
        kept += 1
        starts[kept] = here
        at = end
    return names[:kept].copy(), starts[: kept + 1].copy(), item[: starts[kept]].copy()


@numba.njit(nogil=True, cache=True)
def _transposed(starts, index, sizes, task, tasks):  # type: ignore[no-untyped-def]
    """Return starts and baskets of the items ``task, task + tasks, ...``, baskets ascending."""
    mine = (len(sizes) - task + tasks - 1) // tasks
    ends = np.zeros(mine + 1, np.int64)
    for number in range(mine):
        ends[number + 1] = ends[number] + sizes[task + number * tasks]
    at = ends[:-1].copy()
    baskets = np.empty(ends[-1], np.int32)
    for basket in range(len(starts) - 1):
        for place in range(starts[basket], starts[basket + 1]):
            item = index[place]
            if item % tasks == task:
                baskets[at[item // tasks]] = basket
                at[item // tasks] += 1
    return ends, baskets


@numba.njit(nogil=True, cache=True, inline="always")
def _xlogx(x: float) -> float:
    return x * np.log(x) if x > 0 else 0.0


@numba.njit(nogil=True, cache=True)
def _nearest(rows, columns, own, width, sizes, scale, top, least, most_baskets):  # type: ignore[no-untyped-def]
    """See :func:`nearest`; a row's counts stand in one array that is cleared by the columns it touched."""
    (starts, baskets, gains), (begins, index, data) = rows, columns
    n = len(starts) - 1
    best, score, shared = np.full((n, top), -1, np.int32), np.zeros((n, top)), np.zeros((n, top))
    count, total = np.zeros(width, np.int32), np.zeros(width if len(gains) or len(data) else 0, np.float32)
    touched = np.empty(width, np.int32)
    every = float(len(begins) - 1)
    for row in range(n):
        first, last = starts[row], starts[row + 1]
        read = min(last - first, most_baskets)
        blown = (last - first) / read if read else 1.0
        met = 0
        for place in range(first, first + read):
            basket = baskets[place]
            gain = gains[place] if len(gains) else np.float32(1)
            for cell in range(begins[basket], begins[basket + 1]):
                column = index[cell]
                if count[column] == 0:
                    touched[met] = column
                    met += 1
                count[column] += 1
                if len(total):
                    total[column] += gain * (data[cell] if len(data) else np.float32(1))
        itself = own[row]
        if itself >= 0 and len(sizes):
            alone = sizes[itself]
            margin = _xlogx(every) - _xlogx(alone) - _xlogx(every - alone)
        held = 0
        for number in range(met):
            column = touched[number]
            met_in = count[column]
            count[column] = 0
            value = float(met_in)
            if len(total):
                value, total[column] = float(total[column]), 0
            if met_in < least or column == itself:
                continue
            together, value = met_in * blown, value * blown
            if len(sizes):
                other = sizes[column]
                together = min(together, other)
                cells = _xlogx(together) + _xlogx(alone - together) + _xlogx(other - together)
                cells += _xlogx(every - alone - other + together)
                value = 2 * max(0.0, cells + margin - _xlogx(other) - _xlogx(every - other))
                if together * every < alone * other:
                    value = -value
            elif len(scale):
                value *= scale[column] * (scale[itself] if itself >= 0 else 1.0)
            if held == top and not _before(value, together, column, score[row], shared[row], best[row], top - 1):
                continue
            place = held if held < top else top - 1
            while place > 0 and _before(value, together, column, score[row], shared[row], best[row], place - 1):
                best[row, place] = best[row, place - 1]
                score[row, place] = score[row, place - 1]
                shared[row, place] = shared[row, place - 1]
                place -= 1
            best[row, place], score[row, place], shared[row, place] = column, value, together
            held = min(held + 1, top)
    return best, score, shared


@numba.njit(nogil=True, cache=True, inline="always")
def _before(value, together, column, scores, shared, index, place):  # type: ignore[no-untyped-def]
    """Tell whether a column is better than the one that stands at ``place``."""
    if value != scores[place]:
        return value > scores[place]
    if together != shared[place]:
        return together > shared[place]
    return column < index[place]
