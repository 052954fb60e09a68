"""First half of validation: maps the night's raw rows and holds each against its suite.

Mapped rows are written once, to a scratch folder of the draft, and read from there by everything that follows.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import date
from functools import reduce
from typing import TYPE_CHECKING

import pyarrow.compute as pc
import pyarrow.dataset as pads
from pyspark.errors import AnalysisException, ParseException
from pyspark.sql import DataFrame, SparkSession, functions as F

from conf.errors import DataError
from conf.settings.schema import Settings
from conf.settings.source import Part, Source
from conf.tables.canonical import CANONICAL, CONSENTS
from conf.tables.table import Table
from features.canonical.consents import consent_rows
from features.canonical.mapping import (
    CAST,
    DELIVERY,
    DROPPED,
    ERASED,
    ROW,
    TOTAL,
    Reading,
    canonical_rows,
    check_expressions,
    fault_words,
    missing_columns,
    without_erased,
)
from jobs.inputs.erased import Erased
from jobs.lake.lake import Draft, Lake
from jobs.lake.manifest import Manifest
from jobs.validate.number_signs import doubtful_columns

if TYPE_CHECKING:
    from expectations.checkpoint import Checkpoints, Outcome
    from expectations.rules import Rule

#: condition of the staged rows that may become rows of the table
LIVE = "_out is null"
#: tables worked on at once: most Spark jobs of a night are too small to keep two cores busy
JOBS = 2


@dataclass(frozen=True)
class Rejected:
    """A rejected row: the first rule it broke, and all of them in words."""

    rule: str
    reason: str


@dataclass(frozen=True)
class Staged:
    """The mapped rows of one table and night, and what became of the row rules.

    ``snapshot`` is the drop day of the newest snapshot, which replaces all there was before; of older snapshots,
    and of changes before it, nothing is staged. Rows of part n have ``_rank`` n. ``rows`` counts those that may
    become rows of the table; ``out`` the others by what their ``_out`` says. ``blank`` holds, by column, the rows
    whose value is set aside.
    """

    table: Table
    folder: str
    rows: int
    parts: tuple[Part, ...]
    snapshot: date | None = None
    malformed: int = 0
    rejected: dict[int, Rejected] = field(default_factory=dict)
    blank: dict[str, tuple[int, ...]] = field(default_factory=dict)
    out: dict[str, int] = field(default_factory=dict)
    outcomes: tuple[Outcome, ...] = ()

    @property
    def withdrawals(self) -> int:
        """Number of rows that withdraw others."""
        return self.out.get(ROW, 0) + self.out.get(DELIVERY, 0)


def stage_rows(
    session: SparkSession, source: Source, lake: Lake, raw: Manifest, draft: Draft, erased: Erased
) -> dict[str, Staged]:
    """Map every table that got new rows.

    Args:
        session: the stage's session; mapping runs in a sister session with ANSI off (see features.canonical.mapping).
        source: the CRM.
        lake: where the raw tables are.
        raw: what ingest published for the night.
        draft: where the mapped rows are staged.
        erased: customers whose rows are no rows any more.

    Returns:
        The tables of the source that got rows this night.

    Raises:
        ConfigError: an expression does not work.
        DataError: a raw table lacks columns of the contract.
    """
    lenient = session.newSession()
    lenient.conf.set("spark.sql.ansi.enabled", "false")
    lenient.conf.set("spark.sql.session.timeZone", "UTC")
    mapper = _Mapper(lenient, source, lake, raw, erased)
    with ThreadPoolExecutor(JOBS) as pool:
        mapped = list(pool.map(lambda name: mapper.map(CANONICAL[name], draft), source.tables))
    return {staged.table.name: staged for staged in mapped if staged.rows or staged.malformed or staged.out}


def check_rows(
    settings: Settings,
    session: SparkSession,
    lake: Lake,
    checkpoints: Checkpoints,
    staged: Staged,
    references: Sequence[Rule] = (),
) -> Staged:
    """Hold every staged row against the suite of its table, and against ``references`` to other tables.

    Returns:
        ``staged`` with the outcomes and the rejected rows.

    Raises:
        DataError: an expectation could not be evaluated.
    """
    from expectations.checkpoint import ROW_ID, plain
    from expectations.suites import SUITES

    if not staged.rows:
        return staged
    rules = (*SUITES[staged.table.name], *references)
    columns = sorted({ROW_ID, *(column for rule in rules for column in rule.columns)})
    if staged.rows >= settings.gx_spark_rows:
        outcomes = checkpoints.check(
            staged.table.name, rules, session.read.parquet(f"{lake.uri}/{staged.folder}").where(LIVE).select(columns)
        )
    else:
        table = dataset(lake, staged).to_table(columns=columns, filter=pc.field("_out").is_null())
        outcomes = checkpoints.check(staged.table.name, rules, plain(table))
    if faults := [f"{outcome.rule.name}: {outcome.fault}" for outcome in outcomes if outcome.fault]:
        raise DataError("\n  ".join([f"the suite of {staged.table.name} cannot be evaluated:", *faults]))
    blank: dict[str, tuple[int, ...]] = {}
    for outcome in outcomes:
        if outcome.rule.kind == "field" and outcome.failed:
            column = outcome.rule.columns[0]
            blank[column] = blank.get(column, ()) + outcome.failed
    return replace(
        staged,
        outcomes=tuple(outcomes),
        rejected=_rejected(lake, staged, outcomes),
        blank=blank,
    )


def dataset(lake: Lake, staged: Staged) -> pads.Dataset:
    """Return the staged rows as an Arrow dataset."""
    return pads.dataset(f"{lake.base}/{staged.folder}", filesystem=lake.fs, format="parquet", partitioning=None)


def raw_table(source: Source, part: Part) -> str:
    """Return the name of the part's raw table."""
    return f"raw/{source.name}/{part.export}"


def rejects_table(source: Source, part: Part) -> str:
    """Return the name of the table of the part's malformed rows."""
    return f"{raw_table(source, part)}__rejected"


@dataclass(frozen=True)
class _Mapper:
    """Maps the raw tables of a night."""

    session: SparkSession
    source: Source
    lake: Lake
    raw: Manifest
    erased: Erased

    def map(self, table: Table, draft: Draft) -> Staged:
        """Map and write the rows of ``table``; with no rows nothing is written."""
        # a change of the day a snapshot was taken counts as later than the snapshot
        declared = self.source.tables[table.name].parts
        parts = tuple(sorted(declared, key=lambda part: part.mode != "snapshot"))
        malformed = sum(self.raw.tables[name].rows for part in parts if (name := self._refused(part)))
        snapshot = self._newest_snapshot(parts)
        frames = [
            self._mapped(part, table, snapshot).withColumn("_rank", F.lit(rank))
            for rank, part in enumerate(parts)
            if self._rows(part)
        ]
        staged = Staged(table, "", 0, parts, snapshot, malformed)
        if not frames:
            return staged
        place = draft.uri(f"clean/staged-{table.name}")
        rows = reduce(DataFrame.unionByName, frames)
        rows.withColumn("_id", F.monotonically_increasing_id()).write.parquet(place)
        staged = replace(staged, folder=place.removeprefix(f"{self.lake.uri}/"))
        mapped = dataset(self.lake, staged)
        out = {mark: mapped.count_rows(filter=pc.field("_out") == mark) for mark in (DROPPED, DELIVERY, ROW, ERASED)}
        return replace(
            staged,
            rows=mapped.count_rows() - sum(out.values()),
            out={mark: rows for mark, rows in out.items() if rows},
        )

    def _mapped(self, part: Part, table: Table, snapshot: date | None) -> DataFrame:
        """Map one export; what the newest snapshot replaces is left out, and erased customers are marked."""
        mapped = self._canonical(part, table, snapshot)
        if self.erased.hashes and "customer_id" in table.names:
            return without_erased(mapped, self.erased.secret, self.erased.hashes)
        return mapped

    def _canonical(self, part: Part, table: Table, snapshot: date | None) -> DataFrame:
        rows = self.lake.spark_files(self.session, self.raw.tables[raw_table(self.source, part)].files)
        if missing := missing_columns(rows, self.source.exports[part.export]):
            raise DataError(
                f"{raw_table(self.source, part)} lacks column(s) {', '.join(missing)}; "
                f"run `nbo ingest --ds {self.raw.ds} --force`"
            )
        if snapshot:
            day = F.col("_ds")
            rows = rows.where(day == F.lit(snapshot) if part.mode == "snapshot" else day >= F.lit(snapshot))
        try:
            if table.name == CONSENTS.name:
                reading = Reading(self.source.ids)
                return consent_rows(rows, part, reading, self.source.consent, self.source.timezone)
            return canonical_rows(rows, part, table, self._reading(part, table))
        except (AnalysisException, ParseException):
            check_expressions(rows, part, table)
            raise

    def _reading(self, part: Part, table: Table) -> Reading:
        """Return how the part's texts are read; where no other part reads its export, what it leaves out is gone."""
        alone = sum(other.export == part.export for other in self.source.tables[table.name].parts) == 1
        files = self.raw.tables[raw_table(self.source, part)].files
        doubtful = doubtful_columns(self.lake, files, self.source.exports[part.export], part, table)
        return Reading(self.source.ids, alone and part.mode == "upsert", doubtful)

    def _newest_snapshot(self, parts: tuple[Part, ...]) -> date | None:
        days = []
        for part in parts:
            if part.mode == "snapshot" and self._rows(part):
                files = self.raw.tables[raw_table(self.source, part)].files
                days.append(pc.max(self.lake.arrow_files(files).to_table(columns=["_ds"])["_ds"]).as_py())
        return max(days, default=None)

    def _rows(self, part: Part) -> int:
        version = self.raw.tables.get(raw_table(self.source, part))
        return version.rows if version else 0

    def _refused(self, part: Part) -> str | None:
        name = rejects_table(self.source, part)
        return name if name in self.raw.tables else None


def _rejected(lake: Lake, staged: Staged, outcomes: list[Outcome]) -> dict[int, Rejected]:
    """Put together what each rejected row broke, in the order of the suite."""
    broken: dict[int, list[tuple[str, str]]] = {}
    casts = _casts(lake, staged) if outcomes[0].failed else {}
    for outcome in outcomes:
        if outcome.rule.kind != "row":
            continue
        for row in outcome.failed:
            name, about = outcome.rule.name, outcome.rule.about
            if name == CAST:
                name, about = casts[row], fault_words(casts[row], staged.table)
            elif casts.get(row) in (TOTAL, f"{CAST}:{outcome.rule.columns[0]}"):
                continue  # it is missing only because it could not be read, or in a line of totals
            broken.setdefault(row, []).append((name, about))
    return {row: Rejected(rules[0][0], "; ".join(about for _, about in rules)) for row, rules in broken.items()}


def _casts(lake: Lake, staged: Staged) -> dict[int, str]:
    faulty = dataset(lake, staged).to_table(
        columns=["_id", "_fault"], filter=pc.field("_out").is_null() & ~pc.field("_fault").is_null()
    )
    return {row["_id"]: row["_fault"] for row in faulty.to_pylist()}
