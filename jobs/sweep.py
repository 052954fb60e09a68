"""Removes old versions from the lake: nights that nothing newer needs, and files that no manifest names."""

from __future__ import annotations

import argparse

from conf.schema import Settings
from jobs.lake import Lake


def command(settings: Settings, args: argparse.Namespace) -> int:
    """Run ``nbo sweep``; raw exports, scores and outcomes are kept for ever."""
    removed = Lake(settings.lake).sweep(settings.keep_versions)
    print(
        f"kept the newest {settings.keep_versions} nights; removed {removed['nights']:,} older manifests and "
        f"{removed['files']:,} files that nothing names"
    )
    return 0
