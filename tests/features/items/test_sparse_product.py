from __future__ import annotations

import numpy as np
import pytest

from features.items.sparse_product import best_columns


def cells(spark, rows, names):
    return spark.createDataFrame(rows, f"{names[0]} string, {names[1]} string, weight double")


def product(spark, left, right, top, **options):
    result = best_columns(
        cells(spark, left, ("row", "inner")), cells(spark, right, ("inner", "column")), top, **options
    )
    return {(row["row"], row["rank"]): (row["column"], row["score"]) for row in result.collect()}


def test_example(spark):
    left = [("ann", "milk", 2.0), ("ann", "nails", 1.0), ("bob", "nails", 1.0), ("bob", "unknown", 9.0)]
    right = [("milk", "dairy", 1.0), ("milk", "white", 0.5), ("nails", "steel", 1.5), ("nails", "white", 0.25)]
    assert product(spark, left, right, top=2) == {
        ("ann", 1): ("dairy", 2.0),
        ("ann", 2): ("steel", 1.5),
        ("bob", 1): ("steel", 1.5),
        ("bob", 2): ("white", 0.25),
    }
    # white is met by two of ann's products, everything else by one
    assert product(spark, left, right, top=2, least=2) == {("ann", 1): ("white", 1.25)}


def test_against_dense_matrices_whatever_the_order_and_the_tasks(spark):
    rng = np.random.default_rng(2)
    a, b = rng.random((9, 14)) * (rng.random((9, 14)) < 0.4), rng.random((14, 11)) * (rng.random((14, 11)) < 0.5)
    left = [(f"r{i}", f"n{j:02d}", float(a[i, j])) for i, j in zip(*np.nonzero(a), strict=True)]
    right = [(f"n{i:02d}", f"c{j:02d}", float(b[i, j])) for i, j in zip(*np.nonzero(b), strict=True)]
    result = product(spark, left, right, top=3, tasks=1)
    for i in range(9):
        dense = (a @ b)[i]
        wanted = sorted(np.flatnonzero(dense), key=lambda j: -dense[j])[:3]
        assert [result[f"r{i}", rank][0] for rank in (1, 2, 3)] == [f"c{j:02d}" for j in wanted]
        assert result[f"r{i}", 1][1] == pytest.approx(dense.max(), rel=1e-6)
    assert product(spark, left[::-1], right[::-1], top=3, tasks=3) == result


def test_equal_scores_go_by_name_and_nothing_gives_nothing(spark):
    right = [("x", "b", 1.0), ("x", "a", 1.0), ("x", "c", 1.0)]
    assert product(spark, [("r", "x", 1.0)], right, top=2) == {("r", 1): ("a", 1.0), ("r", 2): ("b", 1.0)}
    assert product(spark, [], right, top=2) == {}
    assert product(spark, [("r", "x", 1.0)], [], top=2) == {}
