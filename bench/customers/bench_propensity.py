"""Propensities of The Complete Journey: every candidate model against its baseline, on three windows.

Needs the clean layer of a night in ``NBO_HOME`` (``make nightly DS=2017-12-03`` gives it). Each gate window is judged
by models that were fitted on earlier windows and chosen on the one before it. Gains are of the log-likelihood, with
paired 95 % intervals over customers, all windows together. ``--curves`` fits on 1/16, 1/4 and all of the customers,
``--network`` adds the network of all labels, which the weekly training fits.
"""

from __future__ import annotations

import argparse
import time
import warnings
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.fs as pafs

from bench.inputs.night_windows import windows_of
from conf.settings.load import load
from conf.settings.propensities import Amount, Propensity, Purchase, is_recorded
from conf.settings.schema import Settings
from jobs.lake.lake import Lake
from jobs.train.sets.stored_sets import StoredSets
from jobs.train.sets.training_sets import training_sets
from training.evaluation.fitted import Evaluation, FittedModel, evaluate_binary
from training.evaluation.metrics import Interval
from training.propensity import (
    amounts,
    evaluate as propensity_evaluate,
    fit as propensity_fit,
    inputs as propensity_inputs,
)
from training.propensity.amounts import AmountConfig
from training.propensity.fit import PropensityConfig
from training.propensity.frames import WideFrames
from training.propensity.inputs import LABEL
from training.propensity.multitask import heads
from training.sets import TrainingSets

WINDOWS, ROUNDS = 3, 1000
KEPT = "propensity_sets"


@contextmanager
def built(settings: Settings, day: date, keep: Path | None) -> Iterator[TrainingSets]:
    """Build the sets of a night, or take those that an earlier run kept."""
    lake = Lake(settings.lake)
    laid = windows_of(settings, lake, day, 4)
    if keep is not None and (keep / KEPT).is_dir():
        kept = Lake(str(keep))
        yield StoredSets(kept, KEPT, laid, day, keep)
        return
    from jobs.spark import session

    spark = session(settings, "bench_propensity")
    with training_sets(settings, lake, spark, day, laid, {"customers", "purchase_series", "labels"}) as sets:
        if keep is not None:
            here, there = f"{lake.base}/{sets.folder}", f"{Path(keep).resolve()}/{KEPT}"
            pafs.copy_files(here, there, source_filesystem=lake.fs, destination_filesystem=pafs.LocalFileSystem())
        yield sets


def splits(
    frames: WideFrames, sets: TrainingSets, asked: Propensity, count: int
) -> Iterator[tuple[date, pd.DataFrame, pd.DataFrame, pd.DataFrame]]:
    """Yield each gate day with the rows to train on, to choose on and to judge on."""
    if is_recorded(asked):
        yield (
            sets.windows.gate,
            *propensity_inputs.folds(propensity_inputs.rows(frames.of(sets, sets.windows.gate), asked)),
        )
        return
    days = sets.windows.all
    for number in range(count):
        gate, validation, *training = (propensity_inputs.rows(frames.of(sets, day), asked) for day in days[number:])
        yield days[number], pd.concat(training, ignore_index=True), validation, gate


def fitted(
    asked: Propensity, train: pd.DataFrame, validation: pd.DataFrame, columns: list[str]
) -> dict[str, FittedModel]:
    """Fit the baseline, every candidate, and what is kept."""
    models = {"baseline": propensity_evaluate.baseline(asked, train)}
    candidates = propensity_fit.candidate_models(asked.model, train, validation, columns, PropensityConfig())
    chosen = propensity_fit.fit(asked.model, train, validation, columns, PropensityConfig())
    return models | candidates | {f"kept: {chosen.params['candidate']}": chosen}


def networks(frames: WideFrames, sets: TrainingSets, count: int) -> dict[date, dict[str, FittedModel]]:
    """Fit the network of all labels for each gate day, on the windows before it."""
    days, columns, fitted = sets.windows.all, frames.columns(frames.liked(sets)), {}
    for number in range(count):
        started = time.process_time()
        train = pd.concat([frames.of(sets, day) for day in days[number + 2 :]], ignore_index=True)
        fitted[days[number]] = heads(train, frames.of(sets, days[number + 1]), frames.networked, columns)
        print(f"network for {days[number]}: {time.process_time() - started:.1f} CPU s")
    return fitted


def gain(parts: list[tuple[Evaluation, Evaluation]]) -> Interval:
    """Return the mean gain of the first over the second; customers are drawn with the rows of all their windows."""
    difference = (
        pd.concat([ours.by_customer - base.by_customer for ours, base in parts]).groupby(level=0).agg(["sum", "count"])
    )
    total, count = difference["sum"].to_numpy(), difference["count"].to_numpy()
    drawn = np.random.default_rng(1).integers(0, len(difference), (ROUNDS, len(difference)))
    low, high = np.quantile(total[drawn].sum(axis=1) / count[drawn].sum(axis=1), [0.025, 0.975])
    return Interval(float(total.sum() / count.sum()), float(low), float(high))


def show(
    asked: Propensity, frames: WideFrames, sets: TrainingSets, count: int, network: dict[date, dict[str, FittedModel]]
) -> None:
    """Print a label's table: means over the windows, and the gain over the baseline."""
    parts: dict[str, list[tuple[Evaluation, Evaluation]]] = defaultdict(list)
    columns = propensity_inputs.inputs(asked, frames.hints, frames.liked(sets))
    started = time.process_time()
    for day, train, validation, gate in splits(frames, sets, asked, count):
        if min(min(part[LABEL].sum(), (~part[LABEL]).sum()) for part in (train, validation, gate)) < 3:
            print(f"\n{asked.label}: too few customers, {int(train[LABEL].sum())} of {len(train)} to learn from")
            return
        models = fitted(asked, train, validation, columns)
        if asked.label in network.get(day, {}):
            models["network"] = network[day][asked.label]
        judged = {name.split(":")[0]: evaluate_binary(fitted.model, gate, LABEL) for name, fitted in models.items()}
        kept = next(name for name in models if name.startswith("kept"))
        print(f"{asked.label}: {gate['as_of'].iloc[0]}, {len(gate):,} customers, base {gate[LABEL].mean():.3f}, {kept}")
        for name, evaluation in judged.items():
            parts[name].append((evaluation, judged["baseline"]))
    used = time.process_time() - started
    print(f"  {'':<20} ROC AUC  av. prec.  log loss  cal. error  gain over the baseline ({used:.1f} CPU s)")
    for name, pairs in parts.items():
        mean = pd.DataFrame([ours.metrics for ours, _ in pairs]).mean()
        gained = gain(pairs)
        print(
            f"  {name:<20} {mean['roc_auc']:.4f}   {mean['average_precision']:.4f}    {mean['log_loss']:.4f}    "
            f"{mean['ece']:.4f}      {gained.value:+.4f} ({gained.low:+.4f} to {gained.high:+.4f})"
        )
    newest = propensity_evaluate.figures(parts["kept"][0][0]).metrics
    shares = [f"{newest[f'coverage_at_precision_{p:g}']:.1%} at {p:.0%}" for p in (0.5, 0.7, 0.9)]
    print(f"  can be named on the newest window: {', '.join(shares)} precision")


def show_amount(asked: Amount, frames: WideFrames, sets: TrainingSets, count: int) -> None:
    """Print an amount's table: means over the windows, and the deviance saved against the baseline."""
    parts: dict[str, list[tuple[Evaluation, Evaluation]]] = defaultdict(list)
    columns, config = propensity_inputs.inputs(asked, frames.hints, frames.liked(sets)), AmountConfig()
    started = time.process_time()
    for day, train, validation, gate in splits(frames, sets, asked, count):
        chosen = amounts.fit(asked.model, train, validation, columns, config)
        models = {"baseline": amounts.baseline(asked, train)}
        models |= amounts.candidate_models(asked.model, train, validation, columns, config) | {"kept": chosen}
        judged = {name: amounts.judge(fitted.model, gate) for name, fitted in models.items()}
        some = (gate[LABEL] > 0).mean()
        print(f"{asked.label}: {day}, {len(gate):,} customers, mean {gate[LABEL].mean():.2f}, {some:.1%} above zero, "
              f"kept: {chosen.params['candidate']}")  # fmt: skip
        for name, evaluation in judged.items():
            parts[name].append((evaluation, judged["baseline"]))
    used = time.process_time() - started
    print(f"  {'':<20} deviance    RMSE     MAE  rank corr.  total  deviance saved ({used:.1f} CPU s)")
    for name, pairs in parts.items():
        mean, gained = pd.DataFrame([ours.metrics for ours, _ in pairs]).mean(), gain(pairs)
        print(
            f"  {name:<20} {mean['deviance']:8.3f} {mean['rmse']:7.2f} {mean['mae']:7.2f}"
            f"      {mean['rank_correlation']:.3f}  {mean['total']:.3f}"
            f"  {gained.value:+.3f} ({gained.low:+.3f} to {gained.high:+.3f})"
        )


def curves(asked: Propensity, frames: WideFrames, sets: TrainingSets) -> None:
    """Print the log loss of every candidate on the newest gate window by the share of customers it was fitted on."""
    _, train, validation, gate = next(iter(splits(frames, sets, asked, 1)))
    columns = propensity_inputs.inputs(asked, frames.hints, frames.liked(sets))
    place = pd.util.hash_array(train["customer_id"].to_numpy(dtype=object)) % 16
    for count in (1, 4, 16):
        part = train[place < count]
        if min(part[LABEL].sum(), (~part[LABEL]).sum()) < 3:
            continue
        candidates = propensity_fit.candidate_models(asked.model, part, validation, columns, PropensityConfig())
        losses = [
            f"{name} {-evaluate_binary(r.model, gate, LABEL).by_customer.mean():.4f}" for name, r in candidates.items()
        ]
        print(f"  {part['customer_id'].nunique():>6,} customers: {', '.join(losses)}")


def main() -> None:
    """Print the table of every label of the configuration."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--ds", type=date.fromisoformat, default=date(2017, 12, 3), help="night whose clean layer is used"
    )
    parser.add_argument("--curves", action="store_true", help="learning curves too")
    parser.add_argument("--network", action="store_true", help="the network of all labels too")
    parser.add_argument("--windows", type=int, default=WINDOWS, help="gate windows, the newest first")
    parser.add_argument("--keep", type=Path, help="folder that keeps the training sets between runs")
    args = parser.parse_args()
    warnings.filterwarnings("ignore")
    settings = load()
    frames = WideFrames(settings.propensities)
    with built(settings, args.ds, args.keep) as sets:
        print(
            "gate windows",
            ", ".join(str(day) for day in sets.windows.all[: args.windows]),
            "each with the 28 days after it",
        )
        network = networks(frames, sets, args.windows) if args.network else {}
        for asked in settings.propensities.labels:
            if isinstance(asked, Amount):
                show_amount(asked, frames, sets, args.windows)
                continue
            show(asked, frames, sets, args.windows, network)
            if args.curves and isinstance(asked, Purchase):
                curves(asked, frames, sets)


if __name__ == "__main__":
    main()
