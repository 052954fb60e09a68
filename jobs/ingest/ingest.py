"""Ingest: pull what the CRM dropped or recorded since the previous night into the lake's raw layer.

Publishes ``raw/<source>/<export>`` of the night, and ``raw/<source>/<export>__rejected`` where rows were malformed.
A file that is missing, cut off, empty or not as agreed stops the stage, with all faults named together.
Cost: linear in the bytes of the new files, at about DuckDB's speed.
"""

from __future__ import annotations

import hashlib
import logging
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb

from conf.errors import DataError
from conf.settings.exports import Export
from conf.settings.expressions import referenced
from conf.settings.schema import Settings
from jobs.ingest.check_exports import Checked, check
from jobs.ingest.databases import extract, fingerprint, grouped, queries
from jobs.ingest.exports import Drop, find, refuse_changed
from jobs.ingest.read_exports import Count, good, leave_out_erased, load, nothing, refused
from jobs.inputs import erased
from jobs.inputs.erased import Erased
from jobs.inputs.export_calendar import due
from jobs.lake.facts import IngestFacts
from jobs.lake.lake import Draft, Lake
from jobs.lake.manifest import Manifest
from jobs.lake.night import publish
from jobs.lake.reads import settings_of
from jobs.stages import Stage

log = logging.getLogger(__name__)
#: share of a file that may be malformed before the whole file is refused
MOST_LOST = 0.5
#: of DuckDB; beyond it spills to disk
MEMORY = "3GB"


def run(settings: Settings, day: date, force: bool = False) -> Manifest:
    """Publish the raw tables of ``day``: all drops after the previous published night, on the first all there are.

    An export without a new file has no table that night.

    Raises:
        ConfigError: the night lies before the first drop.
        DataError: files are missing or not as agreed; all are named, and the previous night stays readable.
        TransientError: a file changed while it was read.
    """
    settings = settings_of(Stage.INGEST, settings)
    lake = Lake(settings.lake)
    since = lake.newest(Stage.INGEST, before=day)
    drops, faults = find(settings, since, day)
    inputs = {"since": str(since)}
    for name in settings.source.exports:
        listed = "\n".join(f"{drop.name} {drop.bytes} {drop.sha256}" for drop in drops if drop.export == name)
        inputs[name] = hashlib.sha256(listed.encode()).hexdigest()
    gone = erased.read(settings)
    inputs |= {"erased": gone.content} if gone.hashes else {}
    inputs |= {name: fingerprint(export, since, day) for name, export in queries(settings.source).items()}
    before = lake.manifest(Stage.INGEST, since) if since else None

    def build(draft: Draft) -> None:
        _IngestNight(settings, draft, drops, since, list(faults), gone).ingest()
        draft.facts |= {"since": since and str(since), "ingested_at": datetime.now(UTC).isoformat(timespec="seconds")}
        _warn_of_repeats(settings, drops, draft.facts["files"], before)

    return publish(settings, Stage.INGEST, day, inputs, build, force or bool(faults))


@dataclass
class _IngestNight:
    """The exports of a night on their way into the lake."""

    settings: Settings
    draft: Draft
    drops: list[Drop]
    since: date | None = None
    faults: list[str] = field(default_factory=list)
    erased: Erased = field(default_factory=Erased)

    def ingest(self) -> None:
        """Write all tables and facts.

        Raises:
            DataError: files are not as agreed.
            TransientError: a file changed meanwhile.
        """
        self.draft.facts |= {"files": {}, "rejected": {}, "erased": {}}
        Path(self.settings.home).mkdir(parents=True, exist_ok=True)
        for name, export in self.settings.source.exports.items():
            drops = [drop for drop in self.drops if drop.export == name]
            if drops:
                with self._scratch() as scratch:
                    self._files(name, export, drops, scratch)
        for names in grouped(self.settings.source):
            with self._scratch() as scratch:
                self._database(names, scratch)
        refuse_changed(self.drops)
        if self.faults:
            listed = "\n".join(f"  {line}" for fault in self.faults for line in fault.splitlines())
            raise DataError(
                f"the exports up to {self.draft.day} have {len(self.faults)} fault(s); nothing was published, earlier "
                f"nights stay as they are:\n{listed}"
            )

    @contextmanager
    def _scratch(self) -> Iterator[Path]:
        with tempfile.TemporaryDirectory(prefix="ingest-", dir=self.settings.home) as scratch:
            yield Path(scratch)

    def _files(self, name: str, export: Export, drops: list[Drop], scratch: Path) -> None:
        """Check, read and write the files of one export."""
        started = time.monotonic()
        checked: list[Checked] = []
        for drop in drops:
            try:
                checked += check(drop, export, scratch)
            except DataError as fault:
                self.faults.append(str(fault))
        counts = self._load(name, export, checked, scratch)
        self._note(name, drops, counts, time.monotonic() - started)

    def _database(self, names: list[str], scratch: Path) -> None:
        """Read and write the exports that are queries of one database."""
        started = time.monotonic()
        source = self.settings.source
        try:
            read = extract(source, names, (self.since, self.draft.day), scratch)
        except DataError as fault:
            self.faults.append(str(fault))
            return
        for name, checked in read.items():
            export = source.exports[name]
            if checked.lines <= 1 and not due(export, source, self.draft.day):
                export = export.model_copy(update={"may_be_empty": True})
            counts = self._load(name, export, [checked], scratch)
            self._note(name, [checked.drop], counts, time.monotonic() - started)

    def _load(self, name: str, export: Export, checked: list[Checked], scratch: Path) -> dict[str, Count]:
        """Write the raw table of one export and return the counts by file."""
        table = f"raw/{self.settings.source.name}/{name}"
        counts: dict[str, Count] = {}
        if checked:
            with duckdb.connect(config={"temp_directory": str(scratch / "spill"), "memory_limit": MEMORY}) as engine:
                try:
                    counts = load(engine, export, checked)
                except DataError as fault:
                    self.faults += str(fault).splitlines()
                self._judge(export, counts)
                if not self.faults:
                    self._leave_out_erased(engine, name, export)
                    self._write(engine, export, table, sum(count.rejected for count in counts.values()))
        elif not self.faults:
            self.draft.arrow(table, nothing(export))
        return counts

    def _judge(self, export: Export, counts: dict[str, Count]) -> None:
        """Refuse files without rows and files that are mostly malformed."""
        for name, count in counts.items():
            if count.lost > MOST_LOST:
                self.faults.append(
                    f"{name}: {count.lost:.0%} of it is malformed ({count.rows:,} rows can be read); mend its "
                    "delimiter and quotes under `csv`, or ask for the file again"
                )
            elif not count.rows and not count.rejected and not export.may_be_empty:
                self.faults.append(f"{name}: is empty (no row); ask for the file, or declare may_be_empty")

    def _leave_out_erased(self, engine: duckdb.DuckDBPyConnection, name: str, export: Export) -> None:
        """Keep rows of erased customers out of the raw layer; where a key is put together, validation does it."""
        parts = [part for table in self.settings.source.tables.values() for part in table.parts]
        keys = [part.columns["customer_id"] for part in parts if part.export == name and "customer_id" in part.columns]
        holding = {column for key in keys for column in referenced(key, export.columns)}
        if not self.erased.hashes or not holding:
            return
        rows = leave_out_erased(engine, export, sorted(holding), self.settings.source.ids, self.erased)
        if rows:
            self.draft.facts["erased"][name] = rows
            log.warning("ingest %s: %s row(s) of erased customers came again and were refused", name, f"{rows:,}")

    def _write(self, engine: duckdb.DuckDBPyConnection, export: Export, table: str, rejected: int) -> None:
        self.draft.arrow(table, good(engine, export))
        if rejected:
            self.draft.arrow(f"{table}__rejected", refused(engine))

    def _note(self, name: str, drops: list[Drop], counts: dict[str, Count], seconds: float) -> None:
        files: list[dict[str, Any]] = []
        for drop in drops:
            rows = sum(count.rows for path, count in counts.items() if path.startswith(drop.name))
            files.append(
                {"path": drop.name, "ds": str(drop.day), "sha256": drop.sha256, "bytes": drop.bytes, "rows": rows}
            )
        rejected = sum(count.rejected for count in counts.values())
        self.draft.facts["files"][name] = files
        self.draft.facts["rejected"][name] = rejected
        total = f"{sum(count.rows for count in counts.values()):,}"
        log.info("ingest %s: %d file(s), %s rows, %s malformed, %.1f s", name, len(drops), total, rejected, seconds)


def _warn_of_repeats(
    settings: Settings, drops: list[Drop], files: dict[str, list[dict[str, Any]]], before: Manifest | None
) -> None:
    """Warn where a daily export brings the very file of the day before: the CRM may be stuck."""
    for name, export in settings.source.exports.items():
        earlier = IngestFacts.of(before).files.get(name, [])
        seen = {(file["ds"], file["sha256"]) for file in [*earlier, *files.get(name, [])] if file["rows"]}
        for drop in drops:
            yesterday = str(drop.day - timedelta(days=1))
            if drop.export == name and export.schedule == "daily" and (yesterday, drop.sha256) in seen:
                log.warning("%s: has the same content as the file of %s; ask whether it is stale", drop.name, yesterday)
