"""Candidates at scale: customers x products by latent factors, the best 100 of each, ranked down to 5 by a model.

Through Spark in Arrow batches (a tile of scores is made by BLAS and thrown away, a heap per customer stays), against
Spark's own ``recommendForAllUsers`` and, as the limit, a bare matrix product with the same partial sort on one core.
Rates are pairs of a customer and a product per second of wall time and of CPU; the peer runs on a sample of customers,
candidates without a ranker on 30,000 at the most.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

os.environ["OPENBLAS_NUM_THREADS"] = "1"  # a Spark worker a core; before NumPy is loaded
import numpy as np
import pandas as pd
import psutil
import pyarrow as pa
import pyarrow.parquet as pq
from pyspark.ml.recommendation import ALSModel
from pyspark.sql import DataFrame, SparkSession, functions as F

from bench.measures.timing import Meter
from bench.peers.best_products import best_products
from conf.settings.load import load
from jobs.spark import session
from scoring.predictions import Packed
from training.classifiers.trees import TreesConfig, trees
from training.models.artifacts import from_bytes

FACTORS, CANDIDATES, BEST = 64, 100, 5
PLAIN = 30_000
BLOCK = 1024
INPUTS = ("score", "lead", "place", "popularity", "length")


def ranker() -> Packed:
    """Return a small LightGBM ranker of retrieved candidates; what it learnt from does not matter for its speed."""
    generator = np.random.default_rng(1)
    frame = pd.DataFrame(generator.random((20_000, len(INPUTS))), columns=list(INPUTS))
    frame["bought"] = generator.random(20_000) < frame["score"] * frame["popularity"]
    config = TreesConfig(leaves=15, rounds=50, min_rows=100, threads=1)
    return Packed(trees("retrieval", frame, None, INPUTS, "bought", config).to_bytes())


def retrieve(
    items: np.ndarray, popularity: np.ndarray, packed: Packed | None
) -> Callable[..., Iterator[pa.RecordBatch]]:
    """Return what ``mapInArrow`` applies: the best products of each customer of a batch; memory grows with BLOCK.

    Without a ranker the candidates themselves come back.
    """

    def apply(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        model = from_bytes(packed.files) if packed else None
        for batch in batches:
            for start in range(0, batch.num_rows, BLOCK):
                part = batch.slice(start, BLOCK)
                users = part.column("features").flatten().to_numpy(zero_copy_only=False).reshape(-1, FACTORS)
                lists, values = best_products(users.astype("float32", copy=False), items, CANDIDATES)
                if model is None:
                    yield _rows(part.column("id"), lists)
                    continue
                status = {
                    "score": values.ravel(),
                    "lead": (values / values[:, :1]).ravel(),
                    "place": np.tile(np.arange(CANDIDATES), len(lists)),
                    "popularity": popularity[lists.ravel()],
                    "length": np.repeat(np.linalg.norm(users, axis=1), CANDIDATES),
                }
                chance = model.predict(pd.DataFrame(status, copy=False)).reshape(lists.shape)
                order = np.argsort(-chance, axis=1, kind="stable")[:, :BEST]
                yield _rows(part.column("id"), np.take_along_axis(lists, order, axis=1))

    return apply


def _rows(ids: pa.Array, lists: np.ndarray) -> pa.RecordBatch:
    offsets = pa.array(np.arange(len(lists) + 1, dtype="int32") * lists.shape[1])
    return pa.RecordBatch.from_pydict({"id": ids, "best": pa.ListArray.from_arrays(offsets, pa.array(lists.ravel()))})


def factors(folder: Path, name: str, rows: int) -> Path:
    """Write ``rows`` random factors to Parquet, eight files, and return the folder."""
    target = folder / name
    target.mkdir()
    generator = np.random.default_rng(len(name))
    for number, ids in enumerate(np.array_split(np.arange(rows, dtype="int32"), 8)):
        values = generator.standard_normal(len(ids) * FACTORS, dtype="float32")
        lists = pa.ListArray.from_arrays(pa.array(np.arange(len(ids) + 1, dtype="int32") * FACTORS), pa.array(values))
        pq.write_table(pa.table({"id": ids, "features": lists}), target / f"{number}.parquet")
    return target


def timed(title: str, pairs: float, customers: int, work: Callable[[], object]) -> float:
    """Run once, print the rates and return pairs per CPU second."""
    wall = time.perf_counter()
    with Meter() as meter:
        work()
    wall, used = time.perf_counter() - wall, meter.seconds
    print(f"  {title:<48} {customers:>9,} customers  wall {wall:7.1f} s  cpu {used:7.1f} s  "
          f"{customers / wall:9,.0f} customers/s  {pairs / wall / 1e6:6.0f} M pairs/s  "
          f"{pairs / used / 1e6:6.0f} M pairs per cpu s", flush=True)  # fmt: skip
    return pairs / used


def largest_worker() -> float:
    """Return the most memory (MB) that one Python process below this one has held."""
    every = [Path(f"/proc/{child.pid}/status").read_text() for child in psutil.Process().children(recursive=True)]
    workers = [dict(line.split(":", 1) for line in text.splitlines()) for text in every]
    return max(
        int(worker["VmHWM"].split()[0]) / 1024 for worker in workers if "python" in worker["Name"] and "VmHWM" in worker
    )


def spark_peer(spark: SparkSession, users: DataFrame, items: DataFrame) -> Callable[[], None]:
    """Return a call of ``recommendForAllUsers`` on factors that are there already."""
    jvm = spark._jvm
    made = jvm.org.apache.spark.ml.recommendation.ALSModel("als", FACTORS, users._jdf, items._jdf)
    model = ALSModel(made.setUserCol("user").setItemCol("item"))

    def work() -> None:
        model.recommendForAllUsers(CANDIDATES).write.format("noop").mode("overwrite").save()

    return work


def main() -> None:
    """Print the rates."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--customers", type=int, default=100_000)
    parser.add_argument("--items", type=int, default=200_000)
    parser.add_argument("--sample", type=int, default=8_000, help="customers of the peer and of the bare product")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as home:
        spark = session(load().model_copy(update={"home": home}), "bench")
        spark.conf.set("spark.sql.execution.arrow.maxRecordsPerBatch", "8192")
        users = spark.read.parquet(str(factors(Path(home), "users", arguments.customers)))
        listed = factors(Path(home), "items", arguments.items)
        table = pq.read_table(listed)
        flat = table["features"].combine_chunks().flatten().to_numpy(zero_copy_only=False)
        items = np.ascontiguousarray(flat.reshape(-1, FACTORS).T)
        popularity = np.random.default_rng(2).random(arguments.items)
        packed = ranker()

        def ours(frame: DataFrame, model: Packed | None) -> Callable[[], None]:
            best = frame.mapInArrow(retrieve(items, popularity, model), "id int, best array<long>")
            return lambda: best.write.format("noop").mode("overwrite").save()

        few = users.where(F.col("id") < arguments.sample).repartition(4).persist()
        few.count()
        ours(few.limit(64), packed)()  # starts the workers and compiles
        print(f"\nbest {CANDIDATES} of {arguments.items:,} products by {FACTORS} factors, then {BEST} by a ranker")
        pairs = float(arguments.sample) * arguments.items
        peer_work = spark_peer(spark, few, spark.read.parquet(str(listed)))
        peer = timed("recommendForAllUsers (no ranker)", pairs, arguments.sample, peer_work)
        sample = np.random.default_rng(3).standard_normal((min(2048, arguments.sample), FACTORS), dtype="float32")
        best_products(sample[:8], items, CANDIDATES)  # compiles
        bare = timed("bare product and partial sort, one core", float(len(sample)) * arguments.items, len(sample),
                     lambda: best_products(sample, items, CANDIDATES))  # fmt: skip
        some = min(PLAIN, arguments.customers)
        plain = timed("nbo through Spark, candidates", float(some) * arguments.items, some,
                      ours(users.where(F.col("id") < some), None))  # fmt: skip
        every = float(arguments.customers) * arguments.items
        both = timed("nbo through Spark, candidates and ranker", every, arguments.customers, ours(users, packed))
        for title, rate in (("candidates", plain), ("candidates and ranker", both)):
            print(f"  {title} per cpu second: {rate / peer:.1f} x recommendForAllUsers, {rate / bare:.2f} of the limit")
        print(f"  largest worker: {largest_worker():.0f} MB")
        spark.stop()


if __name__ == "__main__":
    main()
