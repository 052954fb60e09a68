"""The lake: Parquet tables that stages publish with one atomic metadata write.

Data of table ``clean/orders`` for night ``ds`` lies in ``clean/orders/ds=<ds>/v=<version>/``; nothing reads it
until ``_nights/<stage>/<ds>.json``, the manifest of all tables the stage published that night, names its files.
A manifest may name files of earlier nights, so that a growing table is not copied every night.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, date, datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import pyarrow as pa
import pyarrow.dataset as pads
import pyarrow.fs as pafs
import pyarrow.parquet as pq

from conf.errors import DataError
from jobs.lake.facts import check_names
from jobs.lake.manifest import File, Manifest, TableVersion
from jobs.lake.tables import stage_of
from jobs.stages import Stage

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession


def addresses(root: str) -> tuple[str, str]:
    """Return a lake's URI as Arrow and as Spark know it: ``s3://`` to the one is ``s3a://`` to the other.

    What follows a ``?`` (``region=``, ``endpoint_override=``) is Arrow's; Spark has such things in its settings.
    """
    name, rest = root.rstrip("/").split("://", 1)
    to_arrow, to_spark = {"s3": ("s3", "s3a"), "s3a": ("s3", "s3a")}.get(name, (name, name))
    return f"{to_arrow}://{rest}", f"{to_spark}://{rest.split('?')[0].rstrip('/')}"


class Lake:
    """Tables under one root: a local folder or any URI that both Arrow and Spark can open."""

    def __init__(self, root: str) -> None:
        """Open the lake at ``root``; a local folder is made when it is not there."""
        if "://" in root:
            of_arrow, self.uri = addresses(root)
            self.fs, self.base = pafs.FileSystem.from_uri(of_arrow)
        else:
            self.fs, self.base = pafs.LocalFileSystem(), str(Path(root).resolve())
            self.uri = f"file://{self.base}"
        self.local = isinstance(self.fs, pafs.LocalFileSystem)

    # --- manifests

    def manifest(self, stage: Stage, day: date) -> Manifest | None:
        """Return what ``stage`` published for ``day``, or None."""
        try:
            with self.fs.open_input_file(self._pointer(stage, day)) as stream:
                return Manifest.from_json(stream.read().decode())
        except FileNotFoundError:
            return None

    def need(self, stage: Stage, day: date) -> Manifest:
        """Return what ``stage`` published for ``day``.

        Raises:
            DataError: it published nothing.
        """
        manifest = self.manifest(stage, day)
        if manifest is None:
            raise DataError(f"the night {day} has no published {stage}; run `nbo {stage} --ds {day}` first")
        return manifest

    def days(self, stage: Stage) -> list[date]:
        """Return the nights that ``stage`` has published, oldest first."""
        selector = pafs.FileSelector(f"{self.base}/_nights/{stage}", allow_not_found=True)
        names = [info.base_name for info in self.fs.get_file_info(selector)]
        return sorted(date.fromisoformat(name[:10]) for name in names if name.endswith(".json"))

    def newest(self, stage: Stage, before: date) -> date | None:
        """Return the newest published night before ``before``, or None."""
        return max((day for day in self.days(stage) if day < before), default=None)

    # --- reading

    def version(self, table: str, day: date) -> TableVersion:
        """Return the published version of ``table``.

        Raises:
            DataError: the night or the table is not published.
        """
        manifest = self.need(stage_of(table), day)
        if table not in manifest.tables:
            raise DataError(f"the night {day} has no table {table}; it has {sorted(manifest.tables)}")
        return manifest.tables[table]

    def has(self, table: str, day: date) -> bool:
        """Return whether ``table`` is published for ``day`` (a source need not have every entity)."""
        manifest = self.manifest(stage_of(table), day)
        return manifest is not None and table in manifest.tables

    def dataset(self, table: str, day: date) -> pads.Dataset:
        """Return ``table`` as an Arrow dataset."""
        return self.arrow_files(self.version(table, day).files)

    def arrow_files(self, files: tuple[File, ...]) -> pads.Dataset:
        """Return the rows of ``files`` as an Arrow dataset."""
        paths = [f"{self.base}/{file.path}" for file in files]
        return pads.dataset(paths, filesystem=self.fs, format="parquet", partitioning=None)

    def arrow(self, table: str, day: date, columns: list[str] | None = None) -> pa.Table:
        """Return ``table`` whole, in memory."""
        return self.dataset(table, day).to_table(columns=columns)

    def spark(self, session: SparkSession, table: str, day: date) -> DataFrame:
        """Return ``table`` as a Spark frame."""
        return self.spark_files(session, self.version(table, day).files)

    def spark_files(self, session: SparkSession, files: tuple[File, ...]) -> DataFrame:
        """Return the rows of ``files`` as a Spark frame."""
        return session.read.parquet(*(f"{self.uri}/{file.path}" for file in files))

    # --- writing

    @contextmanager
    def draft(self, stage: Stage, day: date) -> Iterator[Draft]:
        """Open a new version that no reader sees until its ``commit``; what an error leaves is removed."""
        draft = Draft(self, stage, day)
        try:
            yield draft
        except BaseException:
            draft.discard()
            raise

    def put(self, path: str, content: bytes) -> None:
        """Write a small file so that a reader sees the old one or the new one, never half."""
        target = f"{self.base}/{path}"
        if not self.local:  # an object store shows an object when its upload ends
            with self.fs.open_output_stream(target) as stream:
                stream.write(content)
            return
        folder = os.path.dirname(target)
        os.makedirs(folder, exist_ok=True)
        temporary = f"{target}.{uuid.uuid4().hex}.tmp"
        try:
            with open(temporary, "wb") as stream:
                stream.write(content)
                stream.flush()
                os.fsync(stream.fileno())
            os.replace(temporary, target)
        except OSError:
            Path(temporary).unlink(missing_ok=True)
            raise
        _sync(folder)

    def audit(self, path: str) -> File:
        """Read the Parquet file at ``path`` within the lake whole, and return it as a manifest names it."""
        place = f"{self.base}/{path}"
        with _engine(os.getpid()).cursor() as engine:
            if self.local:  # DuckDB's own reader is several times faster than through Arrow
                source = f"read_parquet('{place.replace(chr(39), chr(39) * 2)}', hive_partitioning = false)"
            else:
                files = pads.dataset(place, filesystem=self.fs, format="parquet", partitioning=None)
                engine.register("files", files)
                source = "files"
            query = f"select count(*), coalesce(sum(hash(data)), 0) from {source} data"
            rows, total = engine.execute(query).fetchall()[0]
        part = next((p.split("=", 1)[1] for p in path.split("/")[:-1] if p.startswith("_part=")), None)
        return File(path, int(rows), self.fs.get_file_info(place).size, int(total) % 2**64, part)

    def withdraw(self, stage: Stage, day: date) -> None:
        """Remove the manifest of a night; its files stay until nothing names them and they are swept."""
        self.fs.delete_file(self._pointer(stage, day))

    def _pointer(self, stage: Stage, day: date) -> str:
        return f"{self.base}/_nights/{stage}/{day}.json"


class Draft:
    """A version in the making."""

    def __init__(self, lake: Lake, stage: Stage, day: date) -> None:
        """Start version ``<time>-<random>`` of ``stage`` for ``day``."""
        self.lake, self.stage, self.day = lake, stage, day
        self.version = f"{datetime.now(UTC):%Y%m%dT%H%M%S}-{uuid.uuid4().hex[:6]}"
        self.facts: dict[str, Any] = {}
        self._tables: dict[str, TableVersion] = {}
        self._begun: set[str] = set()

    @property
    def tables(self) -> dict[str, TableVersion]:
        """What is written or taken over so far, by table."""
        return dict(self._tables)

    def uri(self, table: str) -> str:
        """Return the new, empty place of ``table``, for a writer other than :meth:`arrow` and :meth:`spark`."""
        self._check(table)
        return f"{self.lake.uri}/{self._folder(table)}"

    def folder(self, table: str) -> str:
        """Return the same place as a path of the lake's file system."""
        return f"{self.lake.base}/{self._folder(table)}"

    def arrow(self, table: str, rows: pa.Table | pa.RecordBatchReader, **options: Any) -> TableVersion:
        """Write ``rows`` as one Parquet file; each batch of a reader becomes a row group.

        Args:
            table: its name.
            rows: what it holds.
            options: of ``ParquetWriter``, where the usual ones do not fit.
        """
        self._check(table)
        folder = f"{self.lake.base}/{self._folder(table)}"
        self.lake.fs.create_dir(folder, recursive=True)
        with pq.ParquetWriter(
            f"{folder}/part-0.parquet", rows.schema, filesystem=self.lake.fs, **{"compression": "zstd", **options}
        ) as writer:
            if isinstance(rows, pa.Table):
                writer.write_table(rows)
            else:
                for batch in rows:
                    writer.write_batch(batch)
        return self.add(table)

    def spark(self, table: str, frame: DataFrame, part: str | None = None) -> TableVersion:
        """Write a Spark frame; with ``part``, a column whose values split the files."""
        writer = frame.write.option("compression", "zstd")
        (writer.partitionBy(part) if part else writer).parquet(self.uri(table))
        return self.add(table)

    def carry(self, table: str, files: tuple[File, ...]) -> None:
        """Take over files of an earlier version without copying them."""
        earlier = self._tables.get(table, TableVersion(()))
        self._tables[table] = TableVersion((*earlier.files, *files))

    def add(self, table: str) -> TableVersion:
        """Take up the Parquet files that lie in the new place of ``table``; audits every file by reading it."""
        folder = f"{self.lake.base}/{self._folder(table)}"
        infos = self.lake.fs.get_file_info(pafs.FileSelector(folder, recursive=True, allow_not_found=True))
        files = []
        for info in sorted(infos, key=lambda info: info.path):
            if info.type == pafs.FileType.File and info.path.endswith(".parquet"):
                files.append(self.lake.audit(info.path[len(self.lake.base) + 1 :]))
        # a Spark task without rows leaves an empty file; one is kept where there is nothing else, for the schema
        files = [file for file in files if file.rows] or files[:1]
        if not files:
            raise DataError(f"nothing was written for {table}")
        self.carry(table, tuple(files))
        return self._tables[table]

    def commit(self, manifest: Manifest) -> Manifest:
        """Make this version the current one, by one atomic write.

        Raises:
            ValueError: a fact is not declared in :mod:`jobs.lake.facts`.
        """
        check_names(self.stage, self.facts)
        manifest = replace(
            manifest,
            version=self.version,
            tables=dict(self._tables),
            facts=self.facts,
            written_at=datetime.now(UTC).isoformat(timespec="seconds"),
        )
        if self.lake.local:
            for table in self._tables.values():
                for file in table.files:
                    if f"v={self.version}" in file.path:
                        _sync(f"{self.lake.base}/{file.path}")
        self.lake.put(f"_nights/{self.stage}/{self.day}.json", manifest.to_json().encode())
        return manifest

    def discard(self) -> None:
        """Remove what was written so far."""
        for table in self._begun:
            folder = f"{self.lake.base}/{self._folder(table)}"
            if self.lake.fs.get_file_info(folder).type == pafs.FileType.Directory:
                self.lake.fs.delete_dir(folder)

    def _check(self, table: str) -> None:
        if stage_of(table) is not self.stage:
            raise ValueError(f"stage {self.stage} does not publish {table}")
        self._begun.add(table)

    def _folder(self, table: str) -> str:
        return f"{table}/ds={self.day}/v={self.version}"


@cache
def _engine(process: int) -> duckdb.DuckDBPyConnection:
    """Return the engine of this process: to start one takes longer than to read a small table."""
    return duckdb.connect(config={"enable_external_file_cache": "false"})


def _sync(path: str) -> None:
    """Make a file or a folder's entries durable."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
