"""Measures a range of past nights against what customers did after them, and prints the comparison.

The first table compares the night's offers with every simpler method, with the paired 95 % interval over customers. The
second holds what the offers were expected to bring against what they brought (``expected_and_realised``).
"""

from __future__ import annotations

import argparse
import logging
import math
from datetime import date, timedelta
from typing import Any

import duckdb
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from rich.console import Console
from rich.table import Table as Grid

from conf.errors import ConfigError
from conf.settings.schema import Settings
from jobs.child import StageFailed, run_stage
from jobs.database import database
from jobs.lake.lake import Lake
from jobs.stages import Stage
from jobs.tables.outcomes import CUSTOMER_OUTCOMES, OUTCOMES
from scoring.outcomes.expected_and_realised import FIGURES, METRICS, names, verdict
from scoring.outcomes.gains import COLUMNS, gains, ratio_values
from scoring.outcomes.outcomes import ALL, DISCOVERY, NBO, REPEAT
from training.evaluation.metrics import Interval, bootstrap

log = logging.getLogger(__name__)
GAIN = "NBO minus it (95 %)"
#: columns of the terminal that the table takes
WIDTH = 160
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
    """Ingest and validate the data after the nights, measure, publish the outcomes, and print mean figures.

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
    publish_outcomes(settings, lake, first, last, truth)
    _print(settings, lake, truth, first, last)
    return 0


def publish_outcomes(settings: Settings, lake: Lake, first: date, last: date, truth: date) -> None:
    """Bring the outcomes of the range to the database's ``offer_outcomes``, under the days that measured them."""
    of = pc.field("offers_of")
    for day in (day for day in lake.days(Stage.MEASURE) if day <= truth and lake.has(OUTCOMES, day)):
        if lake.dataset(OUTCOMES, day).count_rows(filter=(of >= first) & (of <= last)):
            database.replace(settings.database, day, {"offer_outcomes": lake.dataset(OUTCOMES, day)})


def _days(first: date, last: date) -> list[date]:
    return [first + timedelta(days=number) for number in range((last - first).days + 1)]


def outcomes(lake: Lake, first: date, last: date, truth: date) -> pa.Table:
    """Return the outcomes of all nights of the range, as the newest run up to ``truth`` measured them."""
    return pa.concat_tables(_newest(lake, OUTCOMES, first, last, truth))


def gains_by_method(
    settings: Settings, lake: Lake, first: date, last: date, truth: date
) -> dict[tuple[str, str, str, str], Interval]:
    """Return by how much the nights' offers beat every method, with paired 95 % intervals over customers.

    One figure is read at a time. Nights that were measured before customers' shares were kept do not count.

    Returns:
        (kind of offer, slice, metric, method) -> NBO minus the method.
    """
    figure, baselines = ["offer_kind", "slice", "metric"], pc.field("method") != NBO
    named = pa.concat_tables([p.filter(baselines).select(figure) for p in _newest(lake, OUTCOMES, first, last, truth)])
    gain_of = {}
    for row in named.group_by(figure).aggregate([]).sort_by([(name, "ascending") for name in figure]).to_pylist():
        rows = _customer_parts(lake, first, last, truth, **row)
        if rows is None:
            continue
        models = settings.models
        for method, gain in gains(rows, models.bootstrap_rounds, models.seed).items():
            gain_of[row["offer_kind"], row["slice"], row["metric"], method] = gain
    return gain_of


def realised_ratios(
    settings: Settings, lake: Lake, first: date, last: date, truth: date
) -> dict[tuple[str, str, str], Interval]:
    """Return realised / expected, the mean over the nights, with 95 % intervals over customers.

    One figure is read at a time.

    Returns:
        (kind of offer, slice, figure of :data:`scoring.outcomes.expected_and_realised.FIGURES`) -> the ratio.
    """
    ratios = {}
    for kind, part, figure in (
        (k, s, f) for k, figures in FIGURES.items() for s in (ALL, REPEAT, DISCOVERY) for f in figures
    ):
        parts = _customer_parts(lake, first, last, truth, offer_kind=kind, slice=part, metric=names(figure)[-1])
        if parts is None:
            continue
        customers = pd.Index(sorted(parts["customer_id"].unique()), name="customer_id")
        ratio = bootstrap(ratio_values(parts, customers), settings.models.bootstrap_rounds, settings.models.seed)
        # resamples of zeros are zeros: there is no interval
        came = parts["above"].any()
        ratios[kind, part, figure] = ratio if came else Interval(ratio.value, math.nan, math.nan)
    return ratios


def _customer_parts(lake: Lake, first: date, last: date, truth: date, **figure: str) -> pd.DataFrame | None:
    """Return customers' parts of one figure (:data:`scoring.outcomes.gains.COLUMNS`); None where there are none.

    ``figure`` has ``offer_kind``, ``slice`` and ``metric``.
    """
    which = pc.scalar(True)
    for name, value in figure.items():
        which &= pc.field(name) == value
    parts = _newest(lake, CUSTOMER_OUTCOMES, first, last, truth, which)
    rows = pa.concat_tables([part.select(list(COLUMNS)) for part in parts]).to_pandas() if parts else None
    return None if rows is None or rows.empty else rows


def _newest(
    lake: Lake, table: str, first: date, last: date, truth: date, which: pc.Expression | None = None
) -> list[pa.Table]:
    """Return the rows of every night of the range as the newest run up to ``truth`` measured it."""
    taken: set[Any] = set()
    parts = []
    for by in reversed([day for day in lake.days(Stage.MEASURE) if day <= truth and lake.has(table, day)]):
        of = pc.field("offers_of")
        wanted = (of >= first) & (of <= last) & ~of.isin(sorted(taken))
        rows = lake.dataset(table, by).to_table(filter=wanted if which is None else wanted & which)
        taken |= set(pc.unique(rows["offers_of"]).to_pylist())
        parts.append(rows)
    return parts


def _print(settings: Settings, lake: Lake, truth: date, first: date, last: date) -> None:
    with duckdb.connect() as engine:
        engine.register("outcomes", outcomes(lake, first, last, truth))
        rows = engine.execute(MEAN, [first, last]).fetchall()
    gain_of, console = gains_by_method(settings, lake, first, last, truth), Console(width=WIDTH)
    grid = _grid(
        f"Offers of {first} to {last} against the days after them (mean over the nights)",
        ("offers", "slice", "metric", "method", ">mean", ">worst", ">best", ">nights", f">{GAIN}", "beyond chance"),
    )
    for kind, slice_, metric, method, value, worst, best, nights in rows:
        if metric in METRICS:
            continue
        shown = ["-" if number is None else f"{number:.4f}" for number in (value, worst, best)]
        grid.add_row(
            kind, slice_, metric, method, *shown, str(nights), *_compared(gain_of.get((kind, slice_, metric, method)))
        )
    console.print(grid)
    ratios = realised_ratios(settings, lake, first, last, truth)
    if not ratios:
        return
    means = {(kind, slice_, metric): value for kind, slice_, metric, _, value, *_ in rows}
    grid = _grid(
        f"What the listed offers were expected to bring, and brought (a night, in {settings.source.currency})",
        ("offers", "slice", "figure", ">expected", ">realised", ">realised / expected (95 %)", "result"),
    )
    for (kind, slice_, figure), ratio in ratios.items():
        sums = (f"{means[kind, slice_, name]:,.1f}" for name in names(figure)[:2])
        grid.add_row(
            kind,
            slice_,
            figure,
            *sums,
            _shown(ratio),
            verdict(ratio.low, ratio.high),
        )
    console.print(grid)


def _shown(ratio: Interval) -> str:
    interval = "" if math.isnan(ratio.low) else f" ({ratio.low:.3f} to {ratio.high:.3f})"
    return f"{ratio.value:.3f}{interval}"


def _grid(title: str, columns: tuple[str, ...]) -> Grid:
    """Return an empty table; a name that starts with > is a column of numbers."""
    grid = Grid(title=title)
    for name in columns:
        grid.add_column(name.lstrip(">"), justify="right" if name.startswith(">") else "left", no_wrap=True)
    return grid


def _compared(gain: Interval | None) -> tuple[str, str]:
    """Return a gain and its verdict: better or worse beyond chance, or neither (``no``)."""
    if gain is None:
        return "", ""
    verdict = "better" if gain.low > 0 else "worse" if gain.high < 0 else "no"
    return f"{gain.value:+.4f} ({gain.low:+.4f} to {gain.high:+.4f})", verdict
