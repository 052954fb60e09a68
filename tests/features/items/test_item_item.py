from __future__ import annotations

import numpy as np
import pytest

from features.items.item_item import neighbours, numbered
from features.items.nearest import NearestConfig, from_events, nearest_items

CONFIG = NearestConfig(weighting="llr", top=4, least=1, most_items=8)


@pytest.fixture(scope="module")
def events() -> list[tuple[int, int]]:
    rng = np.random.default_rng(5)
    return [(int(b), int(i)) for b, i in zip(rng.integers(-90, 90, 900), rng.zipf(1.5, 900) % 40, strict=True)]


def in_spark(spark, rows, tasks, parts, seed):
    order = np.random.default_rng(seed).permutation(len(rows))
    frame = spark.createDataFrame([rows[n] for n in order], "basket long, item int").repartition(parts, "basket")
    return sorted(tuple(row) for row in neighbours(frame, CONFIG, tasks).collect())


def test_spark_finds_what_one_process_finds_whatever_the_partitions(spark, events):
    result = in_spark(spark, events, 3, 4, 1)
    assert result == in_spark(spark, list(reversed(events)), 1, 2, 2)
    basket, item = (np.array(values) for values in zip(*events, strict=True))
    cells = from_events(basket, item)[1]
    short = np.diff(cells.starts) <= 8
    _, kept = from_events(
        np.repeat(np.arange(len(cells)), np.diff(cells.starts))[np.repeat(short, np.diff(cells.starts))],
        cells.index[np.repeat(short, np.diff(cells.starts))],
    )
    wanted = [
        (int(own[row]), int(near.index[row, place]), place + 1, float(near.score[row, place]))
        for own, _, near in nearest_items(kept, 40, CONFIG)
        for row in range(len(own))
        for place in range(4)
        if near.index[row, place] >= 0
    ]
    assert [row[:4] for row in result] == sorted(wanted)
    assert {row[7] for row in result} == {int(short.sum())}


def test_numbers_follow_the_names(spark):
    frame = spark.createDataFrame([("b",), ("a",), (None,), ("b",), ("c",)], "name string")
    assert [tuple(row) for row in numbered(frame, "name").orderBy("item").collect()] == [("a", 0), ("b", 1), ("c", 2)]


def test_nothing_in_nothing_out_and_a_missing_column_is_named(spark):
    empty = spark.createDataFrame([], "basket long, item int")
    assert neighbours(empty, CONFIG).collect() == []
    with pytest.raises(ValueError, match=r"missing column\(s\) \['item'\]; have \['basket'\]"):
        neighbours(empty.drop("item"), CONFIG)


def test_a_union_of_two_neighbourhoods_keeps_both(spark, events):
    frame = spark.createDataFrame(events, "basket long, item int").repartition(2, "basket")
    once = neighbours(frame, CONFIG, 2)
    alone = sorted(tuple(row) for row in once.collect())
    both = sorted(tuple(row) for row in once.unionByName(neighbours(frame, CONFIG, 2)).collect())
    assert both == sorted(alone + alone)
