"""Second half of validation: merges accepted rows into the clean layer, and writes the rejected ones aside.

Of an event table only the months with new rows are written again; the files of the others are taken over.
"""

from __future__ import annotations

from functools import reduce
from typing import Literal

import pyarrow as pa
import pyarrow.parquet as pq
from pyspark.sql import DataFrame, SparkSession, functions as F

from conf.settings.source import Part, Source
from conf.tables.canonical import CANONICAL
from conf.tables.table import Column, Table
from conf.tables.types import arrow_schema
from features.canonical.mapping import WITHDRAWING, shown_columns
from features.canonical.merge import MONTH, Replacing, merged
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
    if new.accepted or staged.withdrawals:
        kept = tuple(file for file in base if table.partition and file.part and file.part not in new.months)
    else:
        kept = base
    if kept:
        draft.carry(name, kept)
    if len(kept) == len(base) and not new.accepted:
        return TableVersion(kept) if kept else draft.arrow(name, empty(table))
    rows = without_rejected(session, lake, draft, staged)
    touched = tuple(file for file in base if file not in kept)
    before = lake.spark_files(session, touched) if touched else None
    tasks = int(session.conf.get("spark.sql.shuffle.partitions") or 1)
    result = merged(rows, before, table, tasks, replacing(staged.parts), staged.withdrawals > 0)
    return draft.spark(name, result, part=MONTH if table.partition else None)


def replacing(parts: tuple[Part, ...]) -> Replacing:
    """Return what later deliveries of a table replace: of several parts the widest scope counts for all."""
    scopes = {part.replaces for part in parts}
    scope: Literal["row", "order", "day"] = "day" if "day" in scopes else "order" if "order" in scopes else "row"
    return Replacing(scope, any(part.later_replaces for part in parts))


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
    """Return the staged rows that broke no rule and those that withdraw others; values set aside are null."""
    rows = _staged(session, lake, staged).where(f"_out is null or _out in {WITHDRAWING}")
    if staged.blank:
        asides = [(row, column) for column, failed in staged.blank.items() for row in failed]
        ids, columns = pa.array([row for row, _ in asides], pa.int64()), pa.array([name for _, name in asides])
        aside = _scratch(session, lake, draft, staged, "blank", pa.table({"_id": ids, "column": columns}))
        aside = aside.groupBy("_id").agg(F.collect_set("column").alias("_aside"))
        rows = rows.join(F.broadcast(aside), "_id", "left")
        kept = {
            name: F.when(~F.coalesce(F.array_contains("_aside", name), F.lit(False)), F.col(name))
            for name in staged.blank
        }
        rows = rows.withColumns(kept).drop("_aside")
    if not staged.rejected:
        return rows
    return rows.join(F.broadcast(rejected_rows(session, lake, draft, staged).select("_id")), "_id", "left_anti")


def rejected_rows(session: SparkSession, lake: Lake, draft: Draft, staged: Staged) -> DataFrame:
    """Return ``_id``, ``rule`` and ``reason`` of the rejected rows, by way of a scratch file."""
    rows = pa.table(
        {
            "_id": pa.array(staged.rejected, pa.int64()),
            "rule": pa.array([fault.rule for fault in staged.rejected.values()], pa.string()),
            "reason": pa.array([fault.reason for fault in staged.rejected.values()], pa.string()),
        }
    )
    return _scratch(session, lake, draft, staged, "rows", rows)


def _scratch(session: SparkSession, lake: Lake, draft: Draft, staged: Staged, name: str, rows: pa.Table) -> DataFrame:
    """Hand rows of the driver to Spark by way of a file, which the end of the night removes."""
    place = draft.uri(f"quarantine/staged-{staged.table.name}")
    folder = f"{lake.base}/{place.removeprefix(f'{lake.uri}/')}"
    lake.fs.create_dir(folder, recursive=True)
    pq.write_table(rows, f"{folder}/{name}.parquet", filesystem=lake.fs)
    return session.read.parquet(f"{place}/{name}.parquet")


def empty(table: Table) -> pa.Table:
    """Return ``table`` without rows."""
    return arrow_schema(table).empty_table()


def _staged(session: SparkSession, lake: Lake, staged: Staged) -> DataFrame:
    return session.read.parquet(f"{lake.uri}/{staged.folder}")
