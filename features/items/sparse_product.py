"""The best columns of each row of a product of two sparse matrices, given in Spark as cells with names.

Rows are shared by the tasks, columns go to all of them: customers x products by products x words gives every
customer's words, shops x products by products x products what is popular there by similarity.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import DataFrame, functions as F

from features.items.nearest import Cells, NearestConfig, nearest

#: one row per row and column that is kept
BEST = "row string, column string, rank int, score double"
_CELLS = "task int, row string, inner string, column string, weight float"


def best_columns(left: DataFrame, right: DataFrame, top: int, least: int = 1, tasks: int | None = None) -> DataFrame:
    """Multiply ``left`` (rows x inner) by ``right`` (inner x columns) and keep the ``top`` columns of each row.

    O(sum over cells of ``left`` of the length of their row in ``right``). A task holds its rows and all of ``right``,
    8 bytes a cell and the names once. Nothing is collected.

    Args:
        left: ``row`` string, ``inner`` string, ``weight``; a cell that comes twice counts as the sum.
        right: ``inner`` string, ``column`` string, ``weight``; the same.
        top: columns of a row.
        least: inner values by which a row must meet a column.
        tasks: shares of the rows; None: one a core, eight at most.

    Returns:
        :data:`BEST`; ties go to more inner values, then to the column that comes first by name.
    """
    tasks = tasks or max(1, min(8, left.sparkSession.sparkContext.defaultParallelism))
    nothing = F.lit(None).cast("string")
    share = F.pmod(F.xxhash64("row"), F.lit(tasks)).cast("int")
    weight = F.col("weight").cast("float").alias("weight")
    rows = left.select(share.alias("task"), "row", "inner", nothing.alias("column"), weight)
    everywhere = F.explode(F.array([F.lit(task) for task in range(tasks)])).alias("task")
    columns = right.select(everywhere, nothing.alias("row"), "inner", "column", weight)
    cells = rows.unionByName(columns).repartitionById(tasks, F.col("task"))
    return cells.mapInArrow(_best(top, least), BEST)


def _best(top: int, least: int) -> Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    """Compute one task's rows."""
    config = NearestConfig(weighting="dot", top=top, least=least, most_baskets=2**31)

    def run(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        held = list(batches)
        if not held:
            return
        cells: Any = pa.Table.from_batches(held)
        is_left = cells["row"].is_valid()
        left, right = cells.filter(is_left), cells.filter(pc.invert(is_left))
        if not len(left) or not len(right):
            return
        inner, places = _encoded(cells["inner"])
        rows, row = _encoded(left["row"])
        names, column = _encoded(right["column"])
        mine = np.asarray(is_left)
        best = nearest(
            _matrix(row, places[mine], left["weight"], len(rows)),
            _matrix(places[~mine], column, right["weight"], len(inner)),
            config,
        )
        at, place = np.nonzero(best.index >= 0)
        columns = {
            "row": rows.take(pa.array(at)),
            "column": names.take(pa.array(best.index[at, place])),
            "rank": (place + 1).astype(np.int32),
            "score": best.score[at, place],
        }
        yield from pa.table(columns).to_batches(max_chunksize=100_000)

    return run


def _encoded(values: Any) -> tuple[Any, np.ndarray]:
    """Return the distinct values in their order and the place of each value among them."""
    encoded = values.combine_chunks().dictionary_encode()
    order = np.asarray(encoded.dictionary.to_numpy(zero_copy_only=False)).argsort(kind="stable")
    rank = np.empty(len(order), np.int64)
    rank[order] = np.arange(len(order))
    return encoded.dictionary.take(pa.array(order)), rank[np.asarray(encoded.indices)]


def _matrix(row: np.ndarray, column: np.ndarray, weight: Any, rows: int) -> Cells:
    """Return cells by rows, columns ascending, so that sums do not depend on the order of the input."""
    order = np.lexsort((np.asarray(weight), column, row))
    starts = np.searchsorted(row[order], np.arange(rows + 1)).astype(np.int64)
    return Cells(starts, column[order].astype(np.int32), np.asarray(weight, np.float32)[order])
