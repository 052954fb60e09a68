"""Duplicates of a catalogue glued through Spark, against datasketch, rensa and Spark ML's MinHashLSH.

The catalogues are real titles perturbed with known truth (catalogue_titles.py): thresholds were chosen on titles of
two electronics shops (``--corpus choose``), the table reports titles of a price comparison and a grocer.
"""

from __future__ import annotations

import argparse
import os
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.dataset as pads
import pyarrow.parquet as pq
from pyspark.sql import SparkSession

from bench.inputs.catalogue_titles import Perturbation, catalogue, quality, real_titles
from bench.inputs.data_folder import DATA
from bench.measures.timing import Meter, Peak
from conf.settings.load import load
from conf.settings.schema import Spark
from features.catalogue.build import product_clusters
from features.catalogue.config import CatalogueConfig
from features.matching.neighbours import normal

SIZES, FULL = (100_000, 1_000_000), (100_000, 1_000_000, 5_000_000, 10_000_000, 20_000_000)
WARM_UP = 20_000
#: titles up to which each peer ends in minutes
SKETCHES_UP_TO, SPARK_ML_UP_TO = 100_000, 10_000
PERMUTATIONS, THRESHOLD = 128, 0.5


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--full", action="store_true", help="up to 20 million titles")
    parser.add_argument("--sizes", type=int, nargs="*", help="numbers of titles, instead of the default's")
    parser.add_argument("--corpus", choices=("report", "choose"), default="report")
    parser.add_argument("--threshold", type=float, default=CatalogueConfig().threshold)
    parser.add_argument("--titles", type=Path, metavar="DIR", help="keep the titles here (default: made every time)")
    parser.add_argument("--driver-memory", default="3g", metavar="SIZE", help="of the JVM")
    given = parser.parse_args()
    from jobs.spark import session

    with tempfile.TemporaryDirectory() as home:
        memory = Spark(master="local[*]", driver_memory=given.driver_memory, shuffle_partitions=os.cpu_count() or 2)
        spark = session(load().model_copy(update={"home": home, "spark": memory}), "bench")
        titles, config = real_titles(DATA, given.corpus), CatalogueConfig(threshold=given.threshold)
        folder = given.titles or Path(home)
        glue(spark, written(folder, titles, WARM_UP, given.corpus), f"{home}/warm", config)  # compiles and starts
        print(
            f"{'titles':>12} {'engine':<22} {'wall s':>8} {'cpu s':>8} {'peak GB':>8} {'P':>6} {'R':>6} {'largest':>8}"
        )
        for size in given.sizes or (FULL if given.full else SIZES):
            scale(spark, written(folder, titles, size, given.corpus), f"{home}/{size}", config)
        spark.stop()


def written(folder: Path, titles: list[str], size: int, corpus: str) -> Path:
    """Return a file with a catalogue and its truth; made when it is not there."""
    path = folder / f"{corpus}_{size}.parquet"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        writer = None
        for table in catalogue(titles, size, Perturbation(seed=2 if corpus == "report" else 5)):
            writer = writer or pq.ParquetWriter(path, table.schema)
            writer.write_table(table)
        if writer is not None:
            writer.close()
    return path


def glue(spark: SparkSession, path: Path, out: str, config: CatalogueConfig) -> None:
    """Read a catalogue, cluster it and write the clusters."""
    titles = spark.read.parquet(str(path)).selectExpr("cast(product_id as string) product_id", "title")
    product_clusters(titles, config)[0].write.mode("overwrite").parquet(out)
    spark.catalog.clearCache()


def scale(spark: SparkSession, path: Path, out: str, config: CatalogueConfig) -> None:
    """Measure ours and the peers that reach this size."""
    truth = pq.read_table(path, columns=["group"])["group"].to_numpy()

    def clusters() -> np.ndarray:
        cluster = np.empty(len(truth), np.int64)
        for batch in pads.dataset(out, format="parquet").to_batches(columns=["product_id", "cluster"]):
            cluster[batch["product_id"].cast("int64").to_numpy()] = batch["cluster"].to_numpy()
        shutil.rmtree(out)
        return cluster

    report("nbo, through Spark", lambda: glue(spark, path, out, config), truth, clusters)
    given = pq.read_table(path, columns=["title"])["title"].to_pylist() if len(truth) <= SKETCHES_UP_TO else []
    if given:
        report("datasketch", lambda: datasketch(given), truth)
        report("rensa", lambda: rensa(given), truth)
        few = min(len(given), SPARK_ML_UP_TO)
        report(f"Spark ML at {few:,}", lambda: spark_ml(spark, given[:few]), truth[:few])


def report(name: str, work: Callable[[], Any], truth: np.ndarray, read: Callable[[], np.ndarray] | None = None) -> None:
    """Run ``work`` and print its line; ``read`` gets the clusters that it left somewhere, out of the time."""
    wall = time.perf_counter()
    with Peak() as peak, Meter() as meter:
        clusters = work()
    wall = time.perf_counter() - wall
    precision, recall, largest = quality(truth, read() if read else clusters)
    print(
        f"{len(truth):>12,} {name:<22} {wall:>8.1f} {meter.seconds:>8.1f} {peak.gigabytes:>8.2f} {precision:>6.3f} "
        f"{recall:>6.3f} {largest:>8,}",
        flush=True,
    )


def grams(title: str) -> list[bytes]:
    """Return the character 3-grams that the peers get."""
    text = normal(title)
    return list({text[at : at + 3].encode() for at in range(max(1, len(text) - 2))})


def joined(size: int, pairs: list[tuple[int, int]]) -> np.ndarray:
    """Return connected components of ``pairs``."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    left, right = np.array(pairs, int).reshape(-1, 2).T
    return connected_components(coo_array((np.ones(len(left)), (left, right)), shape=(size, size)))[1]


def datasketch(titles: list[str]) -> np.ndarray:
    """Glue with datasketch: MinHash, LSH, connected components of candidates above the threshold."""
    from datasketch import MinHash, MinHashLSH

    index, hashes = MinHashLSH(threshold=THRESHOLD, num_perm=PERMUTATIONS), []
    pairs = []
    for row, title in enumerate(titles):
        sketch = MinHash(num_perm=PERMUTATIONS)
        sketch.update_batch(grams(title))
        pairs += [(other, row) for other in index.query(sketch) if sketch.jaccard(hashes[other]) >= 0.7]
        index.insert(row, sketch)
        hashes.append(sketch)
    return joined(len(titles), pairs)


def rensa(titles: list[str]) -> np.ndarray:
    """Glue with rensa: the same in Rust."""
    from rensa import RMinHash, RMinHashLSH

    index, hashes = RMinHashLSH(threshold=THRESHOLD, num_perm=PERMUTATIONS, num_bands=32), []
    pairs = []
    for row, title in enumerate(titles):
        sketch = RMinHash(num_perm=PERMUTATIONS, seed=1)
        sketch.update([gram.decode() for gram in grams(title)])
        pairs += [(other, row) for other in index.query(sketch) if sketch.jaccard(hashes[other]) >= 0.7]
        index.insert(row, sketch)
        hashes.append(sketch)
    return joined(len(titles), pairs)


def spark_ml(spark: SparkSession, titles: list[str]) -> np.ndarray:
    """Glue with Spark ML's similarity join."""
    from pyspark.ml.feature import HashingTF, MinHashLSH
    from pyspark.sql import functions as F

    rows = [(row, [gram.decode() for gram in grams(title)]) for row, title in enumerate(titles)]
    frame = HashingTF(inputCol="grams", outputCol="features", numFeatures=1 << 18, binary=True).transform(
        spark.createDataFrame(rows, "id long, grams array<string>")
    )
    model = MinHashLSH(inputCol="features", outputCol="hashes", numHashTables=5, seed=1).fit(frame)
    near = model.approxSimilarityJoin(frame, frame, 0.3).where(F.col("datasetA.id") < F.col("datasetB.id"))
    pairs = near.select(F.col("datasetA.id"), F.col("datasetB.id")).collect()
    return joined(len(titles), [(row[0], row[1]) for row in pairs])


if __name__ == "__main__":
    main()
