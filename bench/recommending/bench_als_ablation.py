"""What latent factors bring to the night's offers, as candidates and as an input: the night's ALS beside none.

Reads the clean layer of one night (``NBO_HOME``) and builds the night's own training sets with the night's own code,
once with factors and once without; ``none`` leaves ``als_score`` out of the rankers' inputs too, and the candidates of
similar customers then come of the linear item-to-item model alone. Rankers are trained as the night does, and lists are
judged as they are served: all, and discoveries. Intervals are paired over customers. ``--back 1`` judges the window
before the night's own.
"""

from __future__ import annotations

import argparse
import logging
import time
from collections.abc import Callable
from datetime import date
from functools import partial
from unittest import mock

import numpy as np
from pyspark.sql import DataFrame

from bench.recommending.bench_ranker_inputs import Sets, built, sources
from conf.settings.load import load
from conf.tables.features import ALS_ITEMS, ALS_USERS
from features.items.als import AlsConfig, factorize
from features.schemas import struct
from jobs.train.sets import customer_sets
from training.characteristics.examples import seen_of, truth_of
from training.evaluation.fitted import Evaluation
from training.evaluation.metrics import paired_bootstrap, split_truth
from training.rankers import discovery_ranker, offer_ranker
from training.rankers.inputs import RANKER_INPUTS

Factors = Callable[[DataFrame, AlsConfig], tuple[DataFrame, DataFrame]]
FIGURES = ("hit_rate_at_5", "ndcg_at_5")


def none(affinity: DataFrame, config: AlsConfig) -> tuple[DataFrame, DataFrame]:
    """Return no factors at all."""
    spark = affinity.sparkSession
    return spark.createDataFrame([], struct(ALS_USERS)), spark.createDataFrame([], struct(ALS_ITEMS))


KINDS: dict[str, Factors] = {"ALS": factorize, "no ALS": none}


def timed(factors: Factors, spent: list[float], affinity: DataFrame, config: AlsConfig) -> tuple[DataFrame, DataFrame]:
    """Return the factors, computed, and note the seconds they took."""
    affinity = affinity.persist()
    affinity.count()
    started = time.monotonic()
    tables = [frame.toArrow() for frame in factors(affinity, config)]
    spent.append(time.monotonic() - started)
    spark = affinity.sparkSession
    users, items = (spark.createDataFrame(table) for table in tables)
    return users, items


def judged(sets: Sets, inputs: tuple[str, ...]) -> dict[str, Evaluation]:
    """Train both rankers and judge the lists of both as they are served together, and those of discoveries."""
    customers = sets["customers"][sets["customers"]["customer_id"].isin(sets["gate"]["customer_id"])]
    truth, seen = truth_of(customers), seen_of(customers)
    new_inputs = tuple(name for name in inputs if name not in discovery_ranker.LEFT_OUT)
    rows = {name: offer_ranker.rows(sets[name]) for name in ("train", "validation", "gate")}
    fresh = {name: discovery_ranker.rows(sets[name]) for name in rows}
    ranker = offer_ranker.fit(rows["train"], rows["validation"], inputs, offer_ranker.OfferRankerConfig()).model
    new = discovery_ranker.fit(
        fresh["train"], fresh["validation"], new_inputs, discovery_ranker.DiscoveryConfig()
    ).model
    return {
        "all": offer_ranker.judge(ranker, rows["gate"], truth, seen, companion=new),
        "discoveries": discovery_ranker.judge(new, fresh["gate"], split_truth(truth, seen)[1], seen),
    }


def main() -> None:
    """Print the figures with factors and without, and what factors gain."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--night", type=date.fromisoformat, default=date(2017, 12, 3))
    parser.add_argument("--back", type=int, default=0, help="windows before the night's own to judge on")
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.WARNING)
    evaluations: dict[str, dict[str, Evaluation]] = {}
    for name, factors in KINDS.items():
        spent: list[float] = []
        with mock.patch.object(customer_sets, "factorize", partial(timed, factors, spent)):
            sets = built(load(), arguments.night, arguments.back)
        inputs = tuple(name for name in RANKER_INPUTS if factors is not none or name != "als_score")
        evaluations[name] = judged(sets, inputs)
        recall = sources(sets).loc["similar_customers"].round(4).to_dict("index")
        print(f"{name}: {len(sets['gate']):,} candidates of the gate, factors in {np.median(spent):.1f} s "
              f"a window (median); recall of similar customers {recall}")  # fmt: skip
        for part, figures in evaluations[name].items():
            values = "  ".join(f"{figure} {figures.metrics[figure]:.4f}" for figure in FIGURES)
            print(f"  {part:<12} {values}", flush=True)
    first = next(iter(evaluations))
    for other in list(evaluations)[1:]:
        for part in ("all", "discoveries"):
            gain = paired_bootstrap(evaluations[first][part].by_customer, evaluations[other][part].by_customer, 2000, 1)
            print(f"{first} over {other}, {part}: NDCG@5 {gain.value:+.4f} [{gain.low:+.4f}, {gain.high:+.4f}]")


if __name__ == "__main__":
    main()
