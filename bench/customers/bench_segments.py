"""Hierarchical k-means of customers against scikit-learn's and Spark's clusterings, at what inertia.

Points are customers in overlapping clouds. Spark's methods and ours read them from Parquet and write a cluster per
customer; scikit-learn gets a float32 matrix in memory and gives labels, and does the whole job, from file to file, in a
line of its own. Inertia is the sum of squared distances over that of scikit-learn's KMeans. Spark's own take minutes at
a million, so they run at a tenth of it.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from pyspark.ml.clustering import BisectingKMeans, KMeans as SparkKMeans
from pyspark.sql import DataFrame, SparkSession, functions as F
from sklearn.cluster import KMeans, MiniBatchKMeans

from bench.measures.timing import Meter
from conf.settings.load import load
from features.segments.hierarchical_kmeans import TreeConfig, averages, centres, merges, nearest, refined, totals_of
from jobs.lake.night import peak_mb
from jobs.spark import session

FEATURES, CLOUDS, CLUSTERS, PART, SAMPLE = 50, 40, 16, 250_000, 16_384
COLUMNS = [f"x{number:02d}" for number in range(FEATURES)]
Work = Callable[[], np.ndarray]


def write_points(folder: Path, customers: int) -> None:
    """Write ``customers`` points as Parquet files, the numbers plain: hardly two are equal."""
    rng = np.random.default_rng(7)
    clouds = rng.normal(0, 1, (CLOUDS, FEATURES))
    part = min(PART, customers)
    for start in range(0, customers, part):
        x = (clouds[rng.integers(0, CLOUDS, part)] + rng.normal(0, 1.2, (part, FEATURES))).astype("float32")
        keys = pa.array([f"{number:09d}" for number in range(start, start + part)])
        table = pa.table({"customer_id": keys, **{name: x[:, place] for place, name in enumerate(COLUMNS)}})
        pq.write_table(table, folder / f"{start:09d}.parquet", use_dictionary=False)  # as Spark writes such numbers


def ours(frame: DataFrame) -> np.ndarray:
    """Cluster in the driver's memory and label every customer in Spark's workers, as the night does."""
    config = TreeConfig()
    everybody = read_frame(frame)
    totals = totals_of(everybody)
    micro = averages(everybody[:SAMPLE], totals, config)
    chosen = refined(centres(micro, merges(micro), CLUSTERS, config), totals, config)

    def label(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            cluster = nearest(matrix_of(batch), chosen)[0]
            yield pa.record_batch([batch.column("customer_id"), pa.array(cluster)], names=["customer_id", "cluster"])

    _write(frame.mapInArrow(label, "customer_id string, cluster int"))
    return chosen


def read_frame(frame: DataFrame) -> np.ndarray:
    """Collect the points of a frame in the order of a hash of their keys, float32 (n, d)."""
    table = frame.select(F.xxhash64("customer_id").alias("place"), *COLUMNS).toArrow()
    return matrix_of(table)[np.argsort(table.column("place").to_numpy(), kind="stable")]


def matrix_of(rows: pa.Table | pa.RecordBatch) -> np.ndarray:
    """Return the points of Arrow rows, float32 (n, d)."""
    return np.stack([rows.column(name).to_numpy() for name in COLUMNS], axis=1).astype("float32")


def of_spark(frame: DataFrame, kind: type) -> np.ndarray:
    """Fit one of Spark's own on cached vectors, as its guide advises, and label every customer."""
    to_vector = F.array(*COLUMNS).cast("array<double>")
    from pyspark.ml.functions import array_to_vector

    vectors = frame.select("customer_id", array_to_vector(to_vector).alias("features")).persist()
    model = kind(k=CLUSTERS, seed=1).fit(vectors)
    _write(model.transform(vectors).select("customer_id", "prediction"))
    vectors.unpersist()
    return np.array(model.clusterCenters(), dtype="float32")


def of_sklearn(x: np.ndarray, model: KMeans | MiniBatchKMeans) -> np.ndarray:
    """Fit one of scikit-learn's, labels included."""
    return np.asarray(model.fit(x).cluster_centers_)


def read_points(files: Sequence[Path]) -> np.ndarray:
    """Return the matrix of the files, float32 (n, d)."""
    return np.concatenate([np.stack([table[c].to_numpy() for c in COLUMNS], 1) for table in map(pq.read_table, files)])


def of_sklearn_files(folder: Path) -> np.ndarray:
    """Read the same files as ours, fit scikit-learn's KMeans, and write a cluster per customer."""
    files = sorted(folder.glob("*.parquet"))
    model = KMeans(CLUSTERS, n_init=1, random_state=1).fit(read_points(files))
    keys = pa.chunked_array(
        [chunk for file in files for chunk in pq.read_table(file, columns=["customer_id"])[0].chunks]
    )
    pq.write_table(pa.table({"customer_id": keys, "cluster": model.labels_}), folder.parent / "clusters.parquet")
    return np.asarray(model.cluster_centers_)


def contenders(frame: DataFrame, folder: Path, x: np.ndarray, kind: str) -> dict[str, Work]:
    """Return what is compared, by name; the first is the measure of the others."""
    works: dict[str, Work] = {
        "scikit-learn KMeans (n_init 1)": lambda: of_sklearn(x, KMeans(CLUSTERS, n_init=1, random_state=1)),
        "scikit-learn KMeans, file to file": lambda: of_sklearn_files(folder),
        "nbo hierarchical k-means": lambda: ours(frame),
    }
    if kind == "minibatch":
        works["scikit-learn MiniBatchKMeans"] = lambda: of_sklearn(
            x, MiniBatchKMeans(CLUSTERS, n_init=3, random_state=1, batch_size=4096)
        )
    if kind == "spark":
        works["Spark KMeans"] = lambda: of_spark(frame, SparkKMeans)
        works["Spark BisectingKMeans"] = lambda: of_spark(frame, BisectingKMeans)
    return works


def measure(spark: SparkSession, folder: Path, customers: int, kind: str) -> float:
    """Print the table of one size; return our CPU seconds."""
    write_points(folder, customers)
    frame = spark.read.parquet(str(folder))
    x = read_points(sorted(folder.glob("*.parquet")))
    print(f"\n{customers:,} customers x {FEATURES}, {CLUSTERS} clusters")
    base: tuple[float, float] | None = None
    own = 0.0
    for name, work in contenders(frame, folder, x, kind).items():
        wall = time.perf_counter()
        with Meter() as meter:
            output = work()
        wall, used = time.perf_counter() - wall, meter.seconds
        inertia = float(nearest(x, output)[1].sum(dtype="float64"))
        base = base or (used, inertia)
        own = used if name.startswith("nbo") else own
        print(
            f"  {name:<34} wall {wall:7.1f} s   cpu {used:7.1f} s   cpu / scikit-learn {used / base[0]:6.2f}"
            f"   inertia / scikit-learn {inertia / base[1]:.4f}"
        )
    return own


def main() -> None:
    """Print a table per size, and how CPU grows."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--full", action="store_true", help="1, 2 and 4 million customers; else 1 million")
    parser.add_argument("--millions", type=float, nargs="*", help="these sizes, scikit-learn's KMeans and ours alone")
    parser.add_argument("--spark", type=float, default=0.1, help="millions at which Spark's own run; 0 leaves them out")
    options = parser.parse_args()
    home, spent = Path(tempfile.mkdtemp()), {}
    spark = session(load().model_copy(update={"home": str(home)}), "bench")
    spark.range(10).mapInArrow(lambda batches: batches, "id long").count()  # start the workers
    sizes = [(options.spark, "spark")] if options.spark else []
    sizes += [(1, "minibatch"), (2, ""), (4, "")] if options.full else [(1, "minibatch")]
    if options.millions:
        sizes = [(million, "") for million in options.millions]
    try:
        for million, kind in sizes:
            (folder := home / f"points{million}").mkdir()
            spent[million] = measure(spark, folder, int(million * 1_000_000), kind)
            print(f"  peak memory of the driver, the JVM and the workers so far: {peak_mb():,.0f} MB", flush=True)
            shutil.rmtree(folder)
        base = 1 if 1 in spent else min(spent)
        for million, used in spent.items():
            micros, linear = used / million, used / million / spent[base] * base
            print(f"nbo, {million} M: {micros:.1f} CPU s a million, {linear:.2f} of linear")
    finally:
        spark.stop()
        shutil.rmtree(home)


def _write(frame: DataFrame) -> None:
    frame.write.format("noop").mode("overwrite").save()


if __name__ == "__main__":
    sys.exit(main())
