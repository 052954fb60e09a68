"""Points in blocks: rows of numbers as matrices in Spark's workers, so that a pass is a matrix product a block.

They are packed once and kept in Spark's cache until :meth:`Points.release`: the passes over them decode nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from pyspark.sql import DataFrame, functions as F, types as T

from features.segments.hierarchical_kmeans import Totals, totals_of

Batches = Iterator[pa.RecordBatch]
_BLOCKS = T.StructType([T.StructField("keys", T.BinaryType()), T.StructField("matrix", T.BinaryType())])
_SUMS = T.StructType([T.StructField("sums", T.BinaryType()), T.StructField("weights", T.BinaryType())])
_SAMPLE = T.StructType([T.StructField("place", T.BinaryType()), T.StructField("rows", T.BinaryType())])


@dataclass(frozen=True)
class Points:
    """``blocks`` are packed keys with their hashes, and matrices (n, ``width``); ``key`` is the name of the keys."""

    blocks: DataFrame
    width: int
    key: str

    def totals(self) -> Totals:
        """Return a pass over all points, for ``hierarchical_kmeans``; the driver gets sums only."""
        blocks, width = self.blocks, self.width

        def totals(centres: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
            def add(batches: Batches) -> Batches:
                sums, weights = np.zeros((len(centres), width)), np.zeros(len(centres))
                for _, matrix in _unpacked(batches, width):
                    more = totals_of(matrix)(centres)
                    sums, weights = sums + more[0], weights + more[1]
                yield _one_row(_SUMS, sums, weights)

            found = blocks.mapInArrow(add, _SUMS).collect()
            parts = [(np.frombuffer(row["sums"]).reshape(-1, width), np.frombuffer(row["weights"])) for row in found]
            nothing = np.zeros((len(centres), width)), np.zeros(len(centres))
            return sum((s for s, _ in parts), nothing[0]), sum((w for _, w in parts), nothing[1])

        return totals

    def matrix(self) -> np.ndarray:
        """Return all points (n, d), without keys, to the driver; the same whatever the partitions: by rising hash."""
        width = self.width

        def unnamed(batches: Batches) -> Batches:
            for keys, matrix in _unpacked(batches, width):
                yield _one_row(_SAMPLE, keys.column("place").to_numpy(), matrix)

        found = self.blocks.mapInArrow(unnamed, _SAMPLE).toArrow()
        return _ordered(found.column("place").to_pylist(), found.column("rows").to_pylist(), width)

    def sample(self, size: int) -> np.ndarray:
        """Return at most ``size`` points (s, d), the same whatever the partitions: those with the least hash."""
        width = self.width

        def least(batches: Batches) -> Batches:
            place, rows = np.zeros(0, dtype="int64"), np.zeros((0, width), dtype="float32")
            for keys, matrix in _unpacked(batches, width):
                more = keys.column("place").to_numpy()
                if len(place) == size:  # few of the later ones are among the least
                    near = more < place[-1]
                    more, matrix = more[near], matrix[near]
                place, rows = np.concatenate([place, more]), np.concatenate([rows, matrix])
                order = np.argsort(place, kind="stable")[:size]
                place, rows = place[order], rows[order]
            yield _one_row(_SAMPLE, place, rows)

        found = self.blocks.mapInArrow(least, _SAMPLE).collect()
        return _ordered([task["place"] for task in found], [task["rows"] for task in found], width)[:size]

    def labelled(self, label: Callable[[np.ndarray], dict[str, np.ndarray]], schema: T.StructType) -> DataFrame:
        """Give every point what ``label`` finds for its matrix.

        Args:
            label: (n, d) float32 -> columns (n,) by name; travels to the workers. NaN becomes null.
            schema: types of those columns.

        Returns:
            The key and those columns; one row per point.
        """
        key, width = self.key, self.width
        fields = _arrow(schema)

        def apply(batches: Batches) -> Batches:
            for keys, matrix in _unpacked(batches, width):
                found = label(matrix)
                columns = [pa.array(found[field.name], field.type, from_pandas=True) for field in fields]
                yield pa.record_batch([keys.column(key), *columns], names=[key, *fields.names])

        return self.blocks.mapInArrow(apply, T.StructType([T.StructField(key, T.StringType()), *schema.fields]))

    def release(self) -> None:
        """Give the memory back."""
        self.blocks.unpersist()


def points(frame: DataFrame, key: str, columns: Sequence[str]) -> Points:
    """Pack the numbers of a frame into blocks, once.

    Args:
        frame: ``key`` (string, unique) and ``columns``.
        key: name of the key.
        columns: numeric columns (d); a missing value becomes 0.
    """
    width = len(columns)
    cells = F.array(*(F.col(name).cast("float") for name in columns))
    rows = frame.select(key, F.xxhash64(key).alias("place"), cells.alias("cells"))

    def pack(batches: Batches) -> Batches:
        for batch in batches:
            values: pa.ListArray = batch.column(2)  # type: ignore[assignment]
            matrix = np.nan_to_num(values.flatten().to_numpy(zero_copy_only=False))  # null is NaN there
            sink = pa.BufferOutputStream()
            keys = batch.select([key, "place"])
            with pa.ipc.new_stream(sink, keys.schema) as writer:
                writer.write_batch(keys)
            yield _one_row(_BLOCKS, sink.getvalue(), matrix.astype("float32", copy=False))

    packed = rows.mapInArrow(pack, _BLOCKS).persist()
    return Points(packed, width, key)


def _ordered(places: list[Any], parts: list[Any], width: int) -> np.ndarray:
    """Return the points (n, d) of all parts (bytes) by rising hash, equal hashes by their numbers."""
    place = np.frombuffer(b"".join(places), dtype="int64")
    rows = np.frombuffer(b"".join(parts), dtype="float32").reshape(-1, width)
    order = np.argsort(place, kind="stable")
    if (np.diff(place[order]) == 0).any():
        order = np.lexsort((*rows.T[::-1], place))
    return rows[order]


def _unpacked(batches: Batches, width: int) -> Iterator[tuple[pa.RecordBatch, np.ndarray]]:
    """Return the keys with their hashes, and the matrix, of each block."""
    for batch in batches:
        for held, matrix in zip(batch.column(0), batch.column(1), strict=True):
            with pa.ipc.open_stream(held.as_buffer()) as stream:
                yield stream.read_next_batch(), np.frombuffer(matrix.as_buffer(), dtype="float32").reshape(-1, width)


def _one_row(schema: T.StructType, *cells: Any) -> pa.RecordBatch:
    """Return a batch of one row of binary cells, from arrays or buffers."""
    return pa.record_batch([pa.array([memoryview(cell)], pa.binary()) for cell in cells], schema=_arrow(schema))


def _arrow(schema: T.StructType) -> pa.Schema:
    from pyspark.sql.pandas.types import to_arrow_schema

    return to_arrow_schema(schema)
