"""Neighbours of all items: 100,000, a million and ten million items, against what is usually done.

Baskets are made up: their items are Zipf-distributed within shelves of 50 related items, some 10 events an item, with
a few baskets of a thousand. The kernel alone against implicit's BM25 recommender (all items x all items on one
machine), and the kernel through Spark against Spark SQL's self-join with a window. What does not end in the time or the
memory given is stopped.
"""

from __future__ import annotations

import argparse
import os
import resource
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from bench.measures.timing import Meter, Peak
from features.items.nearest import Cells, NearestConfig, from_events, nearest_items, without_long

CONFIG = NearestConfig(weighting="bm25", top=20, least=2, most_items=60, most_baskets=2_000)
PER_ITEM, SHELF = 10, 50


def baskets(items: int, seed: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Return basket names and items of ``PER_ITEM * items`` events; one basket in 5,000 holds a thousand items."""
    rng = np.random.default_rng(seed)
    events = PER_ITEM * items
    size = np.maximum(rng.geometric(1 / 9, events // 9), 1)
    size[rng.random(len(size)) < 1 / 5000] = 1000
    size = size[: np.searchsorted(np.cumsum(size), events)]
    names = rng.permutation(len(size)).astype(np.int64)
    total = int(size.sum())
    shelf = np.repeat(_zipf(rng, len(size), max(items // SHELF, 1)), size)
    anywhere = rng.random(total) < 0.3
    item = np.where(anywhere, _zipf(rng, total, items), shelf * SHELF + _zipf(rng, total, SHELF))
    # popular items are not the first of their shelf's numbers
    return np.repeat(names, size), ((item * 2_654_435_761) % items).astype(np.int32)


def _zipf(rng: np.random.Generator, n: int, values: int) -> np.ndarray:
    """Draw from 0..values-1 with a density that falls as 1 / rank."""
    return np.minimum((values + 1) ** rng.random(n) - 1, values - 1).astype(np.int64)


def measured(title: str, work: Callable[[], object]) -> float:
    """Print wall, CPU and peak memory of a call; return its CPU seconds."""
    wall = time.perf_counter()
    with Peak() as peak, Meter() as meter:
        result = work()
    wall = time.perf_counter() - wall
    figures = f"wall {wall:8.1f} s  cpu {meter.seconds:8.1f} s  peak {peak.gigabytes:5.1f} GB"
    print(f"  {title:<46} {figures}  {result}", flush=True)
    return meter.seconds


def kernel(basket: np.ndarray, item: np.ndarray, items: int) -> str:
    """Run all items in one process; blocks are forgotten at once, as Spark's tasks hand theirs on."""
    _, cells = from_events(basket, item)
    pairs = float((np.diff(cells.starts).astype(float) ** 2).sum())
    cells = without_long(cells, CONFIG.most_items)[1]
    kept = sum(int((block.index >= 0).sum()) for _, _, block in nearest_items(cells, items, CONFIG))
    followed = float((np.diff(cells.starts).astype(float) ** 2).sum())
    return f"{kept:,} neighbours; {followed / 1e6:,.0f} M pairs of {pairs / 1e6:,.0f} M in baskets"


def through_spark(file: Path, session: object) -> str:
    """Read the events, find the neighbours with two tasks and write them."""
    from features.items.item_item import neighbours

    spark = session
    events = spark.read.parquet(str(file)).repartition(4, "basket")  # type: ignore[attr-defined]
    out = file.with_suffix(".out")
    neighbours(events, CONFIG).select("item", "other", "rank", "score").write.mode("overwrite").parquet(str(out))
    return f"{spark.read.parquet(str(out)).count():,} neighbours"  # type: ignore[attr-defined]


def self_join(file: Path, session: object) -> str:
    """Do what is usually written: join baskets with themselves, count, rank in a window (cosine, same bounds)."""
    from pyspark.sql import Window, functions as F

    spark = session
    rows = spark.read.parquet(str(file)).distinct()  # type: ignore[attr-defined]
    sizes = rows.groupBy("basket").count().where(F.col("count") <= CONFIG.most_items)
    rows = rows.join(sizes.select("basket"), "basket")
    single = rows.groupBy("item").agg(F.count("*").alias("n"))
    other = rows.select("basket", F.col("item").alias("other"))
    pairs = rows.join(other, "basket").where("item <> other").groupBy("item", "other").agg(F.count("*").alias("k"))
    pairs = pairs.where(F.col("k") >= CONFIG.least).join(single, "item")
    pairs = pairs.join(single.select(F.col("item").alias("other"), F.col("n").alias("m")), "other")
    best = Window.partitionBy("item").orderBy(F.desc(F.col("k") / F.sqrt(F.col("n") * F.col("m"))), "other")
    ranked = pairs.withColumn("rank", F.row_number().over(best)).where(F.col("rank") <= CONFIG.top)
    out = file.with_suffix(".join")
    ranked.write.mode("overwrite").parquet(str(out))
    return f"{spark.read.parquet(str(out)).count():,} neighbours"  # type: ignore[attr-defined]


def implicit_bm25(basket: np.ndarray, item: np.ndarray, items: int) -> str:
    """Fit implicit's BM25 recommender on the same short baskets, one thread."""
    from implicit.nearest_neighbours import BM25Recommender
    from scipy import sparse

    cells: Cells = without_long(from_events(basket, item)[1], CONFIG.most_items)[1]
    held = sparse.csr_matrix((np.ones(len(cells.index)), cells.index, cells.starts), shape=(len(cells), items))
    model = BM25Recommender(K=CONFIG.top + 1, K1=100, B=0.8, num_threads=1)
    model.fit(held, show_progress=False)
    return f"{model.similarity.nnz:,} neighbours, the items themselves included"


#: name -> what it is; each runs in a process of its own
METHODS = {
    "kernel": "kernel, one process, one core",
    "implicit": "implicit BM25Recommender, one thread",
    "spark": "through Spark, two tasks",
    "join": "Spark SQL self-join and window",
}
PEER_OF = {"implicit": "kernel", "join": "spark"}
#: bytes that a method in one process may ask for
MEMORY = 14_000_000_000
#: the least that CPU seconds are counted in
TICK = 0.01


def one_method(name: str, items: int, folder: Path) -> None:
    """Measure one method on the events that lie in ``folder``, and leave its CPU seconds there."""
    file = folder / "events"
    if name in ("kernel", "implicit"):
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
        held = pq.read_table(file)
        basket, item = held["basket"].to_numpy(), held["item"].to_numpy()
        del held
        kernel(*baskets(1000), 1000)  # compiles
        method = kernel if name == "kernel" else implicit_bm25
        try:
            used = measured(METHODS[name], lambda: method(basket, item, items))
        except MemoryError:
            print(f"  {METHODS[name]:<46} out of memory: more than {MEMORY / 1e9:.0f} GB", flush=True)
            return
    else:
        from conf.settings.load import load
        from jobs.spark import session

        spark = session(load().model_copy(update={"home": str(folder)}), "bench")
        method = through_spark if name == "spark" else self_join
        used = measured(METHODS[name], lambda: method(file, spark))
        spark.stop()
    _kept(folder, name).write_text(str(used))


def one_size(items: int, methods: list[str], limit: float) -> None:
    """Make the events of one size and run the methods on them, none for longer than ``limit`` seconds."""
    with tempfile.TemporaryDirectory() as home:
        folder = Path(home)
        file = folder / "events"
        file.mkdir()
        basket, item = baskets(items)
        print(f"\n{items:,} items, {len(item):,} events, {len(np.unique(basket)):,} baskets", flush=True)
        step = -(-len(item) // 8)
        for number, start in enumerate(range(0, len(item), step)):
            part = pa.table({"basket": basket[start : start + step], "item": item[start : start + step]})
            pq.write_table(part, file / f"{number}.parquet")
        del basket, item, part
        for name in methods:
            command = [sys.executable, __file__, "--one", name, "--items", str(items), "--folder", home]
            child = subprocess.Popen(command, start_new_session=True)
            try:
                if child.wait(limit):
                    print(f"  {METHODS[name]:<46} ended with code {child.returncode}", flush=True)
            except subprocess.TimeoutExpired:
                os.killpg(child.pid, signal.SIGKILL)  # Spark's JVM too
                child.wait()
                print(f"  {METHODS[name]:<46} stopped after {limit:.0f} s, its start included", flush=True)
            base = PEER_OF.get(name, "none")
            if _kept(folder, name).exists() and _kept(folder, base).exists():
                ratio = float(_kept(folder, name).read_text()) / max(float(_kept(folder, base).read_text()), TICK)
                print(f"  cpu of {name} / {base} {ratio:.2f}", flush=True)


def _kept(folder: Path, method: str) -> Path:
    """Return the file with a method's CPU seconds; Spark has a folder of its own next to it."""
    return folder / f"{method}.cpu"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--full", action="store_true", help="ten million items as well: some 10 GB")
    parser.add_argument("--items", type=int, help="one size only")
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=list(METHODS))
    parser.add_argument("--limit", type=float, default=300, help="seconds that a method may take")
    parser.add_argument("--one", choices=METHODS, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.one:
        one_method(given.one, given.items, given.folder)
        return
    for items in [given.items] if given.items else (100_000, 1_000_000, *((10_000_000,) if given.full else ())):
        one_size(items, given.methods, given.limit)


if __name__ == "__main__":
    main()
