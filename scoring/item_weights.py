"""How strongly each product type speaks for every other: linear item-to-item models of all customers' histories.

The matrices that the models are solved from are summed in whole numbers, so that neither the order of rows nor their
partitions change anything. t = product types, b = customers of a batch.

Reference: Steck (2019), "Embarrassingly Shallow Autoencoders for Sparse Data", WWW.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from pyspark.sql import DataFrame, types as T
from scipy import sparse

from scoring.candidate_blocks import history_cells
from training.recommenders.ease import ease_weights

#: L2 on the weights: for how often (which repeats live from) and for whether at all (which discoveries live from)
PENALTY_OFTEN, PENALTY_EVER = 300.0, 1000.0
#: logarithms of baskets are taken in sixteenths
_STEPS = 16
#: a first purchase younger than this is a new one
NEW_DAYS = 28
_COLUMNS = ("often", "ever", "fresh", "customers")


@dataclass(frozen=True)
class ItemWeights:
    """Fitted on all customers.

    Attributes:
        often: (t, t) weights on the logarithm of baskets, zero on the diagonal.
        ever: (t, t) weights on whether it was ever bought.
        new_share: (t,) share of the customers with a history who lacked the type 28 days ago and bought it since.
    """

    often: np.ndarray
    ever: np.ndarray
    new_share: np.ndarray


def item_weights(histories: DataFrame, names: list[str]) -> ItemWeights:
    """Fit both models: one pass over the histories, then O(t^3) on the driver.

    Args:
        histories: a row per customer with ``history``: a list of structs with ``product_type``, ``baskets_total`` and
            ``days_since_first``.
        names: the product types, sorted.
    """
    size = len(names)
    shapes = ((size, size), (size, size), (size,), (1,))

    def apply(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        sums = [np.zeros(shape, dtype="int64") for shape in shapes]
        for batch in batches:
            for total, part in zip(sums, counted(batch.column("history"), names), strict=True):
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
    return ItemWeights(
        ease_weights(often / _STEPS**2, PENALTY_OFTEN),
        ease_weights(ever, PENALTY_EVER),
        np.round(fresh / np.maximum(without, 1), 9),
    )


def counted(lists: pa.Array, names: list[str]) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return the gram matrices (t, t) of how often and of whether, the first-time buyers (t,) and the customers."""
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
