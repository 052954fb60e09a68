"""Clusters as a product of the night: ids that last, a journal, decisions by hand, sources without titles."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path

import pyarrow as pa
import pytest

from conf.errors import ConfigError
from conf.settings.schema import Settings
from conf.tables.canonical import CANONICAL
from conf.tables.catalogue import CLUSTER_JOURNAL, PRODUCT_CLUSTERS
from conf.tables.types import arrow_schema
from jobs.catalogue.build_catalogue import run
from jobs.lake.lake import Lake
from jobs.lake.manifest import Manifest
from jobs.stages import Stage
from jobs.tables.catalogue import CLUSTERS, JOURNAL, SHARED_CLUSTERS

FIRST = date(2017, 12, 3)
TITLES = {
    f"{brand[0]}{kind[0]}{number}": f"{brand} {kind} {number}{letter}{number + 7} {size}"
    for number, (brand, kind, letter, size) in enumerate(
        (brand, kind, letter, size)
        for brand in ("acme", "bravo", "corsa", "delta")
        for kind in ("kettle", "toaster oven", "desk lamp", "утюг паровой")
        for letter, size in (("k", "2 l"), ("q", "700 g"), ("z", "30 cm"))
    )
} | {
    "m1": "Молоко Простоквашино 1,5 л пастеризованное",
    "m2": "пастеризованное молоко ПРОСТОКВАШИНО 1500мл",
    "m3": "Молоко Простоквашино 1 л пастеризованное",
    "h1": "Sony WH-1000XM3 wireless headphones black",
    "h2": "sony wh1000xm3 black headphones wireless",
    "h4": "Sony WH-1000XM4 wireless headphones black",
    "g1": "Granola smoked crunchy 640 g",
    "g2": "Ham smoked organic sliced 300 g",
    "g3": "Bacon organic 200 g",
}


@pytest.fixture
def night(settings: Settings) -> Callable[..., Manifest]:
    """Publish a clean layer of ``titles`` some days after the first night, and run the stage on it."""
    lake = Lake(settings.lake)

    def make(after: int, titles: dict[str, str | None], **options: bool) -> Manifest:
        day = FIRST + timedelta(days=after)
        rows = [
            {"product_id": key, "title": title, "manufacturer": f"known on night {after}", "counted": True,
             "offerable": True}
            for key, title in titles.items()
        ]  # fmt: skip
        schema = arrow_schema(CANONICAL["products"])
        with lake.draft(Stage.VALIDATE, day) as draft:
            draft.arrow("clean/products", pa.Table.from_pylist(rows, schema=schema))
            draft.commit(Manifest(stage="validate", ds=str(day), version=""))
        return run(settings, day, **options)

    return make


def read(settings: Settings, after: int, table: str = CLUSTERS) -> list[dict]:
    return Lake(settings.lake).arrow(table, FIRST + timedelta(days=after)).to_pylist()


def ids(settings: Settings, after: int) -> dict[str, str]:
    return {row["product_id"]: row["cluster_id"] for row in read(settings, after)}


def events(settings: Settings, after: int) -> set[tuple[str, str, str]]:
    return {(row["event"], row["cluster_id"], row["subject"]) for row in read(settings, after, JOURNAL)}


def decide(settings: Settings, *lines: str) -> None:
    file = Path(settings.home, "catalogue_decisions.csv")
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("\n".join(["product_id,other_product_id,decision,why", *lines]) + "\n")


def test_a_source_without_titles_has_a_cluster_a_product_and_says_so(settings, night, caplog):
    made = night(0, {"a": None, "b": "", "c": " "})
    assert made.facts["skipped"] == {
        "product_clusters": "complete_journey has no titles; each product is a cluster of its own"
    }
    assert "has no titles" in caplog.text
    assert ids(settings, 0) == {"a": "a", "b": "b", "c": "c"}
    assert all(row["is_clusteroid"] and row["confidence"] == 1.0 and row["title"] is None for row in read(settings, 0))
    assert read(settings, 0, SHARED_CLUSTERS) == []
    night(1, {"a": None, "b": "", "c": " "})
    assert made.tables[CLUSTERS].content == Lake(settings.lake).version(CLUSTERS, FIRST + timedelta(days=1)).content
    night(2, {"b": None, "d": None})
    assert ids(settings, 2) == {"b": "b", "d": "d"}
    assert events(settings, 2) == {("gone", "a", "a"), ("gone", "c", "c"), ("new", "d", "d")}


@pytest.mark.spark
def test_ids_last_and_the_journal_tells_what_changed(settings, spark, night):
    first = night(0, TITLES)
    result = ids(settings, 0)
    assert result["m1"] == result["m2"] != result["m3"]
    assert result["h1"] == result["h2"] != result["h4"]
    assert len(set(result.values())) == len(TITLES) - 2
    rows = read(settings, 0)
    assert {row["cluster_id"] for row in rows if row["is_clusteroid"]} == {
        row["product_id"] for row in rows if row["is_clusteroid"]
    }
    assert {row["product_id"] for row in read(settings, 0, SHARED_CLUSTERS)} == {"m1", "m2", "h1", "h2"}
    assert {row["reason"] for row in rows} == {"stands for its cluster", "the same words, numbers and codes"}
    assert set(rows[0]) == set(PRODUCT_CLUSTERS.names)
    assert (first.facts["clusters"], first.facts["sharing"]) == (len(TITLES) - 2, 4)
    assert read(settings, 0, JOURNAL) == []

    assert night(1, TITLES).tables[CLUSTERS] == first.tables[CLUSTERS]  # other columns changed, the titles did not
    assert ids(settings, 1) == result
    night(2, TITLES, recluster=True)
    assert ids(settings, 2) == result
    assert events(settings, 2) == set()


NEW = {
    "m4": "Молоко «Простоквашино» пастеризованное 1.5 л",  # the first milk in other words
    "h5": "Sony WH-1000XM5 wireless headphones black",  # a model of its own: its code is not known yet
    "h6": "SONY wh-1000xm5 headphones, wireless, black",  # the same, new too
    "a9": "acme kettle 0k7 2 litre",
    "g4": "smokde granola crunchy organic 640 g",  # a misspelling that is new, and a known word more
    "u1": None,
}


@pytest.mark.spark
def test_new_products_join_the_clusters_there_are_as_a_full_clustering_would_have_it(settings, spark, night):
    night(0, TITLES)
    before = ids(settings, 0)
    made = night(1, TITLES | NEW)
    after = ids(settings, 1)
    assert {product: after[product] for product in TITLES} == before
    assert after["m4"] == before["m1"]
    assert after["h5"] == after["h6"] not in set(before.values())
    assert after["a9"] == before["ak0"]
    assert after["g4"] == before["g1"]
    assert after["u1"] == "u1"
    assert events(settings, 1) == {
        ("joined", after["m4"], "m4"), ("joined", after["a9"], "a9"), ("joined", "g1", "g4"),
        ("new", after["h5"], after["h5"]), ("new", "u1", "u1"),
    }  # fmt: skip
    assert made.facts["index"]["size"] == len(set(after.values())) - 1
    assert made.facts["clusters"] == len(set(after.values()))
    old = Lake(settings.lake).version(CLUSTERS, FIRST)
    assert set(old.files) < set(made.tables[CLUSTERS].files)  # nothing old is written again
    sizes = Counter(after.values())
    assert sorted(row["product_id"] for row in read(settings, 1, SHARED_CLUSTERS)) == sorted(
        product for product, cluster in after.items() if sizes[cluster] > 1
    )

    # the index has learned the new model; a changed title moves a product, a product that leaves hands over its place
    changed = TITLES | NEW | {"h7": "headphones Sony WH1000XM5 black wireless", "ak0": TITLES["dk36"]}
    head = next(product for product in ("m1", "m2", "m4") if after[product] == product)
    del changed[head], changed["g4"]  # a full clustering heals misspellings of words that are frequent
    night(2, changed)
    third = ids(settings, 2)
    assert third["h7"] == after["h5"]
    assert third["ak0"] == after["dk36"]
    rest = {"m1", "m2", "m4"} - {head}
    assert {third[product] for product in rest} == {after["m4"]}
    assert sum(row["is_clusteroid"] for row in read(settings, 2) if row["product_id"] in rest) == 1
    assert ("moved", after["dk36"], "ak0") in events(settings, 2)

    # a new product under the id that a founder left to its cluster: the new cluster gets another name
    changed[head] = "gorenje fridge 5y12 white"
    made = night(3, changed)
    fourth, taken = ids(settings, 3), f"{head}@{FIRST + timedelta(days=3)}"
    assert fourth == third | {head: taken}
    assert events(settings, 3) == {("new", taken, taken)}
    assert made.facts["clusters"] == len(set(fourth.values()))
    sizes = Counter(fourth.values())
    assert {row["product_id"] for row in read(settings, 3, SHARED_CLUSTERS)} == {
        product for product, cluster in fourth.items() if sizes[cluster] > 1 or cluster != product
    }
    night(4, changed, recluster=True)
    assert ids(settings, 4) == fourth
    assert events(settings, 4) == set()

    blank = night(5, changed | {"u1": "  "})  # other text, but the same title: none
    assert blank.tables[CLUSTERS] == Lake(settings.lake).version(CLUSTERS, FIRST + timedelta(days=4))


@pytest.mark.spark
def test_decisions_by_hand_hold_and_contradictions_are_told(settings, spark, night, caplog):
    night(0, TITLES)
    before = ids(settings, 0)
    decide(settings, "m1,m3,same,one shelf", "h1,h2,apart,", "h2,h1,same,", "h4,unknown,same,")
    made = night(1, TITLES)
    after = ids(settings, 1)
    assert made.facts["refused"] == ["line 4 says that h2 and h1 are the same; the lines before it keep them apart"]
    assert "a decision by hand is refused: line 4" in caplog.text
    assert after["m1"] == after["m2"] == after["m3"] == before["m1"]
    assert after["h1"] != after["h2"]
    assert {after["h1"], after["h2"]} == {"h1", "h2"}
    left = next(product for product in ("h1", "h2") if after[product] != before[product])
    assert events(settings, 1) == {("merged", before["m1"], "m3"), ("split", left, before["h1"])}
    rows = {row["product_id"]: row for row in read(settings, 1)}
    assert sum(rows[product]["is_clusteroid"] for product in ("m1", "m2", "m3")) == 1
    assert rows["m3"]["reason"] in ("decided by hand: the same as m1", "stands for its cluster")
    assert rows[left]["is_clusteroid"]
    night(2, TITLES, recluster=True)
    assert ids(settings, 2) == after
    assert events(settings, 2) == set()
    assert set(read(settings, 1, JOURNAL)[0]) == set(CLUSTER_JOURNAL.names)


def test_decisions_that_cannot_be_read_are_named_together(settings, night):
    decide(settings, "a,b,same,", "a,a,apart,", "a,,same,", "a,b,maybe,")
    with pytest.raises(ConfigError, match=r"3 line\(s\) are not two products and same or apart:\n  line 3: 'a', 'a'"):
        night(0, {"a": None})
    Path(settings.home, "catalogue_decisions.csv").write_text("product_id,decision\na,same\n")
    with pytest.raises(ConfigError, match=r"missing column\(s\) \['other_product_id'\]"):
        night(0, {"a": None})
