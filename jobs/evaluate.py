"""Measures a range of past nights against what customers did after them, and prints the comparison."""

from __future__ import annotations

import argparse
import logging
from datetime import date, timedelta
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
from rich.console import Console
from rich.table import Table as Grid

from conf.errors import ConfigError
from conf.schema import Settings
from jobs.lake import OUTCOMES, Lake
from jobs.stages import Stage, StageFailed, run_stage

log = logging.getLogger(__name__)
MEAN = """
    select offer_kind, slice, metric, method, avg(value) as value, min(value) as worst, max(value) as best,
           count(*) as nights
    from outcomes
    where offers_of between ? and ? and slice not in ('treated', 'control')
    group by all order by all
"""


def command(settings: Settings, args: argparse.Namespace) -> int:
    """Run ``nbo evaluate`` or ``nbo days``."""
    if args.first > args.last:
        raise ConfigError(f"the range ends before it starts: {args.first} to {args.last}")
    if args.command == "days":
        for day in _days(args.first, args.last):
            print(day)
        return 0
    return evaluate(settings, args.first, args.last, args.conf)


def evaluate(settings: Settings, first: date, last: date, conf: str | None = None) -> int:
    """Pull and check the data that tells what happened, measure, and print mean figures over the nights.

    Raises:
        ConfigError: none of the nights is scored.
    """
    lake = Lake(settings.lake)
    nights = [day for day in _days(first, last) if lake.manifest(Stage.SCORE, day)]
    if not nights:
        raise ConfigError(f"no night from {first} to {last} is scored; run them first (make backfill)")
    truth = nights[-1] + timedelta(days=settings.horizon_days)
    for stage in (Stage.INGEST, Stage.VALIDATE, Stage.MEASURE):
        log.info("%s of %s, the day by which all outcomes are known", stage, truth)
        try:
            run_stage(stage, str(truth), conf)
        except StageFailed as failure:
            log.error("%s", failure)
            return max(failure.code, 1)
    _print(lake, truth, first, last)
    return 0


def _days(first: date, last: date) -> list[date]:
    return [first + timedelta(days=number) for number in range((last - first).days + 1)]


def outcomes(lake: Lake, first: date, last: date, truth: date) -> pa.Table:
    """Return the outcomes of all nights of the range, each as the newest run up to ``truth`` measured it."""
    held: set[Any] = set()
    parts = []
    for by in reversed([day for day in lake.days(Stage.MEASURE) if day <= truth]):
        of = pc.field("offers_of")
        rows = lake.dataset(OUTCOMES, by).to_table(filter=(of >= first) & (of <= last) & ~of.isin(sorted(held)))
        held |= set(rows["offers_of"].to_pylist())
        parts.append(rows)
    return pa.concat_tables(parts)


def _print(lake: Lake, truth: date, first: date, last: date) -> None:
    with duckdb.connect() as engine:
        engine.register("outcomes", outcomes(lake, first, last, truth))
        rows = engine.execute(MEAN, [first, last]).fetchall()
    grid = Grid(title=f"Offers of {first} to {last} against the days after them (mean over the nights)")
    for name in ("offers", "slice", "metric", "method", "mean", "worst", "best", "nights"):
        grid.add_column(name, justify="right" if name in ("mean", "worst", "best", "nights") else "left")
    for kind, slice_, metric, method, value, worst, best, nights in rows:
        shown = ["-" if number is None else f"{number:.4f}" for number in (value, worst, best)]
        grid.add_row(kind, slice_, metric, method, *shown, str(nights))
    Console(width=110).print(grid)
