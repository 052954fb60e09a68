"""ALS of the night (Spark's) against ``implicit``, at equal factors, iterations and confidence.

Both weigh a purchase ``1 + alpha x strength`` and everything else 1. Spark scales its penalty by the purchases of the
row, ``implicit`` does not; each gets the penalty that is best on the *earlier* window. Quality: NDCG@10 on the 28 days
after, with the paired interval of the difference. CPU: the fit alone, sessions and data ready and the code compiled,
the JVM counted; ``implicit`` once with its exact solver, as Spark has it, and once with its conjugate gradient.

``--large``: 100,000 customers x 20,000 items, 1.6 M purchases drawn at random, 64 factors: CPU alone.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from collections.abc import Callable
from dataclasses import replace

os.environ["OPENBLAS_NUM_THREADS"] = "1"
import numpy as np
import pyarrow as pa
from implicit.cpu.als import AlternatingLeastSquares
from pyspark.sql import SparkSession
from scipy import sparse

from bench.inputs.complete_journey import Journey, day_of, journey
from bench.measures.comparison import RankingTask, compare, gain
from bench.measures.splits import last_window
from bench.measures.timing import Meter
from bench.peers.history import History
from bench.peers.recommender import Recommender
from conf.settings.load import load
from features.items.als import AlsConfig, factorize
from jobs.spark import session

CHOSEN_ON, REPORTED = "2017-09-10", "2017-12-03"
PENALTIES = {"scaled": (0.03, 0.1, 0.3), "fixed": (3.0, 10.0, 30.0, 100.0)}
NIGHT, EXACT, GRADIENT = "nbo", "implicit, exact", "implicit, conjugate gradient"
Fit = Callable[[sparse.csr_matrix, AlsConfig], tuple[Recommender, float]]


def with_night(spark: SparkSession) -> Fit:
    """Return the fit of the night's ALS, with the CPU seconds it takes."""

    def fit(counts: sparse.csr_matrix, config: AlsConfig) -> tuple[Recommender, float]:
        cells = counts.tocoo()
        pairs = {
            "customer_id": np.char.zfill(cells.row.astype(str), 8),
            "product_type": np.char.zfill(cells.col.astype(str), 8),
            "baskets_total": cells.data.astype("int64"),
        }
        frame = spark.createDataFrame(pa.table({name: pa.array(values) for name, values in pairs.items()})).persist()
        frame.count()
        with Meter() as meter:
            users, items = factorize(frame, config)
            factors = [users.toPandas(), items.toPandas()]
        frame.unpersist()
        keys = zip(("customer_id", "product_type"), factors, counts.shape, strict=True)
        return _recommender(*[_side(rows[key], rows["factors"], size) for key, rows, size in keys]), meter.seconds

    return fit


def with_implicit(exact: bool) -> Fit:
    """Return the fit of ``implicit``."""

    def fit(counts: sparse.csr_matrix, config: AlsConfig) -> tuple[Recommender, float]:
        model = AlternatingLeastSquares(
            factors=config.rank, regularization=config.regularization, alpha=1.0, iterations=config.iterations,
            use_cg=not exact, num_threads=2, random_state=config.seed, use_native=True,
        )  # fmt: skip
        confidence = strengths(counts, config.cap) * config.alpha
        confidence.data += 1  # implicit's confidence of a stored cell is the cell itself
        with Meter() as meter:
            model.fit(confidence, show_progress=False)
        return _recommender(model.user_factors, model.item_factors), meter.seconds

    return fit


def strengths(counts: sparse.csr_matrix, cap: int) -> sparse.csr_matrix:
    """Return log(1 + baskets), the baskets capped, as the night's ALS takes them."""
    cells = counts.tocsr().astype("float32")
    cells.data = np.log1p(np.minimum(cells.data, cap))
    return cells


def _side(keys: np.ndarray, factors: np.ndarray, size: int) -> np.ndarray:
    values = np.stack(factors)
    side = np.zeros((size, values.shape[1]), dtype="float32")
    side[keys.astype(int)] = values
    return side


def _recommender(users: np.ndarray, items: np.ndarray) -> Recommender:
    return Recommender("ALS", users, np.ascontiguousarray(items.T))


def window(data: Journey, day: str) -> tuple[History, RankingTask]:
    """Return the history up to a day and the task of the 28 days after it."""
    past, truth = last_window(data.user, data.item, data.day, data.basket, day_of(day), 28, data.shape)
    return past, RankingTask(truth, (past.counts() > 0).astype("float32").tocsr(), 10)


def quality(spark: SparkSession, config: AlsConfig) -> None:
    """Print NDCG@10 and CPU of all on The Complete Journey."""
    data = journey(False)
    past, task = window(data, CHOSEN_ON)
    kinds = {"scaled": with_night(spark), "fixed": with_implicit(exact=True)}
    chosen = {}
    for name, fit in kinds.items():
        tried = {value: replace(config, regularization=value) for value in PENALTIES[name]}
        judged = compare({str(v): fit(past.counts(), config)[0] for v, config in tried.items()}, task, ("all",))
        values = {value: float(judged[f"{value}/all"]["ndcg"].mean()) for value in tried}
        chosen[name] = tried[max(values, key=values.__getitem__)]
        print(
            f"  {name} penalty: NDCG@10 on {CHOSEN_ON} {values}; {chosen[name].regularization:g} is taken", flush=True
        )
    past, task = window(data, REPORTED)
    fits = {
        NIGHT: (with_night(spark), "scaled"),
        EXACT: (with_implicit(exact=True), "fixed"),
        GRADIENT: (with_implicit(exact=False), "fixed"),
    }
    made = {name: fit(past.counts(), chosen[kind]) for name, (fit, kind) in fits.items()}
    judged = compare({name: model for name, (model, _) in made.items()}, task, ("all",))
    print(f"\n{REPORTED}: {data.shape[0]:,} x {data.shape[1]:,}, {past.counts().nnz:,} pairs, "
          f"{config.rank} factors, {config.iterations} iterations")  # fmt: skip
    for name, (_, used) in made.items():
        ndcg, ratio = judged[f"{name}/all"]["ndcg"].mean(), made[NIGHT][1] / used
        print(f"  {name:<30} NDCG@10 {ndcg:.4f}  cpu {used:6.1f} s  nbo takes {ratio:5.2f} of it")
    over = gain(judged, NIGHT, EXACT, "all", "ndcg")
    print(f"  {NIGHT} over {EXACT}: NDCG {over.value:+.4f} [{over.low:+.4f}, {over.high:+.4f}]")


def large(spark: SparkSession, config: AlsConfig) -> None:
    """Print the CPU of all on purchases drawn at random, popular items more often."""
    shape, draws = (100_000, 20_000), 2_000_000
    generator = np.random.default_rng(7)
    chance = 1 / np.arange(20, shape[1] + 20) ** 0.7
    item = generator.choice(shape[1], draws, p=chance / chance.sum())
    cells = (np.ones(draws, dtype="float32"), (generator.integers(0, shape[0], draws), item))
    counts = sparse.csr_matrix(cells, shape=shape)
    counts.sum_duplicates()
    print(f"\n{shape[0]:,} x {shape[1]:,}, {counts.nnz:,} pairs, {config.rank} factors, {config.iterations} iterations")
    fits = {NIGHT: with_night(spark), EXACT: with_implicit(exact=True)}
    used = {}
    for fit in fits.values():
        fit(counts[:5000], replace(config, iterations=2))  # compiles
    for name, fit in fits.items():
        used[name] = fit(counts, config)[1]
        print(f"  {name:<30} cpu {used[name]:6.1f} s, {used[name] / config.iterations:.1f} an iteration; "
              f"nbo takes {used[NIGHT] / used[name]:.2f} of it", flush=True)  # fmt: skip


def main() -> None:
    """Print quality and CPU of all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--large", action="store_true")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as home:
        spark = session(load().model_copy(update={"home": home}), "bench")
        if arguments.large:
            large(spark, AlsConfig(rank=64, iterations=5))
        else:
            quality(spark, AlsConfig())
        spark.stop()


if __name__ == "__main__":
    main()
