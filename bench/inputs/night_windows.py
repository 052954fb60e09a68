"""The windows of a night's training, for benches that build the night's own training sets."""

from __future__ import annotations

from datetime import date

from conf.settings.schema import Settings
from jobs.lake.lake import Lake
from jobs.train.sets.training_sets import laid_out
from training.evaluation.windows import Windows


def windows_of(settings: Settings, lake: Lake, night: date, count: int | None = None) -> Windows:
    """Return the windows, at most ``count`` to train on (None: as configured); stop where the history is too short."""
    windows = laid_out(settings, lake, night, count)
    if windows is None:
        raise SystemExit(f"the history up to {night} is too short")
    return windows
