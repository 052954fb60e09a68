"""Linear item-to-item models of product types, fitted on all customers' histories.

The Gram matrices are sums of whole numbers, so neither the order of rows nor partitions change them.

t = product types, b = customers of a batch.

Reference: Steck (2019), "Embarrassingly Shallow Autoencoders for Sparse Data", WWW.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pyarrow as pa
from pyspark.sql import DataFrame, types as T
from scipy import sparse

from scoring.offers.candidate_blocks import ItemWeights, history_cells
from training.recommenders.ease import ease_weights

#: L2 penalty of the model on how often a type was bought (used for repeats) and on whether it was (for discoveries)
PENALTY_OFTEN, PENALTY_EVER = 300.0, 1000.0
#: logarithms of baskets are taken in sixteenths
_STEPS = 16
#: product types of a model, the most popular: its matrices are squares of them, and solving is cubic
MOST_TYPES = 3000
#: a first purchase younger than this is a new one
NEW_DAYS = 28
_COLUMNS = ("often", "ever", "fresh", "customers")


def item_weights(histories: DataFrame, names: list[str], popularity: np.ndarray) -> ItemWeights:
    """Fit both models: one pass over the histories, then O(t^3) on the driver.

    Args:
        histories: a row per customer with ``history``: a list of structs with ``product_type``, ``baskets_total`` and
            ``days_since_first``.
        names: the product types (t), sorted.
        popularity: (t,) share of customers; beyond :data:`MOST_TYPES` the least popular types get no model.
    """
    types = np.sort(np.argsort(-popularity, kind="stable")[:MOST_TYPES])
    kept = [names[place] for place in types]
    size = len(kept)
    shapes = ((size, size), (size, size), (size,), (1,))

    def apply(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        sums = [np.zeros(shape, dtype="int64") for shape in shapes]
        for batch in batches:
            for total, part in zip(sums, counted(batch.column("history"), kept), strict=True):
                total += part
        yield pa.RecordBatch.from_pydict(
            {name: pa.array([total.tobytes()], pa.binary()) for name, total in zip(_COLUMNS, sums, strict=True)}
        )

    schema = T.StructType([T.StructField(name, T.BinaryType()) for name in _COLUMNS])
    parts = histories.select("history").mapInArrow(apply, schema).toArrow()
    sums = [np.zeros(shape, dtype="int64") for shape in shapes]
    for name, shape, total in zip(_COLUMNS, shapes, sums, strict=True):
        for part in parts[name]:
            total += np.frombuffer(part.as_py(), dtype="int64").reshape(shape)
    often, ever, fresh, customers = sums
    without = customers[0] - np.diag(ever) + fresh
    share = np.full(len(names), np.nan)
    share[types] = np.round(fresh / np.maximum(without, 1), 9)
    return ItemWeights(types, ease_weights(often / _STEPS**2, PENALTY_OFTEN), ease_weights(ever, PENALTY_EVER), share)


def counted(lists: pa.Array, names: list[str]) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return Gram matrices (t, t) of how often and of whether, first-time buyers (t,) and the number of customers."""
    row, column, entries = history_cells(lists, names)
    baskets, first = (
        entries.field(name).cast(pa.float64()).to_numpy(zero_copy_only=False)
        for name in ("baskets_total", "days_since_first")
    )
    shape = (len(lists), len(names))
    steps = np.rint(_STEPS * np.log1p(baskets)).astype("int64")
    often = sparse.csr_matrix((steps, (row, column)), shape=shape)
    ever = sparse.csr_matrix((np.ones(len(row), dtype="int64"), (row, column)), shape=shape)
    fresh = np.bincount(column[first < NEW_DAYS], minlength=len(names))
    return (often.T @ often).toarray(), (ever.T @ ever).toarray(), fresh, np.array([len(lists)])
