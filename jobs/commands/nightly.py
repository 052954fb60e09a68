"""A whole night from the command line, each stage in its own process, as the DAG runs it."""

from __future__ import annotations

import logging
from datetime import date

from jobs.child import StageFailed, run_stage
from jobs.stages import Stage

log = logging.getLogger(__name__)


def run_night(day: date, conf: str | None = None, force: bool = False) -> int:
    """Run all stages of ``day`` in order and return the exit code of the first that fails, else 0."""
    for number, stage in enumerate(Stage, 1):
        log.info("[%d/%d] %s", number, len(Stage), stage)
        try:
            run_stage(stage, str(day), conf, force)
        except StageFailed as failure:
            log.error("%s", failure)
            return failure.code if failure.code > 0 else 1
    return 0
