"""Second half of validation: merges accepted rows into the clean layer, and writes the rejected ones aside.

Of an event table only the months with new rows are written again; the files of the others are taken over.
"""

from __future__ import annotations

from functools import reduce

import pyarrow as pa
import pyarrow.parquet as pq
from pyspark.sql import DataFrame, SparkSession, functions as F

from conf.settings.source import Source
from conf.tables.canonical import CANONICAL
from conf.tables.table import Column, Table
from conf.tables.types import arrow_schema
from features.canonical.mapping import shown_columns
from features.canonical.merge import MONTH, merged
from features.schemas import conform
from jobs.lake.lake import Draft, Lake
from jobs.lake.manifest import File, Manifest, TableVersion
from jobs.validate.measure_tables import Arrived
from jobs.validate.stage_rows import Staged, raw_table, rejects_table

QUARANTINE = Table(
    "quarantine",
    "one rejected row; a row that several rules reject stands under the first",
    (),
    (
        Column("rule", "string", "name of the rule", nullable=False),
        Column("reason", "string", "every rule the row breaks, in words", nullable=False),
        Column("_file", "string", "file of the export", nullable=False),
        Column("_row", "long", "row within the file", nullable=False),
        Column("_ds", "date", "day of the drop", nullable=False),
        Column("raw", "string", "the row as it came, as JSON, without columns that may hold personal data"),
    ),
)


def write_clean(
    session: SparkSession, lake: Lake, draft: Draft, staged: Staged, new: Arrived, base: tuple[File, ...]
) -> TableVersion:
    """Write ``clean/<table>`` for the night.

    Args:
        session: the stage's session.
        lake: where the staged rows and the base are.
        draft: takes the table up.
        staged: the night's rows.
        new: what was measured of them.
        base: files of the table as the night before left it.
    """
    name, table = f"clean/{staged.table.name}", staged.table
    if staged.snapshot:
        base = ()
    months = {file for file in base if table.partition and file.part and file.part not in new.months}
    kept = tuple(file for file in base if file in months or not new.accepted)
    if kept:
        draft.carry(name, kept)
    if not new.accepted:
        return TableVersion(kept) if kept else draft.arrow(name, empty(table))
    rows = without_rejected(session, lake, draft, staged)
    touched = tuple(file for file in base if file not in kept)
    tasks = int(session.conf.get("spark.sql.shuffle.partitions") or 1)
    result = merged(rows, lake.spark_files(session, touched) if touched else None, table, tasks)
    return draft.spark(name, result, part=MONTH if table.partition else None)


def write_quarantine(
    session: SparkSession, lake: Lake, draft: Draft, source: Source, raw: Manifest, staged: Staged
) -> None:
    """Write ``quarantine/<table>``: the rows that broke a rule, and those that ingest could not read."""
    frames = []
    if staged.rejected:
        faults = rejected_rows(session, lake, draft, staged).join(_staged(session, lake, staged), "_id")
        for rank, part in enumerate(staged.parts):
            if raw_table(source, part) in raw.tables:
                origin = lake.spark_files(session, raw.tables[raw_table(source, part)].files)
                shown = [F.col(f"`{column}`") for column in shown_columns(source, part.export, CANONICAL)]
                as_came = F.to_json(F.struct(*shown)) if shown else F.lit(None).cast("string")
                origin = origin.select("_file", "_row", as_came.alias("raw"))
                mine = faults.where(F.col("_rank") == rank).select("rule", "reason", "_file", "_row", "_ds")
                frames.append(origin.join(F.broadcast(mine), ["_file", "_row"]))
    for part in staged.parts:
        if rejects_table(source, part) in raw.tables:
            rejects = lake.spark_files(session, raw.tables[rejects_table(source, part)].files)
            frames.append(
                rejects.select(
                    F.lit("malformed").alias("rule"), "reason", "_file", "_row", "_ds",
                    F.lit(None).cast("string").alias("raw"),
                )
            )  # fmt: skip
    name = f"quarantine/{staged.table.name}"
    if not frames:
        draft.arrow(name, empty(QUARANTINE))
        return
    draft.spark(name, conform(reduce(DataFrame.unionByName, frames), QUARANTINE).coalesce(1))


def without_rejected(session: SparkSession, lake: Lake, draft: Draft, staged: Staged) -> DataFrame:
    """Return the staged rows that broke no rule."""
    rows = _staged(session, lake, staged)
    if not staged.rejected:
        return rows
    return rows.join(F.broadcast(rejected_rows(session, lake, draft, staged).select("_id")), "_id", "left_anti")


def rejected_rows(session: SparkSession, lake: Lake, draft: Draft, staged: Staged) -> DataFrame:
    """Return ``_id``, ``rule`` and ``reason`` of the rejected rows, by way of a scratch file."""
    place = draft.uri(f"quarantine/staged-{staged.table.name}")
    folder = f"{lake.base}/{place.removeprefix(f'{lake.uri}/')}"
    rows = pa.table(
        {
            "_id": pa.array(staged.rejected, pa.int64()),
            "rule": pa.array([fault.rule for fault in staged.rejected.values()], pa.string()),
            "reason": pa.array([fault.reason for fault in staged.rejected.values()], pa.string()),
        }
    )
    lake.fs.create_dir(folder, recursive=True)
    pq.write_table(rows, f"{folder}/rows.parquet", filesystem=lake.fs)
    return session.read.parquet(place)


def empty(table: Table) -> pa.Table:
    """Return ``table`` without rows."""
    return arrow_schema(table).empty_table()


def _staged(session: SparkSession, lake: Lake, staged: Staged) -> DataFrame:
    return session.read.parquet(f"{lake.uri}/{staged.folder}")
