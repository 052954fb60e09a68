"""Which rows of the raw layer are a customer's: by the source's mapping, since exports name their columns freely."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable
from datetime import date

import pyarrow.parquet as pq
from pyspark.sql import functions as F

from conf.settings.schema import Settings
from features.canonical.mapping import ORIGIN, customer_keys
from jobs.lake.lake import Lake
from jobs.lake.manifest import File
from jobs.spark import session
from jobs.stages import Stage

#: where a raw row stands: file within the export folder, row in it, day of the drop
Origin = tuple[str, int, date]


def raw_rows(settings: Settings, lake: Lake, customers: Collection[str]) -> dict[str, set[Origin]]:
    """Return raw or quarantine table -> origin of the rows of ``customers``, over all nights.

    A row in quarantine is known by the raw row that it came from.
    """
    origins: dict[str, set[Origin]] = defaultdict(set)
    nights = [lake.need(Stage.INGEST, day) for day in lake.days(Stage.INGEST)]
    if not nights:
        return origins
    lenient = session(settings, "erase").newSession()
    lenient.conf.set("spark.sql.ansi.enabled", "false")
    lenient.conf.set("spark.sql.session.timeZone", "UTC")
    source = settings.source
    for name, declared in source.tables.items():
        for part in (part for part in declared.parts if "customer_id" in part.columns):
            table = f"raw/{source.name}/{part.export}"
            files = [file for night in nights if table in night.tables for file in night.tables[table].files]
            for alike in _by_columns(lake, files):
                keys = customer_keys(lake.spark_files(lenient, alike), part, source.ids)
                rows = keys.where(F.col("customer_id").isin(*sorted(customers))).select(*ORIGIN).collect()
                hits = {(row["_file"], row["_row"], row["_ds"]) for row in rows}
                origins[table] |= hits
                origins[f"quarantine/{name}"] |= hits
    return origins


def _by_columns(lake: Lake, files: Iterable[File]) -> list[tuple[File, ...]]:
    """Group files by their columns: the contract of an export may have changed between nights."""
    groups: dict[tuple[str, ...], dict[str, File]] = defaultdict(dict)
    for file in files:
        groups[tuple(pq.read_schema(f"{lake.base}/{file.path}", filesystem=lake.fs).names)][file.path] = file
    return [tuple(group.values()) for group in groups.values()]
