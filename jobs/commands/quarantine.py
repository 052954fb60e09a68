"""What validation set aside: rows by night, table and rule, and the rows themselves without personal values."""

from __future__ import annotations

import argparse
from datetime import date

import pyarrow.compute as pc
from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from conf.errors import ConfigError, DataError
from conf.settings.schema import Settings
from jobs.lake.facts import ValidateFacts
from jobs.lake.lake import Lake
from jobs.stages import Stage

WIDTH = 140
#: rows that are shown
MOST = 50


def command(settings: Settings, args: argparse.Namespace) -> int:
    """Run ``nbo quarantine list`` or ``nbo quarantine show TABLE``.

    Raises:
        ConfigError: ``show`` without a table.
        DataError: there is no such night or table.
    """
    console, lake = Console(width=WIDTH, highlight=False), Lake(settings.lake)
    if args.action == "list":
        list_rules(console, lake)
        return 0
    if not args.table:
        raise ConfigError("name the table: nbo quarantine show TABLE [--ds YYYY-MM-DD] [--rule RULE]")
    days = lake.days(Stage.VALIDATE)
    if not days:
        raise DataError("no night is validated yet; run `nbo validate --ds YYYY-MM-DD` first")
    show_rows(console, lake, args.table, args.ds or days[-1], args.rule)
    return 0


def list_rules(console: Console, lake: Lake) -> None:
    """Print the rows that each rule set aside, newest night first."""
    shown = Table("night", "table", "rule", "rows", box=box.SIMPLE_HEAD)
    for day in reversed(lake.days(Stage.VALIDATE)):
        for table, rules in sorted(ValidateFacts.of(lake.need(Stage.VALIDATE, day)).quarantined.items()):
            for rule, rows in sorted(rules.items(), key=lambda pair: -pair[1]):
                shown.add_row(str(day), table, escape(rule), f"{rows:,}")
    console.print(shown if shown.row_count else "no row is in quarantine")


def show_rows(console: Console, lake: Lake, table: str, day: date, rule: str | None) -> None:
    """Print the rows of a table that one night set aside, or those of one rule.

    Raises:
        DataError: the night has no such table.
    """
    rows = lake.arrow(f"quarantine/{table}", day)
    if rule:
        rows = rows.filter(pc.field("rule") == rule)
    shown = Table("rule", "reason", "file", "row", "as it came", box=box.SIMPLE_HEAD)
    for row in rows.slice(0, MOST).to_pylist():
        cells = (row["rule"], row["reason"], row["_file"], str(row["_row"]), row["raw"] or "")
        shown.add_row(*(escape(cell) for cell in cells))
    console.print(shown)
    console.print(f"{min(rows.num_rows, MOST):,} of {rows.num_rows:,} rows; columns that may be personal are not shown")
