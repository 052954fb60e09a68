"""Prints what the night's segment files would hold, and why customers are left out, without writing anything."""

from __future__ import annotations

import argparse
from datetime import date
from typing import Any

import pyarrow.compute as pc
from rich.console import Console
from rich.table import Table as Grid

from conf.errors import ConfigError
from conf.settings.schema import Settings
from jobs.lake.lake import Lake
from jobs.segments.select_files import delivered, select_files
from jobs.stages import Stage

WIDTH = 120


def command(settings: Settings, args: argparse.Namespace) -> int:
    """Run ``nbo preview``.

    Raises:
        ConfigError: no file is made of the segment, or its rule is no plain condition.
        DataError: the night is not scored.
    """
    lake = Lake(settings.lake)
    lake.need(Stage.SCORE, args.ds)
    rows = preview(settings, lake, args.ds)
    if args.segment and args.segment not in {row["slug"] for row in rows}:
        raise ConfigError(
            f"no file is made of a segment {args.segment!r}; there are {', '.join(row['slug'] for row in rows)}"
        )
    grid = Grid(title=f"Segment files of {args.ds}")
    grid.add_column("segment")
    for name in ("customers", "value"):
        grid.add_column(name, justify="right")
    for row in (row for row in rows if args.segment in (None, row["slug"])):
        grid.add_row(row["title"], f"{row['matched']:,}", "", style="bold")
        for why, size in row["suppressed"].items():
            grid.add_row(f"  {why}", f"-{size:,}", "")
        value = "" if row["value"] is None else f"{row['value']:,.2f} {settings.source.currency}"
        grid.add_row("  in the file", f"{row['rows']:,}", value)
    Console(width=WIDTH).print(grid)
    return 0


def preview(settings: Settings, lake: Lake, day: date) -> list[dict[str, Any]]:
    """Return, per file: ``slug``, ``title``, customers that match the rule, counts held back, ``rows``, ``value``."""
    selections = select_files(settings, lake, day)
    files = []
    for segment in delivered(settings):
        selection = selections[segment.slug]
        size, held = selection.rows.num_rows, sum(selection.suppressed.values())
        value = pc.sum(selection.rows["expected_value"]).as_py() if segment.offer_where is not None else None
        row = {"slug": segment.slug, "title": segment.title, "matched": size + held, "rows": size}
        files.append(row | {"suppressed": selection.suppressed, "value": value})
    return files
