"""Customers scored a second by the models of the night, in Arrow batches as Spark's workers get them; one process.

Customers are those of The Complete Journey, drawn again and again up to a million. Churn, value and survival are fitted
on earlier weeks; propensities and segments on the clean layer of the night in ``NBO_HOME`` (``make nightly
DS=2017-12-03`` gives it), and left out where there is none. A further model is a line in :data:`FITS`: its name in the
night, and how it is fitted.
"""

from __future__ import annotations

import argparse
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from bench.customers.bench_churn import grocer
from bench.customers.bench_propensity import built, splits
from conf.settings.load import load
from conf.settings.propensities import Amount
from conf.tables.features import PURCHASE_SERIES
from features.segments.fit import FitConfig, choose, closeness
from features.segments.hierarchical_kmeans import nearest, totals_of
from features.segments.traits import TRAITS
from scoring.customers.propensities import score_batch
from scoring.customers.series_scores import scored_batch
from training.churn import fit as churn_fit, inputs as churn_inputs, spec as churn_spec
from training.classifiers.trees import trees
from training.models.artifacts import Model, matrix
from training.overdue import fit as overdue_fit, inputs as overdue_inputs, spec as overdue_spec
from training.propensity import amounts, fit as propensity_fit, inputs as propensity_inputs
from training.propensity.amounts import AmountConfig
from training.propensity.fit import PropensityConfig
from training.propensity.frames import WideFrames
from training.propensity.inputs import HISTORY_INPUTS, LABEL, LISTS, PROFILE_INPUTS, SERIES_INPUTS
from training.sets import TrainingSets
from training.survival import fit as survival_fit, inputs as survival_inputs, spec as survival_spec
from training.value import fit as value_fit, spec as value_spec

DAY, ACTIVE, BATCH, LEAST = date(2017, 12, 3), 84, 10_000, 20
#: columns of ``PROFILE`` that segments are placed by, as :data:`features.segments.segments.TRAITS` has them
PLACED_BY = ("recency_days", "baskets_84", "spend_84", "basket_value_84", "discount_share_84",
             "private_brand_share_84", "trend_28")  # fmt: skip
#: model of the night -> how it is fitted on the rows of some weeks, all labels known
FITS: dict[str, Callable[[pd.DataFrame], Model]] = {
    churn_spec.NAME: lambda frame: churn_fit.fit(*_parted(churn_inputs.rows(frame, ACTIVE))).model,
    overdue_spec.NAME: lambda frame: overdue_fit.fit(overdue_inputs.rows(frame)).model,
    value_spec.NAME: lambda frame: value_fit.fit_steps(frame, 12).model,
    survival_spec.NAME: lambda frame: survival_fit.fit(survival_inputs.rows(frame, ACTIVE, 28, DAY)).model,
}


@dataclass(frozen=True)
class Work:
    """Customers as the night has them, and what scores a batch of them."""

    customers: pa.Table
    score: Callable[[pa.RecordBatch], object]
    family: str


def series_works(names: list[str]) -> dict[str, Work]:
    """Fit the models of churn, value and survival on four weeks whose labels are known by the day."""
    rows = grocer()
    back = [DAY - timedelta(days=84 + 7 * number) for number in range(4)]
    frame = pd.concat([rows(day, 28) for day in back], ignore_index=True)
    described = rows(DAY, 28)[list(PURCHASE_SERIES.names)].astype({"customer_id": str})
    customers, works = pa.Table.from_pandas(described, preserve_index=False), {}
    for name in names:
        model = FITS[name](frame)
        models = {model.meta.name: model}
        works[name] = Work(
            customers, lambda batch, models=models: scored_batch(batch, models, ACTIVE), model.meta.family
        )
    return works


def propensity_works(sets: TrainingSets, frames: WideFrames) -> dict[str, Work]:
    """Fit the models of all labels that have enough customers; one work scores them all."""
    models: dict[str, tuple[Model, str]] = {}
    for asked in load().propensities.labels:
        _, train, validation, _ = next(splits(frames, sets, asked, 1))
        happened = [part[LABEL] > 0 for part in (train, validation)]
        if min(min(part.sum(), (~part).sum()) for part in happened) < LEAST:
            continue
        columns = propensity_inputs.inputs(asked, frames.hints, frames.liked(sets))
        if isinstance(asked, Amount):
            trained = amounts.fit(asked.model, train, validation, columns, AmountConfig())
        else:
            trained = propensity_fit.fit(asked.model, train, validation, columns, PropensityConfig())
        fitted = propensity_fit.with_bands(trained, validation)
        models[asked.label] = fitted.model, fitted.model.meta.family
    asked_of = [label for label in load().propensities.labels if label.label in models]
    standing = dict.fromkeys(models, "champion")
    customers = propensity_customers(sets)
    kinds = pd.Series([family for _, family in models.values()]).value_counts()
    family = f"{len(models)} labels: " + ", ".join(f"{count} x {name}" for name, count in kinds.items())
    return {"propensities": Work(customers, lambda b: score_batch(b, models, standing, asked_of, DAY), family)}


def propensity_customers(sets: TrainingSets) -> pa.Table:
    """Return the newest window's customers as ``propensity_inputs`` lays them out."""
    day = sets.windows.gate
    customers = sets.read("customers", day)
    flags = [name for name in customers.columns if name.startswith("recorded:")]
    rows = customers[["customer_id", *PROFILE_INPUTS, *LISTS, *flags]]
    rows = rows.merge(sets.purchase_series(day)[["customer_id", *SERIES_INPUTS]], "left", on="customer_id")
    history = sets.labels(day)[["customer_id", "label", *HISTORY_INPUTS]]
    parts = {key: part.drop(columns="customer_id").to_dict("records") for key, part in history.groupby("customer_id")}
    held = [parts.get(key, []) for key in rows["customer_id"]]
    numbers = [pa.field(name, pa.float64()) for name in HISTORY_INPUTS]
    structs = pa.array(held, pa.list_(pa.struct([pa.field("label", pa.string()), *numbers])), from_pandas=True)
    return pa.Table.from_pandas(rows, preserve_index=False).append_column("history", structs)


def segment_works(sets: TrainingSets) -> dict[str, Work]:
    """Fit segments as the night does; a work places customers and tells how well they fit."""
    customers = sets.read("customers", sets.windows.gate)[["customer_id", *PLACED_BY]]
    logs = np.array([scaled for _, scaled in TRAITS.values()])

    def scaled(rows: pd.DataFrame) -> np.ndarray:
        x = rows[list(PLACED_BY)].to_numpy(dtype="float64", na_value=np.nan)
        return np.where(logs, np.log1p(np.maximum(x, 0)), x)

    points = scaled(customers)
    shift, scale = np.nanmean(points, axis=0), np.nanstd(points, axis=0)
    z = np.nan_to_num((points - shift) / scale).astype("float32")
    centres = choose(z, totals_of(z), len(z), FitConfig()).centres

    def place(batch: pa.RecordBatch) -> tuple[np.ndarray, np.ndarray]:
        placed = np.nan_to_num((scaled(batch.to_pandas()) - shift) / scale).astype("float32")
        return nearest(placed, centres)[0], closeness(placed, centres)

    return {"segments": Work(pa.Table.from_pandas(customers, preserve_index=False), place, f"{len(centres)} centres")}


def reasons() -> None:
    """Print what the reasons of churn's trees cost by table, and by LightGBM's own TreeSHAP."""
    rows = grocer()
    back = [DAY - timedelta(days=84 + 7 * number) for number in range(4)]
    labelled = churn_inputs.rows(pd.concat([rows(day, 28) for day in back], ignore_index=True), ACTIVE)
    model: Any = trees(
        churn_spec.NAME, *_parted(labelled), churn_spec.INPUTS, churn_inputs.LABEL, churn_fit.ChurnConfig().trees
    )
    frame = rows(DAY, 28).sample(BATCH, replace=True, random_state=1)
    x = matrix(frame, churn_spec.INPUTS, churn_spec.NAME)
    model.contributions(frame[:10])  # makes the tables

    def cost(work: Callable[[], np.ndarray]) -> tuple[float, np.ndarray]:
        began = time.process_time()
        output = work()
        return (time.process_time() - began) / BATCH * 1e6, output

    table, ours = cost(lambda: model.contributions(frame))
    peer, theirs = cost(lambda: np.asarray(model.booster.predict(x, pred_contrib=True, num_threads=1))[:, :-1])
    print(
        f"reasons of {model.booster.num_trees()} trees, CPU s a million: {table:.1f} by table, {peer:.1f} by LightGBM's"
        f" TreeSHAP, {peer / table:.1f} times; largest difference {np.abs(ours - theirs).max():.0e}"
    )


def run(customers: int, work: Work) -> tuple[float, float]:
    """Score that many customers; return the seconds on the wall and of the processor, drawing them left out."""
    rng, wall, processor = np.random.default_rng(1), 0.0, 0.0
    for start in range(0, customers, BATCH):
        drawn = rng.integers(0, work.customers.num_rows, min(BATCH, customers - start))
        (batch,) = work.customers.take(pa.array(drawn)).combine_chunks().to_batches()
        began = time.perf_counter(), time.process_time()
        work.score(batch)
        wall, processor = wall + time.perf_counter() - began[0], processor + time.process_time() - began[1]
    return wall, processor


def main() -> None:
    """Print customers a second by each model and by all together."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", default=",".join(FITS), help="of churn, value and survival, parted by commas")
    parser.add_argument("--customers", type=int, default=20_000)
    parser.add_argument("--full", action="store_true", help="1,000,000 customers")
    parser.add_argument("--keep", type=Path, help="folder that keeps the training sets between runs")
    options = parser.parse_args()
    warnings.filterwarnings("ignore")
    customers, settings = 1_000_000 if options.full else options.customers, load()
    works = series_works(options.models.split(","))
    if list(Path(settings.lake).glob("clean/order_lines")):
        with built(settings, DAY, options.keep) as sets:
            works |= propensity_works(sets, WideFrames(settings.propensities)) | segment_works(sets)
    else:
        print("propensities and segments are left out: no clean layer in NBO_HOME")
    print(f"{customers:,} customers in batches of {BATCH:,}, reasons in words included")
    total = [0.0, 0.0]
    for name, work in works.items():
        spent = run(customers, work)
        total = [sum(pair) for pair in zip(total, spent, strict=True)]
        _print_cost(name, customers, *spent, work.family)
    _print_cost("all of these", customers, *total, "")
    reasons()


def _print_cost(name: str, customers: int, wall: float, processor: float, family: str) -> None:
    micros = processor / customers * 1e6
    print(
        f"  {name:<15} {customers / wall:9,.0f} customers a second   CPU s a million {micros:7.1f}   {family}",
        flush=True,
    )


def _parted(rows: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    newest = rows["as_of"] == rows["as_of"].max()
    return rows[~newest], rows[newest]


if __name__ == "__main__":
    main()
