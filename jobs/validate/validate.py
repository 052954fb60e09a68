"""Validates a night: maps exports to the canonical model, quarantines bad rows, refuses bad nights.

Row rules quarantine, table rules refuse; a refused night publishes nothing, and its Data Docs say why. The clean
layer is the previous night's with this night's rows merged in, so nights have to be validated in their order.
"""

from __future__ import annotations

import importlib
import logging
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from conf.errors import ConfigError, DataError
from conf.settings.schema import Settings
from conf.tables.canonical import CANONICAL, CONSENTS
from conf.tables.consent_words import CHANNELS
from conf.tables.runs import DATA_QUALITY
from conf.tables.types import arrow_schema
from features.canonical.consents import channel_of
from features.canonical.mapping import NO_CUSTOMER, TOTAL, check_source
from jobs.inputs import erased
from jobs.inputs.erased import Erased
from jobs.inputs.export_calendar import due
from jobs.lake.facts import IngestFacts, ValidateFacts
from jobs.lake.lake import Draft, Lake
from jobs.lake.manifest import File, Manifest, TableVersion
from jobs.lake.night import publish
from jobs.lake.reads import settings_of
from jobs.spark import session
from jobs.stages import Stage
from jobs.validate import measure_tables as measure
from jobs.validate.accounts import account
from jobs.validate.consent_checks import REMEDY, ConsentDoubts, consent_doubts, refusals_lost
from jobs.validate.measure_tables import Arrived
from jobs.validate.merge_clean import QUARANTINE, empty, write_clean, write_quarantine
from jobs.validate.reference_rules import reference_rules
from jobs.validate.stage_rows import JOBS, Staged, check_rows, stage_rows

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from expectations.checkpoint import Checkpoints, Outcome
    from expectations.table_rules import Figure

log = logging.getLogger(__name__)
#: nights whose volumes are looked at
NIGHTS = 28


@dataclass(frozen=True)
class Night:
    """What the validation of one night works on."""

    settings: Settings
    lake: Lake
    day: date
    raw: Manifest
    base: Manifest | None
    draft: Draft
    erased: Erased = field(default_factory=Erased)

    def before(self, name: str) -> tuple[File, ...]:
        """Return the files of ``clean/<name>`` as the night before left it."""
        version = self.base.tables.get(f"clean/{name}") if self.base else None
        return version.files if version else ()


def run(settings: Settings, day: date, force: bool = False) -> Manifest:
    """Publish the night's clean, quarantine and quality tables.

    Raises:
        ConfigError: the source is not mapped rightly.
        DataError: the night is refused, or what it builds on is not there.
    """
    settings = settings_of(Stage.VALIDATE, settings)
    check_source(settings.source, CANONICAL)
    if settings.source.consent.recorded and channel_of(settings.policy.channel, settings.source.consent) in (None, "*"):
        raise ConfigError(
            f"policy.channel: {settings.policy.channel} is no channel that consents can name; there are "
            f"{', '.join(sorted(set(CHANNELS) - {'*'}))}; declare its spelling under consent.channels of the source"
        )
    lake = Lake(settings.lake)
    raw = lake.need(Stage.INGEST, day)
    base = _base(lake, raw)
    gone = erased.read(settings)
    inputs = {"raw": raw.content, "base": base.content if base else "none"}
    return publish(
        settings,
        Stage.VALIDATE,
        day,
        inputs | ({"erased": gone.content} if gone.hashes else {}),
        lambda draft: _build(Night(settings, lake, day, raw, base, draft, gone)),
        force,
        still_there=lambda manifest: Path(settings.home, ValidateFacts.of(manifest).data_docs).exists(),
    )


def docs_index(day: date) -> str:
    """Return the path of a night's Data Docs below the home."""
    return f"data_docs/{day}/index.html"


def _build(night: Night) -> None:
    spark = session(night.settings, f"validate {night.day}")
    with ThreadPoolExecutor(1) as pool:  # Spark maps while Great Expectations takes its seconds to import
        mapping = pool.submit(
            stage_rows, spark, night.settings.source, night.lake, night.raw, night.draft, night.erased
        )
        importlib.import_module("expectations.suites")
        checkpoint = importlib.import_module("expectations.checkpoint")
        staged = mapping.result()
    log.info("validate %s: mapped %s rows", night.day, f"{sum(s.rows for s in staged.values()):,}")
    home = Path(night.settings.home)
    checkpoints = checkpoint.Checkpoints(home / "gx" / str(night.day), (home / docs_index(night.day)).parent)
    try:
        for name in sorted(staged, key=list(CANONICAL).index):  # a book after those it refers to
            references = reference_rules(night.lake, night.base, name, staged)
            staged[name] = check_rows(night.settings, spark, night.lake, checkpoints, staged[name], references)
        log.info("validate %s: checked, %s rows rejected", night.day, sum(len(s.rejected) for s in staged.values()))
        arrivals = {
            name: measure.arrived(night.lake, table, night.before(name))
            for name, table in staged.items()
            if table.rows or table.withdrawals
        }
        versions = _write_tables(night, spark, staged, arrivals)
        figures = _figures(night, staged, arrivals, versions)
        outcomes = _hold(night, checkpoints, figures)
        doubts = consent_doubts(night.lake, staged[CONSENTS.name], versions) if CONSENTS.name in arrivals else None
    finally:
        checkpoints.build_docs()
    accounts = {
        name: account(night.lake, table, night.before(name), versions[name].files)
        for name, table in staged.items()
        if table.folder
    }
    _write_quality(night, staged, arrivals, figures, outcomes, doubts)
    night.draft.facts.update(_facts(night, staged, arrivals))
    night.draft.facts["accounts"] = {name: closed.facts() for name, closed in accounts.items()}
    for name, closed in accounts.items():
        log.info("validate %s: %s: %s", night.day, name, closed.words())
    if doubts:
        doubts.warn(night.day)
        night.draft.facts["consents_in_doubt"] = doubts.doubts
    for table in staged:
        _remove_scratch(night.draft, table)


def _base(lake: Lake, raw: Manifest) -> Manifest | None:
    """Return the clean layer that the night builds on; None where the night brings the whole history."""
    since = IngestFacts.of(raw).since
    if not since:
        return None
    before = lake.manifest(Stage.VALIDATE, date.fromisoformat(since))
    ingested = lake.need(Stage.INGEST, date.fromisoformat(since))
    if before is None or before.inputs.get("raw") != ingested.content:
        state = "not validated" if before is None else "ingested anew since it was validated"
        raise DataError(
            f"the night {raw.ds} builds on {since}, which is {state}; run `nbo validate --ds {since}` first"
        )
    return before


def _write_tables(
    night: Night, spark: SparkSession, staged: dict[str, Staged], arrivals: dict[str, Arrived]
) -> dict[str, TableVersion]:
    """Write clean and quarantine of every table of the source; one without new rows is taken over."""

    def write(name: str) -> TableVersion:
        table = f"clean/{name}"
        before = night.before(name)
        if name in staged:
            write_quarantine(spark, night.lake, night.draft, night.settings.source, night.raw, staged[name])
        else:
            night.draft.arrow(f"quarantine/{name}", empty(QUARANTINE))
        if name in arrivals:
            return write_clean(spark, night.lake, night.draft, staged[name], arrivals[name], before)
        if before:
            night.draft.carry(table, before)
            return TableVersion(before)
        return night.draft.arrow(table, empty(CANONICAL[name]))

    names = list(night.settings.source.tables)
    with ThreadPoolExecutor(JOBS) as pool:
        return dict(zip(names, pool.map(write, names), strict=True))


def _figures(
    night: Night, staged: dict[str, Staged], arrivals: dict[str, Arrived], versions: dict[str, TableVersion]
) -> list[Figure]:
    """Measure what the table rules hold against their bounds."""
    from expectations import table_rules as rules

    figures: list[Figure | None] = []
    recent = _recent_volumes(night)
    for name, declared in night.settings.source.tables.items():
        table, version = CANONICAL[name], versions[name]
        figures.append(rules.schema(name, measure.schema_faults(night.lake, table, version)))
        if expected := _freshest_due(night, name):
            figures.append(rules.freshness(name, measure.newest_day(night.lake, table, version), expected))
        came = staged.get(name)
        days = {**_due_days(night, name), **(arrivals[name].days if name in arrivals else {})}
        figures.append(rules.volume(name, days, recent.get(name, {}), declared.max_volume_change))
        if came is None:
            continue
        if name == CONSENTS.name:
            figures.append(rules.refusals_lost(refusals_lost(night.lake, came)))
        else:
            no_rows = sum(fault.rule.split(":")[0] in (TOTAL, NO_CUSTOMER) for fault in came.rejected.values())
            lost, total = len(came.rejected) - no_rows + came.malformed, came.rows + came.malformed
            by_rule = Counter(fault.rule for fault in came.rejected.values())
            figures.append(rules.rejected_share(name, lost, total, declared.max_rejected, by_rule))
        if name not in arrivals:
            continue
        figures.append(rules.unique_key(name, table.key, measure.keys_twice(night.lake, came, version)))
        for column, least in declared.references.items():
            other = next(other for other in versions if CANONICAL[other].key == (column,))
            hits, rows = measure.matched_rows(night.lake, came, column, versions[other])
            figures.append(rules.share_matched(name, column, other, hits, rows, least))
    return [figure for figure in figures if figure]


def _hold(night: Night, checkpoints: Checkpoints, figures: list[Figure]) -> list[Outcome]:
    """Hold all figures against their bounds.

    Raises:
        DataError: lists every rule that failed or could not be evaluated.
    """
    from expectations import table_rules

    outcomes = checkpoints.check("the night", table_rules.rules(figures), table_rules.figures(figures))
    faults = [
        f"{figure.table}: {figure.rule}: "
        + (
            f"cannot be evaluated: {outcome.fault}"
            if outcome.fault
            else f"{figure.observed}; expected: {figure.expected}"
        )
        for figure, outcome in zip(figures, outcomes, strict=True)
        if not outcome.passed
    ]
    if faults:
        raise DataError(
            "\n  ".join([f"the night {night.day} is refused by {len(faults)} table rule(s):", *faults])
            + f"\nthe previous night stays; see {checkpoints.index}, have the exports mended, then run "
            f"`nbo ingest --ds {night.day}` and `nbo validate --ds {night.day}`"
        )
    return outcomes


def _recent_volumes(night: Night) -> dict[str, dict[date, int]]:
    """Return table -> drop day -> new rows of the nights before."""
    recent: dict[str, dict[date, int]] = {}
    for day in [day for day in night.lake.days(Stage.VALIDATE) if day < night.day][-NIGHTS:]:
        for table, days in ValidateFacts.of(night.lake.need(Stage.VALIDATE, day)).new_rows.items():
            recent.setdefault(table, {}).update({date.fromisoformat(drop): rows for drop, rows in days.items()})
    return recent


def _must_bring(night: Night, table: str, day: date) -> bool:
    """Tell whether the drop of ``day`` must bring rows for ``table``."""
    source = night.settings.source
    exports = [source.exports[part.export] for part in source.tables[table].parts]
    return any(not export.may_be_empty and due(export, source, day) for export in exports)


def _due_days(night: Night, table: str) -> dict[date, int]:
    """Return 0 rows for each drop day of this night that must bring rows."""
    first = date.fromisoformat(night.raw.facts["since"]) + timedelta(days=1) if night.base else night.day
    days = [first + timedelta(days=number) for number in range((night.day - first).days + 1)]
    due_days = [day for day in days if _must_bring(night, table, day)]
    if any(part.mode == "snapshot" for part in night.settings.source.tables[table].parts):
        due_days = due_days[-1:]  # of several snapshots only the newest is taken in
    return dict.fromkeys(due_days, 0)


def _freshest_due(night: Night, table: str) -> date | None:
    """Return the last day that must have brought events, for tables of events that come daily."""
    source = night.settings.source
    daily = any(source.exports[part.export].schedule == "daily" for part in source.tables[table].parts)
    if not CANONICAL[table].partition or not daily:
        return None
    day = night.day
    while day >= source.history_starts:
        if _must_bring(night, table, day):
            return day
        day -= timedelta(days=1)
    return None


def _write_quality(
    night: Night,
    staged: dict[str, Staged],
    arrivals: dict[str, Arrived],
    figures: list[Figure],
    outcomes: list[Outcome],
    doubts: ConsentDoubts | None,
) -> None:
    """Write ``quality/data_quality``: one row a check."""
    rows: list[dict[str, Any]] = []

    def add(
        table: str, check: str, kind: str, passed: bool, checked: int | None, failed: int | None, *texts: str
    ) -> None:
        values = (night.day, table, check, kind, passed, checked, failed, *texts)
        rows.append(dict(zip(DATA_QUALITY.names, values, strict=True)))

    for figure, outcome in zip(figures, outcomes, strict=True):
        add(figure.table, figure.rule, "table", outcome.passed, None, None, figure.observed, figure.expected)
    for name, table in staged.items():
        for result in table.outcomes:
            failed = len(result.failed)
            kind = "row" if result.rule.kind == "field" else result.rule.kind
            add(name, result.rule.name, kind, result.passed, result.rows_checked, failed,
                f"{failed:,} rows", result.rule.about)  # fmt: skip
        add(name, "malformed", "row", not table.malformed, table.rows + table.malformed, table.malformed,
            f"{table.malformed:,} rows", "ingest can read every row")  # fmt: skip
    for name, came in arrivals.items():
        add(name, "double", "note", not came.double, came.accepted, came.double,
            f"{came.double:,} rows repeat or correct another of this night", "one row for each key")  # fmt: skip
        if CANONICAL[name].partition:
            add(name, "late", "note", not came.late, came.accepted, came.late,
                f"{came.late:,} rows tell of a day before their drop", "rows come on their day")  # fmt: skip
    for doubt, failed in (doubts.doubts if doubts else {}).items():
        add(CONSENTS.name, doubt, "note", not failed, doubts.rows if doubts else 0, failed,
            f"{failed:,} rows", REMEDY[doubt])  # fmt: skip
    schema = arrow_schema(DATA_QUALITY)
    night.draft.arrow("quality/data_quality", pa.Table.from_pylist(rows, schema=schema))


def _facts(night: Night, staged: dict[str, Staged], arrivals: dict[str, Arrived]) -> dict[str, Any]:
    rejected: dict[str, dict[str, int]] = {}
    for name, table in staged.items():
        counts: dict[str, int] = {"malformed": table.malformed} if table.malformed else {}
        for fault in table.rejected.values():
            counts[fault.rule] = counts.get(fault.rule, 0) + 1
        rejected[name] = dict(sorted(counts.items()))
    return {
        "since": IngestFacts.of(night.raw).since,
        "new_rows": {name: {str(day): rows for day, rows in came.days.items()} for name, came in arrivals.items()},
        "quarantined": rejected,
        "quarantined_rows": sum(sum(counts.values()) for counts in rejected.values()),
        "values_set_aside": {
            name: {column: len(set(rows)) for column, rows in table.blank.items()}
            for name, table in staged.items()
            if table.blank
        },
        "left_out": {name: table.out for name, table in staged.items() if table.out},
        "data_docs": docs_index(night.day),
    }


def _remove_scratch(draft: Draft, table: str) -> None:
    """Remove what this draft staged; another night's may be at work beside it."""
    for layer in ("clean", "quarantine"):
        folder = draft.folder(f"{layer}/staged-{table}")
        if draft.lake.fs.get_file_info(folder).type.name == "Directory":
            draft.lake.fs.delete_dir(folder)
