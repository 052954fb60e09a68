"""Latent factors of customers and product types by implicit alternating least squares.

Customers lie in blocks, product types are a dictionary of some thousand. An iteration is one pass: every block solves
its customers from the types' factors and sums up what the types' systems need of them; the sums are added and solved
on the driver. Customers' factors are never moved, and memory of the driver does not grow with customers. A single block
has nobody to wait for: it goes through all iterations in one job. The systems are those of Hu, Koren and Volinsky
(2008): :mod:`features.items.als_half_steps`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any, cast

import numpy as np
import pyarrow as pa
from pyspark.sql import DataFrame, functions as F, types as T
from scipy import sparse

from conf.tables.features import ALS_ITEMS, ALS_USERS
from features.items.als_half_steps import row_sums, solved, solved_sums, width
from features.schemas import conform, struct

#: blocks at the most, since the driver adds them up
_BLOCKS = 64
#: product types whose sums travel in one piece: some megabytes
_TYPES = 512
_SHARES = T.StructType([T.StructField("first", T.IntegerType()), T.StructField("sums", T.BinaryType())])
_PACKED = T.StructType([T.StructField("rows", T.BinaryType())])


@dataclass(frozen=True)
class AlsConfig:
    """Everything that changes the factors.

    Confidence is ``1 + alpha * log(1 + min(baskets, cap))``. ``alpha`` stays low: where most purchases are repeats a
    high one drowns what the zeros tell. The penalty is ``regularization``, ``scaled`` by the purchases of the row as
    ALS-WR does. Blocks of customers are part of the result (they order sums of floats), so they follow the pairs and
    not the cores: one for ``block_pairs`` of them. On two cores two blocks are ahead of one, by the clock, from some
    million pairs on; a block more costs the driver types x rank^2 / 2 numbers an iteration.
    """

    rank: int = 32
    iterations: int = 8
    regularization: float = 0.1
    scaled: bool = True
    alpha: float = 1.0
    cap: int = 50
    block_pairs: int = 2_000_000
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
    types = affinity.groupBy("product_type").count().toPandas().sort_values("product_type", ignore_index=True)
    names = pa.array(types["product_type"], pa.string())
    blocks = int(np.clip(np.ceil(types["count"].sum() / config.block_pairs), 1, _BLOCKS))
    number = pa.array(np.arange(len(names), dtype="int32"))
    numbers = spark.createDataFrame(pa.table({"product_type": names, "item": number}))
    packed = _histories(affinity, numbers, blocks, config).mapInArrow(_packed, _PACKED).persist()
    generator = np.random.default_rng(config.seed)
    items = (generator.standard_normal((len(names), config.rank)) / np.sqrt(config.rank)).astype("float32")
    rounds = config.iterations if blocks == 1 else 1
    for _ in range(config.iterations // rounds):
        sums_of = partial(_shares, items=items, rounds=rounds, config=config)
        items = _items(packed.mapInArrow(sums_of, _SHARES).toArrow(), items.shape, config)
    users = packed.mapInArrow(partial(_users, items=items, config=config), struct(ALS_USERS))
    listed = pa.table({"product_type": names, "factors": _lists(items)})
    return conform(users, ALS_USERS), conform(spark.createDataFrame(listed), ALS_ITEMS)


def _histories(affinity: DataFrame, numbers: DataFrame, blocks: int, config: AlsConfig) -> DataFrame:
    """Return a row per customer, in blocks: numbers of the product types, rising, and the confidence beyond 1."""
    extra = F.lit(config.alpha) * F.log1p(F.least("baskets_total", F.lit(config.cap)))
    cells = affinity.join(F.broadcast(numbers), "product_type").select(
        "customer_id", F.struct("item", extra.cast("float").alias("extra")).alias("cell")
    )
    rows = cells.repartition(blocks, "customer_id").groupBy("customer_id")
    sorted_cells = rows.agg(F.sort_array(F.collect_list("cell")).alias("cells"))
    columns = ("customer_id", F.col("cells.item").alias("items"), F.col("cells.extra").alias("extras"))
    return sorted_cells.select(*columns).sortWithinPartitions("customer_id")


def _packed(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Make one binary cell of each batch: no pass has to take its lists apart again."""
    for batch in batches:
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, batch.schema) as stream:
            stream.write_batch(batch)
        yield pa.RecordBatch.from_pydict({"rows": pa.array([sink.getvalue().to_pybytes()], pa.binary())})


def _solved(block: list[Any], items: np.ndarray, config: AlsConfig) -> tuple[Any, sparse.csr_matrix, np.ndarray]:
    """Return the customers of a block, their cells (n, i) and their factors (n, f)."""
    rows = pa.concat_tables([pa.ipc.open_stream(part).read_all() for part in block]).combine_chunks().to_batches()[0]
    index, extra = (cast("pa.ListArray[Any]", rows.column(name)) for name in ("items", "extras"))
    starts = np.concatenate([[0], np.cumsum(index.value_lengths())])
    parts = (extra.flatten().to_numpy(), index.flatten().to_numpy(), starts)
    cells = sparse.csr_matrix(parts, shape=(len(index), len(items)))
    return rows.column("customer_id"), cells, solved(cells, items, config.penalty(np.diff(starts)))


def _users(batches: Iterator[pa.RecordBatch], items: np.ndarray, config: AlsConfig) -> Iterator[pa.RecordBatch]:
    for batch in batches:
        customers, _, users = _solved(batch.column("rows").to_pylist(), items, config)
        yield pa.RecordBatch.from_pydict({"customer_id": customers, "factors": _lists(users)})


def _shares(
    batches: Iterator[pa.RecordBatch], items: np.ndarray, rounds: int, config: AlsConfig
) -> Iterator[pa.RecordBatch]:
    """Give the block's share of the types' systems; the only block may go several rounds before."""
    block = [part for batch in batches for part in batch.column("rows").to_pylist()]
    if not block:
        return
    for _ in range(rounds - 1):
        items = _solved_types(_sums(block, items, config), config)
    sums = _sums(block, items, config)
    for first in range(0, len(sums), _TYPES):
        part = pa.array([sums[first : first + _TYPES].tobytes()], pa.binary())
        yield pa.RecordBatch.from_pydict({"first": pa.array([first], pa.int32()), "sums": part})


def _sums(block: list[Any], items: np.ndarray, config: AlsConfig) -> np.ndarray:
    """Return the block's share of the types' systems; that of a type more, bought by all, holds X'X."""
    _, cells, users = _solved(block, items, config)
    ones = np.ones((len(users), 1), dtype="float32")
    return row_sums(sparse.hstack([cells, ones], format="csc").T, users)


def _items(shares: pa.Table, shape: tuple[int, ...], config: AlsConfig) -> np.ndarray:
    """Add the blocks' shares in their order, and solve the product types."""
    total = np.zeros((shape[0] + 1, width(shape[1])))
    for row in shares.to_pylist():
        share = np.frombuffer(row["sums"], dtype="float32").reshape(-1, total.shape[1])
        total[row["first"] : row["first"] + len(share)] += share
    return _solved_types(total, config)


def _solved_types(sums: np.ndarray, config: AlsConfig) -> np.ndarray:
    """Return the factors of the product types from the sums over all blocks (:func:`_sums`)."""
    triangle = np.zeros((config.rank, config.rank))
    triangle[np.tril_indices(config.rank)] = sums[-1, : -config.rank - 1]
    gram = triangle + np.tril(triangle, -1).T
    return solved_sums(sums[:-1], gram, config.penalty(sums[:-1, -1]))


def _lists(factors: np.ndarray) -> pa.Array:
    offsets = np.arange(len(factors) + 1, dtype="int32") * factors.shape[1]
    return pa.ListArray.from_arrays(pa.array(offsets), pa.array(np.ascontiguousarray(factors).ravel()))
