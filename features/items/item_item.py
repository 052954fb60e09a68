"""Neighbours of all items in Spark: baskets go to every task, pairs go nowhere.

1. Each partition packs its baskets into rows of some million events.
2. Every task gets all baskets and the items whose number leaves its own number as rest; it computes whole rows of
   items x items, one at a time, keeps the best few and forgets the row (:mod:`features.items.nearest`).

What is shuffled are ``tasks`` x events, 4 bytes each, never pairs: there are sum(items^2) of those, mostly of chance.
Memory of a task: 4 bytes an event, 12 a basket and 20 an item, and 4 / ``tasks`` bytes an event for its own items.
Nothing is collected. The result does not depend on the order of rows, on partitions or on the number of tasks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import pyarrow as pa
from pyspark.sql import Column, DataFrame, Window, functions as F

from features.items.nearest import Cells, NearestConfig, from_events, nearest_items, without_long

#: one row per item and neighbour; ``baskets`` hold both, ``baskets_item`` and ``baskets_other`` one of them
NEIGHBOURS = (
    "item int, other int, rank int, score double, baskets double, "
    "baskets_item long, baskets_other long, baskets_all long"
)
#: events packed at once: bounds a row of the shuffle and the memory of packing
BLOCK = 4_000_000
_PACKED = "names binary, lengths binary, items binary"


def neighbours(events: DataFrame, config: NearestConfig, tasks: int | None = None) -> DataFrame:
    """Find the neighbours of every item.

    O(sum over baskets of items^2) in all, bounded as ``NearestConfig`` says, shared by the tasks.

    Args:
        events: ``basket`` long, a hash of its name, and ``item`` int from 0; both not null. A basket's rows lie in one
            partition.
        config: settings.
        tasks: shares of the items; None: one a core, eight at most.

    Returns:
        :data:`NEIGHBOURS`; at most ``config.top`` rows per item.

    Raises:
        ValueError: a column is missing.
    """
    missing = [name for name in ("basket", "item") if name not in events.columns]
    if missing:
        raise ValueError(f"missing column(s) {missing}; have {events.columns}")
    tasks = tasks or max(1, min(8, events.sparkSession.sparkContext.defaultParallelism))
    packed = events.select(F.col("basket").cast("long"), F.col("item").cast("int")).mapInArrow(
        _pack(config.most_items), _PACKED
    )
    shared = packed.withColumn("task", F.explode(F.array([F.lit(task) for task in range(tasks)])))
    return shared.repartitionById(tasks, F.col("task").cast("int")).mapInArrow(_rows(config, tasks), NEIGHBOURS)


def numbered(frame: DataFrame, column: str) -> DataFrame:
    """Return the distinct values of ``column``, not null, with their ``item`` number from 0 in the order of the values.

    One task sorts them: some seconds for 10 million.
    """
    names = frame.where(F.col(column).isNotNull()).select(column).distinct()
    return names.withColumn("item", F.row_number().over(Window.orderBy(column)) - 1)


def basket_of(*columns: str) -> Column:
    """Return the name of a basket for :func:`neighbours`: 64 bits of a hash of the columns."""
    return F.xxhash64(*columns).alias("basket")


def _pack(most_items: int) -> Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    """Pack the events of a partition, whole baskets in rows of some ``BLOCK`` events."""

    def run(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        held = [(batch["basket"].to_numpy(), batch["item"].to_numpy()) for batch in batches]
        if not held:
            return
        basket, item = (np.concatenate(parts) for parts in zip(*held, strict=True))
        held.clear()
        names, cells = from_events(basket, item)
        kept, cells = without_long(cells, most_items)
        names = names[kept]
        first = 0
        while first < len(names):
            last = max(first + 1, int(np.searchsorted(cells.starts, cells.starts[first] + BLOCK, side="right")) - 1)
            span = slice(cells.starts[first], cells.starts[last])
            arrays = (names[first:last], np.diff(cells.starts[first : last + 1]).astype(np.int32), cells.index[span])
            yield pa.RecordBatch.from_arrays(
                [pa.array([np.ascontiguousarray(values).tobytes()], pa.binary()) for values in arrays],
                ["names", "lengths", "items"],
            )
            first = last

    return run


def _rows(config: NearestConfig, tasks: int) -> Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    """Compute the rows of one task's items."""

    def run(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        task, baskets = _unpacked(batches)
        if not len(baskets):
            return
        items = int(baskets.index.max()) + 1
        for own, sizes, best in nearest_items(baskets, items, config, task, tasks):
            row, place = np.nonzero(best.index >= 0)
            other = best.index[row, place]
            columns = {
                "item": own[row],
                "other": other,
                "rank": (place + 1).astype(np.int32),
                "score": best.score[row, place],
                "baskets": best.together[row, place],
                "baskets_item": sizes[own[row]],
                "baskets_other": sizes[other],
                "baskets_all": np.full(len(row), len(baskets), np.int64),
            }
            yield from pa.table(columns).to_batches(max_chunksize=100_000)

    return run


def _unpacked(batches: Iterator[pa.RecordBatch]) -> tuple[int, Cells]:
    """Return the number of the task and the packed baskets put together, in the order of their names.

    The number stands in the rows: Spark's own number of the partition is another one after a union.
    """
    task = 0
    names, lengths, items = [], [], []
    for batch in batches:
        task = batch["task"][0].as_py() if batch.num_rows else task
        for row in range(batch.num_rows):
            names.append(np.frombuffer(batch["names"][row].as_buffer(), np.int64))
            lengths.append(np.frombuffer(batch["lengths"][row].as_buffer(), np.int32))
            items.append(np.frombuffer(batch["items"][row].as_buffer(), np.int32))
    if not names:
        return task, Cells(np.zeros(1, np.int64), np.zeros(0, np.int32))
    size = np.concatenate(lengths).astype(np.int64)
    order = np.argsort(np.concatenate(names), kind="stable")
    begins = (np.cumsum(size) - size)[order]
    size = size[order]
    starts = np.concatenate([[0], np.cumsum(size)])
    places = np.repeat(begins - starts[:-1], size)
    places += np.arange(starts[-1])
    return task, Cells(starts, np.concatenate(items)[places])
