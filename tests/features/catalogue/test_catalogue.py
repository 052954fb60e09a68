"""One catalogue: tokens, signatures, verification, clusters."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pytest

from features.catalogue import build
from features.catalogue.build import product_clusters
from features.catalogue.config import CatalogueConfig, choose_shape, describe, s_curve
from features.catalogue.sketches import multipliers, one_permutation, signatures, simhash
from features.catalogue.titles import Clusters, cluster
from features.catalogue.tokens import GROUPS, tokenize
from features.catalogue.vocabulary import vocabulary

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

#: titles of many other products, so that the words under test have a catalogue around them
AROUND = [
    f"{brand} {kind} {number}{letter}{number + 7} {size} {unit}"
    for number, (brand, kind, letter, size, unit) in enumerate(
        (brand, kind, letter, size, unit)
        for brand in ("acme", "bravo", "corsa", "delta", "ecotec")
        for kind in ("kettle", "toaster oven", "desk lamp", "чайник", "утюг паровой")
        for letter, size, unit in (("k", 2, "l"), ("q", 700, "g"), ("z", 30, "cm"))
    )
]
SAME = [
    ("Штаны красные махровые в полоску", "Красные полосатые штаны"),
    ("Молоко Простоквашино 1,5 л пастеризованное", "пастеризованное молоко ПРОСТОКВАШИНО 1500мл"),
    ("Sony WH-1000XM3 wireless headphones black", "sony wh1000xm3 black headphones wireless"),
    ("Ferrero Rocher chocolate box 200 g", "Ferrero Rocher choclate box 0.2kg"),
]
APART = [
    ("Молоко Простоквашино пастеризованное 1 л", "Молоко Простоквашино пастеризованное 2 л"),
    ("Sony WH-1000XM3 wireless headphones", "Sony WH-1000XM4 wireless headphones"),
    ("Samsung Galaxy S9 64GB smartphone", "Samsung Galaxy S9+ 64GB smartphone"),
    ("Apple iPhone 13 smartphone 128GB", "Apple iPhone 13 Pro smartphone 128GB"),
    ("Apple iPhone 12 smartphone 128GB", "Apple iPhone 12 smartphone 256 GB"),
    ("Danone yogurt strawberry 125 g", "Danone yogurt vanilla 125 g"),
    ("Philips kettle HD9350/90 steel", "Philips kettle HD9350/92 steel"),
    ("Dove soap 100 g", "Nivea soap 100 g"),
    ("Pampers diapers 44 pcs", "Pampers diapers 66 pcs"),
    ("Сок яблочный с сахаром 1 л", "Сок яблочный без сахара 1 л"),
    ("Potato chips with salt 100 g", "Potato chips without salt 100 g"),
    ("Щетка для собак", "Щетка не для собак"),
    ("Pan with lid 24 cm black", "Pan no lid 24 cm black"),
    ("Adapter HDMI to VGA black", "Adapter VGA to HDMI black"),
    ("Кабель USB-C на Lightning 1 м", "Кабель Lightning на USB-C 1 м"),
]


def clusters(titles: list[str]) -> Clusters:
    return cluster(pa.array(titles), CatalogueConfig())


def test_a_title_is_words_numbers_quantities_and_codes() -> None:
    tokens = tokenize(pa.array(['TV 49" WH-1000XM3 1,5 л 33', None, "Ёж и ёж"]))
    groups = {GROUPS[group] for group in tokens.groups}
    assert groups == {"word", "inch", "code", "ml", "number"}
    assert np.diff(tokens.offsets).tolist() == [5, 0, 1]


@pytest.mark.parametrize(("one", "other"), [("1,5 л", "1500ml"), ("0.25KG", "250 г"), ("PSL-X350H", "pslx350h")])
def test_writings_of_one_thing_are_one_token(one: str, other: str) -> None:
    tokens = tokenize(pa.array([one, other]))
    assert tokens.hashes[0] == tokens.hashes[1]
    assert len(tokens.hashes) == 2


def test_the_s_curve_and_the_shape_chosen_by_it() -> None:
    assert s_curve(0.5, 1, 3) == 0.125
    assert choose_shape(100, 0.5) == (33, 3)  # 1 - (1 - .125)^33 = .988; with 25 bands of 4 only .801 are found
    assert CatalogueConfig(length=500, target=0.4).shape(10) == choose_shape(500, 0.4) == (125, 4)
    assert "24 bands of 3; " in describe(*CatalogueConfig().shape(100_000))
    assert "0.5: 0.959" in describe(24, 3)


def _pairs_of_sets(similarity: float, pairs: int) -> tuple[np.ndarray, np.ndarray, float]:
    """Sets of 60 elements: ``pairs`` times two that share so many that J is near ``similarity``."""
    common = round(2 * 60 * similarity / (1 + similarity))
    draws = np.random.default_rng(1).integers(0, 2**63, size=(pairs, 120), dtype=np.uint64)
    sets = np.concatenate([draws[:, :60], draws[:, 60 - common : 120 - common]], axis=1).reshape(-1)
    return sets, np.arange(2 * pairs + 1) * 60, common / (120 - common)


@pytest.mark.parametrize("similarity", [0.3, 0.7])
def test_signatures_err_as_theory_says_and_candidates_lie_on_the_s_curve(similarity: float) -> None:
    pairs, length = 600, 128
    sets, offsets, true = _pairs_of_sets(similarity, pairs)
    factors, addends = multipliers(length, 7)
    classic = signatures(sets, offsets, np.ones(len(sets), np.uint8), factors, addends)
    for result in (classic, one_permutation(sets, offsets, length)):
        estimate = (result[0::2] == result[1::2]).mean(axis=1)
        assert abs(estimate.mean() - true) < 0.02
        assert np.sqrt(((estimate - true) ** 2).mean()) < 1.35 * np.sqrt(true * (1 - true) / length) + 0.01
    bands = (classic[0::2] == classic[1::2]).reshape(pairs, 32, 4).all(axis=2).any(axis=1).mean()
    assert bands == pytest.approx(s_curve(true, 32, 4), abs=0.06)


def test_simhash_bits_agree_as_the_angle_says() -> None:
    sets, offsets, true = _pairs_of_sets(0.5, 400)
    weights = np.ones(len(sets), np.float32)
    prints = np.stack([simhash(sets, offsets, weights, np.uint64(seed)) for seed in (1, 2)], axis=1)
    different = np.bitwise_count(prints[0::2] ^ prints[1::2]).sum(axis=1) / 128
    cosine = 2 * true / (1 + true)  # two sets of one size
    assert different.mean() == pytest.approx(np.arccos(cosine) / np.pi, abs=0.01)


@pytest.mark.parametrize("shingles", ["words", "pairs", "grams"])
@pytest.mark.parametrize("sketch", ["minhash", "one_permutation", "simhash"])
def test_one_product_written_differently_is_one_cluster(shingles: str, sketch: str) -> None:
    target = {"pairs": 0.25, "grams": 0.5, "words": 0.5}[shingles]
    settings = {"target": 0.65 if sketch == "simhash" else target, "length": 400}
    if shingles == "words" and sketch == "minhash":
        settings = {}  # as shipped
    config = CatalogueConfig(shingles=shingles, sketch=sketch, **settings)  # type: ignore[arg-type]
    result = cluster(pa.array([title for pair in SAME for title in pair] + AROUND), config).centres
    for number, pair in enumerate(SAME):
        assert result[2 * number] == result[2 * number + 1], pair
    assert len(set(result[: 2 * len(SAME)].tolist())) == len(SAME)


def test_hard_negatives_stay_apart() -> None:
    result = clusters([title for pair in APART for title in pair] + AROUND).centres
    for number, pair in enumerate(APART):
        assert result[2 * number] != result[2 * number + 1], pair


def test_a_title_that_could_be_either_of_two_products_is_neither() -> None:
    result = clusters(
        ["Alpro drink oat organic 1 l", "Alpro drink almond organic 1 l", "Alpro drink organic 1 l", *AROUND]
    )
    assert len(set(result.centres[:3].tolist())) == 3


def test_the_order_of_the_titles_does_not_matter() -> None:
    titles = [title for pair in SAME + APART for title in pair] + AROUND
    shuffled = np.random.default_rng(3).permutation(len(titles))
    assert clusters(titles).centres[shuffled].tolist() == clusters([titles[row] for row in shuffled]).centres.tolist()


@pytest.mark.spark
def test_spark_gives_the_same_clusters_whatever_the_tasks(spark: SparkSession) -> None:
    titles = [title for pair in SAME + APART for title in pair] + AROUND + [SAME[0][1], ""]
    frame = spark.createDataFrame([(f"p{row}", title) for row, title in enumerate(titles)], ["product_id", "title"])
    expected = clusters(titles).centres.view(np.int64)
    for tasks, block, partitions in ((1, 1000, 1), (2, 20, 3)):
        config = CatalogueConfig(tasks=tasks, block=block)
        rows = product_clusters(frame.repartition(partitions), config)[0].collect()
        result = {row.product_id: row.cluster for row in rows}
        assert [result[f"p{row}"] for row in range(len(titles) - 1)] == expected[:-1].tolist()
        assert len(rows) == len(titles)
        heads = [row.cluster for row in rows if row.is_clusteroid]
        assert sorted(heads) == sorted(set(result.values()))


def test_each_task_finds_the_links_of_its_own_bands_whatever_partition_it_runs_as() -> None:
    titles = pa.array([title for pair in SAME + APART for title in pair] + AROUND)
    config = CatalogueConfig()
    block = pa.RecordBatch.from_arrays(
        [pa.array([f"p{row}" for row in range(len(titles))]), titles], ["product_id", "title"]
    )
    packed = next(iter(build._tokens(1000)(iter([block]))))
    words = SimpleNamespace(value=vocabulary([tokenize(titles)], len(titles)))

    def links(task: int, tasks: int) -> tuple[int, set[tuple[int, int]]]:
        given = packed.append_column("task", pa.array([task], pa.int32()))
        rows = list(build._cells(build._links(config, tasks, words)(iter([given]))))
        pairs = [cells["pairs"].reshape(-1, 2) for cells in rows if cells["part"] == -2]
        return len(rows), {tuple(pair) for pair in np.concatenate(pairs).tolist()}

    every, alone = links(0, 1)
    actual, result = zip(*(links(task, 24) for task in range(24)), strict=True)  # a band each
    assert set.union(*result) == alone
    assert len(set(map(frozenset, result))) > 1
    assert actual == (every, *[every - 2] * 23)  # the first task also says which title each product has
