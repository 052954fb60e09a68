"""The newest study of network architectures, which every night's report shows until the next one."""

from __future__ import annotations

from datetime import date
from typing import Any

from jobs.lake.lake import Lake
from jobs.stages import Stage

#: what a training publishes of its study, and the name of the study's table among the files of a run
ARCHITECTURES = "architectures"


def newest_study(lake: Lake, day: date) -> dict[str, Any]:
    """Return ``on`` and ``rows`` of the study that the newest training up to ``day`` published; empty without one."""
    last = day if lake.manifest(Stage.TRAIN, day) else lake.newest(Stage.TRAIN, day)
    study: dict[str, Any] = lake.need(Stage.TRAIN, last).facts.get(ARCHITECTURES, {}) if last else {}
    return study
