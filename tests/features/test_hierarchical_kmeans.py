from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyspark.sql import types as T
from sklearn.cluster import KMeans

from features.hierarchical_kmeans import (
    Averages,
    TreeConfig,
    averages,
    centres,
    cut,
    merges,
    nearest,
    refined,
    totals_of,
)
from features.points import points, points_in_files

CLOUDS = np.array([[0, 0], [10, 0], [0, 10], [11, 11]], dtype="float32")


def sample(size: int = 4000, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return (CLOUDS[rng.integers(0, 4, size)] + rng.normal(0, 1, (size, 2))).astype("float32")


def test_nearest_equals_brute_force_and_takes_the_first_of_equals():
    x, found = sample(5000), np.vstack([CLOUDS, CLOUDS[:1]])
    label, squares = nearest(x, found)
    gaps = ((x[:, None] - found) ** 2).sum(axis=2)
    np.testing.assert_array_equal(label, gaps.argmin(axis=1))
    np.testing.assert_allclose(squares, gaps.min(axis=1), atol=1e-3)
    assert label.max() < 4


def test_totals_add_up():
    x = sample()
    sums, weights = totals_of(x)(CLOUDS)
    assert weights.sum() == len(x)
    np.testing.assert_allclose(sums.sum(axis=0), x.sum(axis=0, dtype="float64"), rtol=1e-5)


def test_merges_follow_ward_with_weights():
    micro = Averages(np.array([[0.0], [1.0], [5.0], [5.5]], dtype="float32"), np.array([10.0, 10.0, 1.0, 1.0]))
    steps = merges(micro)
    assert steps.tolist()[0] == [2, 3]  # 0.125 against 5.0
    assert cut(steps, 2).tolist() == [0, 0, 1, 1]
    assert cut(steps, 4).tolist() == [0, 1, 2, 3]
    assert len(set(cut(steps, 1))) == 1


def test_clouds_are_found_at_the_inertia_of_plain_kmeans():
    x, config = sample(20_000), TreeConfig(micro=64)
    micro = averages(x[:2000], totals_of(x), config)
    assert micro.weights.sum() == len(x)
    found = refined(centres(micro, merges(micro), 4, config), totals_of(x), config)
    plain = KMeans(4, n_init=3, random_state=0).fit(x)
    assert nearest(x, found)[1].sum(dtype="float64") <= 1.001 * plain.inertia_


def test_few_different_points_give_few_averages():
    x = np.repeat(CLOUDS[:2], 50, axis=0)
    micro = averages(x, totals_of(x), TreeConfig())
    assert micro.weights.tolist() == [50, 50]
    alike = np.zeros((5, 2), dtype="float32")
    assert averages(alike, totals_of(alike), TreeConfig()).weights.tolist() == [5]


@pytest.mark.parametrize("partitions", [1, 3])
def test_a_pass_through_spark_equals_one_in_memory(spark, partitions):
    x = sample(600)
    rows = [(f"{n:04d}", float(a), None if n == 7 else float(b)) for n, (a, b) in enumerate(x)]
    x[7, 1] = 0
    frame = spark.createDataFrame(rows, "customer_id string, a double, b double").repartition(partitions)
    held = points(frame, "customer_id", ["a", "b"])
    sums, weights = held.totals()(CLOUDS)
    np.testing.assert_allclose(sums, totals_of(x)(CLOUDS)[0], rtol=1e-5)
    np.testing.assert_array_equal(weights, totals_of(x)(CLOUDS)[1])
    taken = held.sample(50)
    assert taken.shape == (50, 2)
    np.testing.assert_array_equal(taken, held.sample(600)[:50])
    held.release()


def test_files_that_workers_read_equal_points_in_memory(spark, tmp_path):
    x = sample(600)
    x[7, 1] = 0
    b = pa.array([None if n == 7 else float(value) for n, value in enumerate(x[:, 1])], pa.float32())
    keys = pa.array([f"{n:04d}" for n in range(600)])
    table = pa.table({"customer_id": keys, "more": keys, "b": b, "a": x[:, 0]})
    for part, size in enumerate((100, 350, 150)):
        pq.write_table(table.slice((0, 100, 450)[part], size), tmp_path / f"{part}.parquet", row_group_size=70)
    files = [path.as_uri() for path in sorted(tmp_path.iterdir())]
    held = points_in_files(spark, files, "customer_id", ["a", "b"], 2)
    sums, weights = held.totals()(CLOUDS)
    np.testing.assert_allclose(sums, totals_of(x)(CLOUDS)[0], rtol=1e-5)
    np.testing.assert_array_equal(weights, totals_of(x)(CLOUDS)[1])
    np.testing.assert_array_equal(held.sample(50), held.sample(600)[:50])
    doubled = points_in_files(
        spark, files[::-1], "customer_id", ["a"], 1, lambda rows: rows.column("a").to_numpy()[:, None] * 2
    )
    label = T.StructType([T.StructField("value", T.DoubleType())])
    rows = doubled.labelled(lambda m: {"value": m[:, 0].astype("float64")}, label).toArrow().sort_by("customer_id")
    assert rows["customer_id"].to_pylist() == keys.to_pylist()
    np.testing.assert_allclose(rows["value"].to_numpy(), x[:, 0] * 2)
