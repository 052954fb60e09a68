"""Points in blocks: rows of numbers as matrices in Spark's workers, so that a pass is a matrix product a block.

Points that lie in Parquet files are read there by Arrow: Spark hands out numbers of row groups, and no value goes
through the JVM. The first pass leaves the matrices in a scratch folder of its machine, from where further passes read
them without decoding anything. Points of a frame, which the JVM computes, are packed into blocks once and kept in
Spark's cache. :meth:`Points.release` gives either back.
"""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.fs as pafs
import pyarrow.parquet as pq
from pyspark import SparkFiles
from pyspark.sql import DataFrame, SparkSession, functions as F, types as T

from features.hierarchical_kmeans import Totals, totals_of

Batches = Iterator[pa.RecordBatch]
#: what Spark hands a task, and whether keys are wanted -> keys (no column if not wanted) and a matrix, by block
Read = Callable[[Batches, bool], Iterator[tuple[pa.RecordBatch, np.ndarray]]]
#: a batch of columns -> float32 (n, d)
Decode = Callable[[pa.RecordBatch], np.ndarray]
_BLOCKS = T.StructType([T.StructField("keys", T.BinaryType()), T.StructField("matrix", T.BinaryType())])
_SUMS = T.StructType([T.StructField("sums", T.BinaryType()), T.StructField("weights", T.BinaryType())])
_SAMPLE = T.StructType([T.StructField("place", T.BinaryType()), T.StructField("rows", T.BinaryType())])
#: rows that a block of a file holds
_ROWS = 16_384


@dataclass(frozen=True)
class Points:
    """``blocks`` are what Spark hands its tasks: packed matrices, or row groups; ``read`` makes matrices of them.

    ``place`` gives the hashes of keys (n,), int64; ``scratch`` names the folder of decoded matrices, if there is one.
    """

    blocks: DataFrame
    width: int
    key: str
    read: Read
    place: Callable[[pa.RecordBatch], np.ndarray]
    scratch: str = ""

    def totals(self) -> Totals:
        """Return a pass over all points, for :mod:`features.hierarchical_kmeans`; the driver gets sums only."""
        blocks, width, read = self.blocks, self.width, self.read

        def totals(centres: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
            def add(batches: Batches) -> Batches:
                sums, weights = np.zeros((len(centres), width)), np.zeros(len(centres))
                for _, matrix in read(batches, False):
                    more = totals_of(matrix)(centres)
                    sums, weights = sums + more[0], weights + more[1]
                yield _one_row(_SUMS, sums, weights)

            found = blocks.mapInArrow(add, _SUMS).collect()
            parts = [(np.frombuffer(row["sums"]).reshape(-1, width), np.frombuffer(row["weights"])) for row in found]
            nothing = np.zeros((len(centres), width)), np.zeros(len(centres))
            return sum((s for s, _ in parts), nothing[0]), sum((w for _, w in parts), nothing[1])

        return totals

    def sample(self, size: int) -> np.ndarray:
        """Return at most ``size`` points (s, d), the same whatever the partitions: those with the least hash."""
        width, read, hashed = self.width, self.read, self.place

        def least(batches: Batches) -> Batches:
            place, rows = np.zeros(0, dtype="int64"), np.zeros((0, width), dtype="float32")
            for keys, matrix in read(batches, True):
                more = hashed(keys)
                if len(place) == size:  # few of the later ones are among the least
                    near = more < place[-1]
                    more, matrix = more[near], matrix[near]
                place, rows = np.concatenate([place, more]), np.concatenate([rows, matrix])
                order = np.argsort(place, kind="stable")[:size]
                place, rows = place[order], rows[order]
            yield _one_row(_SAMPLE, place, rows)

        found = self.blocks.mapInArrow(least, _SAMPLE).collect()
        place = np.frombuffer(b"".join(task["place"] for task in found), dtype="int64")
        rows = np.frombuffer(b"".join(task["rows"] for task in found), dtype="float32").reshape(-1, width)
        if len(place) > size:
            near = place <= np.partition(place, size - 1)[size - 1]
            place, rows = place[near], rows[near]
        return rows[np.lexsort((*rows.T[::-1], place))[:size]]

    def labelled(self, label: Callable[[np.ndarray], dict[str, np.ndarray]], schema: T.StructType) -> DataFrame:
        """Give every point what ``label`` finds for its matrix.

        Args:
            label: (n, d) float32 -> columns (n,) by name; travels to the workers. NaN becomes null.
            schema: types of those columns.

        Returns:
            The key and those columns; one row per point.
        """
        key, read = self.key, self.read
        fields = _arrow(schema)

        def apply(batches: Batches) -> Batches:
            for keys, matrix in read(batches, True):
                found = label(matrix)
                columns = [pa.array(found[field.name], field.type, from_pandas=True) for field in fields]
                yield pa.record_batch([keys.column(key), *columns], names=[key, *fields.names])

        return self.blocks.mapInArrow(apply, T.StructType([T.StructField(key, T.StringType()), *schema.fields]))

    def release(self) -> None:
        """Give memory and scratch back; what other machines hold of the latter goes with the session."""
        self.blocks.unpersist()
        if self.scratch:
            shutil.rmtree(_scratch(self.scratch), ignore_errors=True)


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

    def read(batches: Batches, _: bool) -> Iterator[tuple[pa.RecordBatch, np.ndarray]]:
        for batch in batches:
            for held, matrix in zip(batch.column(0), batch.column(1), strict=True):
                with pa.ipc.open_stream(held.as_buffer()) as stream:
                    found = np.frombuffer(matrix.as_buffer(), dtype="float32").reshape(-1, width)
                    yield stream.read_next_batch(), found

    packed = rows.mapInArrow(pack, _BLOCKS).persist()
    return Points(packed, width, key, read, lambda keys: keys.column("place").to_numpy())


def points_in_files(
    spark: SparkSession, uris: Sequence[str], key: str, columns: Sequence[str], width: int, decode: Decode | None = None
) -> Points:
    """Return the points of Parquet files, which the workers read themselves.

    Args:
        spark: the session whose workers reach the files.
        uris: files, as URIs that Arrow opens on every worker; they must not change until the release.
        key: name of the key, a string column, unique.
        columns: what is read.
        width: coordinates of a point (d).
        decode: what makes a matrix of those columns; None: they are its coordinates, a missing value 0.
    """
    make, names, scratch = decode or _stacked, list(columns), f"points-{uuid.uuid4().hex}"
    groups = [(uri, group) for uri in uris for group in range(_opened(uri).num_row_groups)]
    tasks = min(len(groups), 4 * spark.sparkContext.defaultParallelism) or 1

    def read(batches: Batches, keyed: bool) -> Iterator[tuple[pa.RecordBatch, np.ndarray]]:
        for batch in batches:
            for number in batch.column(0).to_numpy():
                held = _scratch(scratch) / str(number)
                if not held.is_file():
                    _decode(held, (make(rows) for rows in _parts(groups[number], names)))
                with held.open("rb") as stream:
                    for keys in _parts(groups[number], [key] if keyed else []):
                        cells = np.fromfile(stream, "float32", keys.num_rows * width)
                        yield keys, cells.reshape(-1, width)

    def place(keys: pa.RecordBatch) -> np.ndarray:
        import pandas as pd

        values = keys.column(0).to_numpy(zero_copy_only=False)
        return pd.util.hash_array(values, categorize=False).view("int64")

    return Points(spark.range(0, len(groups), 1, tasks), width, key, read, place, scratch)


def _scratch(name: str) -> Path:
    """Return a folder on this machine that Spark removes at the end of its session."""
    return Path(SparkFiles.getRootDirectory()) / name


def _decode(held: Path, matrices: Iterator[np.ndarray]) -> None:
    """Write matrices one behind the other, whole or not at all: a task may be killed, or run twice."""
    held.parent.mkdir(parents=True, exist_ok=True)
    aside = held.with_suffix(f".{uuid.uuid4().hex}")
    with aside.open("wb") as stream:
        for matrix in matrices:
            np.ascontiguousarray(matrix, dtype="float32").tofile(stream)
    aside.rename(held)


def _parts(group: tuple[str, int], columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
    """Return the rows of a row group in blocks."""
    uri, number = group
    return _opened(uri).iter_batches(_ROWS, row_groups=[number], columns=list(columns), use_threads=False)


def _opened(uri: str) -> pq.ParquetFile:
    system, path = pafs.FileSystem.from_uri(uri)
    return pq.ParquetFile(system.open_input_file(path))


def _stacked(rows: pa.RecordBatch) -> np.ndarray:
    """Return columns as a matrix, a missing value as 0."""
    matrix = np.empty((rows.num_rows, rows.num_columns), dtype="float32")
    for number, column in enumerate(rows.columns):
        matrix[:, number] = column.to_numpy(zero_copy_only=False)
        if column.null_count:
            matrix[np.isnan(matrix[:, number]), number] = 0
    return matrix


def _one_row(schema: T.StructType, *cells: Any) -> pa.RecordBatch:
    """Return a batch of one row of binary cells, from arrays or buffers."""
    return pa.record_batch([pa.array([memoryview(cell)], pa.binary()) for cell in cells], schema=_arrow(schema))


def _arrow(schema: T.StructType) -> pa.Schema:
    from pyspark.sql.pandas.types import to_arrow_schema

    return to_arrow_schema(schema)
