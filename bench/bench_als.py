"""ALS of the night (Spark) beside ``implicit`` at equal factors, iterations, penalty and confidence.

Both weigh a purchase ``1 + alpha x strength`` and everything else 1. Spark scales its penalty by the purchases of the
row, ``implicit`` does not, so that each gets the penalty of its own kind whose lists are best on the *earlier* window;
factors, iterations, alpha and strengths are equal. Quality: NDCG@10 on the 28 days after, with the paired
interval of the difference. CPU: the fit alone, sessions and data ready; ``implicit`` once with its conjugate gradient
and once with the exact solver, which is what Spark does.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from collections.abc import Callable

os.environ["OPENBLAS_NUM_THREADS"] = "1"
import numpy as np
import pandas as pd
from complete_journey import Journey, day_of, journey
from implicit.cpu.als import AlternatingLeastSquares
from pyspark.sql import SparkSession
from scipy import sparse
from timing import cpu

from conf.load import load
from features.als import AlsConfig, factorize
from jobs.spark import session
from training.comparison import Task, compare, gain
from training.recommenders.history import History
from training.recommenders.recommender import Recommender
from training.splits import last_window

CHOSEN_ON, REPORTED = "2017-09-10", "2017-12-03"
PENALTIES = {"spark": (0.01, 0.1), "implicit": (1.0, 10.0)}


def strengths(past: History, cap: int) -> sparse.csr_matrix:
    """Return log(1 + baskets), the baskets capped, as the night's ALS takes them."""
    counts = past.counts()
    counts.data = np.log1p(np.minimum(counts.data, cap))
    return counts.tocsr()


def with_spark(spark: SparkSession, past: History, config: AlsConfig) -> tuple[Recommender, float]:
    """Fit the night's ALS and return it with the CPU seconds it took."""
    counts = past.counts().tocoo()
    pairs = pd.DataFrame(
        {
            "customer_id": np.char.zfill(counts.row.astype(str), 8),
            "product_type": np.char.zfill(counts.col.astype(str), 8),
            "baskets_total": counts.data.astype("int64"),
        }
    )
    frame = spark.createDataFrame(pairs).persist()
    frame.count()
    before = cpu()
    users, items = factorize(frame, config)
    found = [users.toPandas(), items.toPandas()]
    used = cpu() - before
    sides = []
    for (key, size), rows in zip((("customer_id", past.shape[0]), ("product_type", past.shape[1])), found, strict=True):
        side = np.zeros((size, config.rank), dtype="float32")
        side[rows[key].astype(int)] = np.stack(rows["factors"])
        sides.append(side)
    return Recommender("Spark ALS", sides[0], np.ascontiguousarray(sides[1].T)), used


def with_implicit(past: History, config: AlsConfig, penalty: float, exact: bool) -> tuple[Recommender, float]:
    """Fit ``implicit`` with the same confidences and return it with the CPU seconds it took."""
    model = AlternatingLeastSquares(
        factors=config.rank, regularization=penalty, alpha=1.0, iterations=config.iterations, use_cg=not exact,
        num_threads=2, random_state=config.seed, use_native=True,
    )  # fmt: skip
    confidence = strengths(past, config.cap) * config.alpha
    confidence.data += 1  # implicit's confidence of a stored cell is the cell itself
    before = cpu()
    model.fit(confidence, show_progress=False)
    used = cpu() - before
    items = np.ascontiguousarray(model.item_factors.T)
    return Recommender("implicit", model.user_factors, items), used


def window(data: Journey, day: str) -> tuple[History, Task]:
    """Return the history up to a day and the task of the 28 days after it."""
    past, truth = last_window(data.user, data.item, data.day, data.basket, day_of(day), 28, data.shape)
    return past, Task(truth, (past.counts() > 0).astype("float32").tocsr(), 10)


def main() -> None:
    """Print quality and CPU of both."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--factors", type=int, default=32)
    parser.add_argument("--iterations", type=int, default=8)
    parser.add_argument("--products", action="store_true", help="products rather than product types")
    arguments = parser.parse_args()
    data = journey(arguments.products)
    with tempfile.TemporaryDirectory() as home:
        spark = session(load().model_copy(update={"home": home}), "bench")

        def config(penalty: float) -> AlsConfig:
            return AlsConfig(rank=arguments.factors, iterations=arguments.iterations, regularization=penalty)

        fits: dict[str, Callable[[History, float], tuple[Recommender, float]]] = {
            "spark": lambda past, penalty: with_spark(spark, past, config(penalty)),
            "implicit": lambda past, penalty: with_implicit(past, config(0.0), penalty, exact=True),
        }
        past, task = window(data, CHOSEN_ON)
        best = {}
        for name, fit in fits.items():
            values = {p: float(compare({"m": fit(past, p)[0]}, task, ("all",))["m/all"]["ndcg"].mean())
                      for p in PENALTIES[name]}  # fmt: skip
            best[name] = max(values, key=values.__getitem__)
            print(f"  {name}: NDCG@10 on {CHOSEN_ON} by penalty {values}; {best[name]} is taken", flush=True)
        past, task = window(data, REPORTED)
        made = {name: fit(past, best[name]) for name, fit in fits.items()}
        made["implicit, conjugate gradient"] = with_implicit(past, config(0.0), best["implicit"], exact=False)
        judged = compare({name: model for name, (model, _) in made.items()}, task, ("all",))
        print(f"\n{REPORTED}: {data.shape[0]:,} x {data.shape[1]:,}, {past.counts().nnz:,} pairs, "
              f"{arguments.factors} factors, {arguments.iterations} iterations")  # fmt: skip
        for name, (_, used) in made.items():
            ndcg = judged[f"{name}/all"]["ndcg"].mean()
            print(
                f"  {name:<30} NDCG@10 {ndcg:.4f}  cpu {used:6.1f} s  {made['spark'][1] / used:5.2f} x less than Spark"
            )
        over = gain(judged, "spark", "implicit", "all", "ndcg")
        print(f"  Spark over implicit: NDCG {over.value:+.4f} [{over.low:+.4f}, {over.high:+.4f}]")
        spark.stop()


if __name__ == "__main__":
    main()
