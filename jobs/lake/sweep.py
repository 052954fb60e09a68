"""Removes old versions from the lake: nights that nothing newer needs, and files that no manifest names."""

from __future__ import annotations

import argparse
import time

import pyarrow.fs as pafs

from conf.settings.schema import Settings
from jobs.lake.lake import Lake
from jobs.lake.tables import LAYERS
from jobs.stages import Stage

#: stages whose old nights go; raw exports, scores and outcomes are the record, and are kept for ever
SWEPT = (Stage.VALIDATE, Stage.CATALOGUE, Stage.FEATURES, Stage.TRAIN)


def command(settings: Settings, args: argparse.Namespace) -> int:
    """Run ``nbo sweep``."""
    removed = sweep(Lake(settings.lake), settings.keep_versions)
    print(
        f"kept the newest {settings.keep_versions} nights; removed {removed['nights']:,} older manifests and "
        f"{removed['files']:,} files that nothing names"
    )
    return 0


def sweep(lake: Lake, keep: int, spare_seconds: float = 86_400) -> dict[str, int]:
    """Remove old nights of the :data:`SWEPT` stages, and every file that no manifest names.

    Files younger than ``spare_seconds`` stay, since a reader or another night's draft may be on them.

    Args:
        lake: what is swept.
        keep: newest nights to keep.
        spare_seconds: age from which a file that nothing names is removed.

    Returns:
        ``nights`` and ``files`` removed.
    """
    old = [(stage, day) for stage in SWEPT for day in lake.days(stage)[:-keep]]
    for stage, day in old:
        lake.withdraw(stage, day)
    named = {
        file.path
        for stage in set(LAYERS.values())
        for day in lake.days(stage)
        for table in lake.need(stage, day).tables.values()
        for file in table.files
    }
    removed = 0
    for layer in LAYERS:
        selector = pafs.FileSelector(f"{lake.base}/{layer}", recursive=True, allow_not_found=True)
        for info in lake.fs.get_file_info(selector):
            relative = info.path[len(lake.base) + 1 :]
            if info.type != pafs.FileType.File or relative in named:
                continue
            if time.time() - (info.mtime_ns or 0) / 1e9 >= spare_seconds:
                lake.fs.delete_file(info.path)
                removed += 1
    return {"nights": len(old), "files": removed}
