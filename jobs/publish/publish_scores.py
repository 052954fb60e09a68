"""Publish: the night's scores go to the database in one transaction."""

from __future__ import annotations

import logging
from datetime import UTC, date, datetime

import pyarrow as pa

from conf.errors import DataError
from conf.settings.load import config_hash
from conf.settings.schema import Settings
from conf.tables.runs import NIGHTLY_RUNS
from conf.tables.types import arrow_schema
from jobs.database import database
from jobs.lake.facts import ValidateFacts
from jobs.lake.fingerprint import code_version
from jobs.lake.lake import Draft, Lake
from jobs.lake.manifest import Manifest
from jobs.lake.night import publish
from jobs.lake.reads import settings_of
from jobs.stages import Stage
from training.tables import PUBLICATIONS

log = logging.getLogger(__name__)
#: published table -> where the lake has it; outcomes follow when they are measured
TABLES = {one.table.name: one.lake for one in PUBLICATIONS if one.lake is not None}


def run(settings: Settings, day: date, force: bool = False) -> Manifest:
    """Publish the night ``day``; skipped only if the database still holds these very scores.

    Raises:
        DataError: the night is not scored, or its rows do not fit their declaration.
        TransientError: the database cannot be reached or is locked.
    """
    configuration = config_hash(settings)
    settings = settings_of(Stage.PUBLISH, settings)
    lake = Lake(settings.lake)
    scores = lake.need(Stage.SCORE, day)
    inputs = {"scores": scores.content} | {
        name: lake.version(path, day).content for name, path in TABLES.items() if not path.startswith("scores/")
    }

    def build(draft: Draft) -> None:
        data = {name: lake.dataset(path, day) for name, path in TABLES.items()}
        loaded = database.replace(
            settings.database, day, data | {"nightly_runs": nightly_run(lake, day, configuration)}
        )
        draft.facts = {"rows": loaded, "database": database.describe(settings.database)}
        log.info("publish %s: %s rows to %s", day, f"{sum(loaded.values()):,}", draft.facts["database"])

    def still_there(manifest: Manifest) -> bool:
        try:
            rows = database.rows(settings.database, "nightly_runs", ds=day)
        except DataError:
            return False
        return [row["scores_content"] for row in rows] == [scores.content]

    return publish(settings, Stage.PUBLISH, day, inputs, build, force, still_there)


def nightly_run(lake: Lake, day: date, configuration: str) -> pa.Table:
    """Return the night's row of ``nightly_runs``; ``configuration`` is the hash of all settings."""
    scores, clean = lake.need(Stage.SCORE, day), lake.need(Stage.VALIDATE, day)
    row = {
        "ds": day,
        "published_at": datetime.now(UTC).replace(microsecond=0),
        "scores_version": scores.version,
        "scores_content": scores.content,
        "code_version": code_version(),
        "config_hash": configuration,
        "customers": scores.tables["scores/customer_scores"].rows,
        "offers": scores.tables["scores/next_best_offer"].rows,
        "order_lines": clean.tables["clean/order_lines"].rows,
        "quarantined_rows": ValidateFacts.of(clean).quarantined_rows,
    }
    return pa.Table.from_pylist([row], schema=arrow_schema(NIGHTLY_RUNS))
