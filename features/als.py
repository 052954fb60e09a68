"""Latent factors of customers and product types by implicit alternating least squares.

Customers lie in blocks, product types are a dictionary of some thousand. An iteration is one pass: every block solves
its customers from the types' factors and sums up what the types' systems need of them; the sums are added and solved on
the driver. Customers' factors are never moved, and memory of the driver does not grow with customers. The systems are
those of Hu, Koren and Volinsky (2008): :mod:`features.half_steps`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from pyspark.sql import DataFrame, functions as F, types as T
from scipy import sparse

from conf.features import ALS_ITEMS, ALS_USERS
from features.half_steps import row_sums, solved, solved_sums, width
from features.schemas import conform, struct

#: product types whose sums travel in one row: some megabytes
_TYPES = 512
_SUMS = T.StructType([T.StructField("first", T.IntegerType()), T.StructField("sums", T.BinaryType())])


@dataclass(frozen=True)
class AlsConfig:
    """Everything that changes the factors.

    Confidence is ``1 + alpha * log(1 + min(baskets, cap))``. ``alpha`` stays low: where most purchases are repeats a
    high one drowns what the zeros tell. The penalty is ``regularization``, ``scaled`` by the purchases of the row as
    ALS-WR does. ``blocks`` of customers are part of the result (they order sums of floats), so they do not follow the
    number of cores.
    """

    rank: int = 32
    iterations: int = 8
    regularization: float = 0.1
    scaled: bool = True
    alpha: float = 1.0
    cap: int = 50
    blocks: int = 2
    seed: int = 20260101

    def penalty(self, purchases: np.ndarray) -> np.ndarray:
        """Return the penalties of rows with so many purchases; one without any counts as having one."""
        return self.regularization * (np.maximum(purchases, 1.0) if self.scaled else np.ones(len(purchases)))


def factorize(affinity: DataFrame, config: AlsConfig) -> tuple[DataFrame, DataFrame]:
    """Factorise the matrix of customers and product types, one job an iteration.

    O(iterations x (pairs x rank^2 + (customers + types) x rank^3)). Of each block the driver takes types x rank^2 / 2
    numbers. The customers' factors are solved when they are asked for, from rows that stay cached.

    Args:
        affinity: ``AFFINITY``.
        config: hyperparameters and seed.

    Returns:
        ``ALS_USERS`` (one row per customer of ``affinity``) and ``ALS_ITEMS`` (one row per product type of it).
    """
    spark = affinity.sparkSession
    names = affinity.select("product_type").distinct().sort("product_type").toArrow()["product_type"]
    types = pa.table({"product_type": names, "item": pa.array(np.arange(len(names), dtype="int32"))})
    histories = _histories(affinity, spark.createDataFrame(types), config).persist()
    generator = np.random.default_rng(config.seed)
    items = (generator.standard_normal((len(names), config.rank)) / np.sqrt(config.rank)).astype("float32")
    for _ in range(config.iterations):
        parts = histories.mapInArrow(_passed(items, config, _shares), _SUMS).toArrow()
        items = _items(parts, len(names), config)
    users = histories.mapInArrow(_passed(items, config, _users), struct(ALS_USERS))
    listed = pa.table({"product_type": names, "factors": _lists(items)})
    return conform(users, ALS_USERS), conform(spark.createDataFrame(listed), ALS_ITEMS)


def _histories(affinity: DataFrame, types: DataFrame, config: AlsConfig) -> DataFrame:
    """Return a row per customer, in blocks: numbers of the product types, rising, and the confidence beyond 1."""
    extra = F.lit(config.alpha) * F.log1p(F.least("baskets_total", F.lit(config.cap)))
    cells = affinity.join(F.broadcast(types), "product_type").select(
        "customer_id", F.struct("item", extra.cast("float").alias("extra")).alias("cell")
    )
    rows = cells.repartition(config.blocks, "customer_id").groupBy("customer_id")
    sorted_cells = rows.agg(F.sort_array(F.collect_list("cell")).alias("cells"))
    columns = ("customer_id", F.col("cells.item").alias("items"), F.col("cells.extra").alias("extras"))
    return sorted_cells.select(*columns).sortWithinPartitions("customer_id")


def _passed(
    items: np.ndarray, config: AlsConfig, told: Callable[..., Iterator[pa.RecordBatch]]
) -> Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    """Return what ``mapInArrow`` applies to a block: it solves the block's customers and tells of them."""

    def apply(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        block = list(batches)
        if not block:
            return
        rows = pa.Table.from_batches(block).combine_chunks()
        index, extra = (rows[name].combine_chunks() for name in ("items", "extras"))
        starts = np.concatenate([[0], np.cumsum(index.value_lengths())])
        parts = (extra.flatten().to_numpy(), index.flatten().to_numpy(), starts)
        cells = sparse.csr_matrix(parts, shape=(len(index), len(items)))
        yield from told(rows["customer_id"], cells, solved(cells, items, config.penalty(np.diff(starts))))

    return apply


def _users(customers: pa.ChunkedArray, cells: sparse.csr_matrix, users: np.ndarray) -> Iterator[pa.RecordBatch]:
    yield from pa.table({"customer_id": customers, "factors": _lists(users)}).to_batches(max_chunksize=10_000)


def _shares(customers: pa.ChunkedArray, cells: sparse.csr_matrix, users: np.ndarray) -> Iterator[pa.RecordBatch]:
    """Give the block's share of the types' systems; the share of a type more, bought by all, ends with X'X."""
    ones = np.ones((len(users), 1), dtype="float32")
    sums = row_sums(sparse.hstack([cells, ones], format="csc").T, users)
    for first in range(0, len(sums), _TYPES):
        part = pa.array([sums[first : first + _TYPES].tobytes()], pa.binary())
        yield pa.RecordBatch.from_pydict({"first": pa.array([first], pa.int32()), "sums": part})


def _items(parts: pa.Table, size: int, config: AlsConfig) -> np.ndarray:
    """Add the blocks' shares in their order, and solve the product types."""
    total = np.zeros((size + 1, width(config.rank)))
    for first, part in zip(parts["first"].to_pylist(), parts["sums"], strict=True):
        share = np.frombuffer(part.as_buffer(), dtype="float32").reshape(-1, total.shape[1])
        total[first : first + len(share)] += share
    triangle = np.zeros((config.rank, config.rank))
    triangle[np.tril_indices(config.rank)] = total[size, : -config.rank - 1]
    gram = triangle + np.tril(triangle, -1).T
    return solved_sums(total[:size], gram, config.penalty(total[:size, -1]))


def _lists(factors: np.ndarray) -> pa.Array:
    offsets = np.arange(len(factors) + 1, dtype="int32") * factors.shape[1]
    return pa.ListArray.from_arrays(pa.array(offsets), pa.array(np.ascontiguousarray(factors).ravel()))
