from __future__ import annotations

from datetime import date

import pyarrow as pa
import pytest

from features.customers.tags import customer_tags, tag_recommendations
from features.items.content import described_alike, distinctive_words, inverted_index, product_words, stems
from features.items.product_neighbours import product_items, product_sales

AS_OF = date(2017, 12, 3)
#: title, department; every title says "fresh", and "blue" is said by each department as often as the others
SHELF = {
    **{f"paint{n}": (f"fresh wall paint {'blue' if n % 2 else 'white'} {word} 5 l", "HOME") for n, word in enumerate(
        ("satin", "satin", "gloss", "gloss", "matt", "matt", "satin", "gloss", "primer", "primer") * 4)},
    **{f"shirt{n}": (f"fresh cotton shirt {'blue' if n % 2 else 'white'} {word}", "WEAR") for n, word in enumerate(
        ("slim", "slim", "polo", "polo", "long", "long", "slim", "polo", "linen", "linen") * 4)},
}  # fmt: skip


def shelf(crm):
    rows = [
        {
            "product_id": name,
            "title": title,
            "department": department,
            "product_type": department,
            "counted": True,
            "offerable": True,
        }
        for name, (title, department) in SHELF.items()
    ]
    rows.append(
        {"product_id": "fuel", "title": "fresh fuel", "department": "GAS", "counted": False, "offerable": False}
    )
    return crm.table("products", rows)


@pytest.fixture(scope="module")
def words(crm):
    frame = product_words(shelf(crm)).persist()
    return frame, distinctive_words(frame, shelf(crm)).persist()


def test_words_are_stemmed_in_both_languages_and_numbers_left_out():
    row, result = stems(pa.array(["Красные штаны, 2 шт", "красный ШТАНЫ", "Shirts shirt 1.5l XM-100", "", None]))
    assert row.tolist() == [0, 0, 1, 1, 2]
    assert result.to_pylist() == ["красн", "штан", "красн", "штан", "shirt"]


def stop_words(telling) -> set[str]:
    return {row["word"] for row in telling.where("is_stop").collect()}


def test_stop_words_are_learnt(crm, words, rows, monkeypatch):
    result = rows(words[1], "word")
    assert (result["satin"]["products"], result["primer"]["products"]) == (12, 8)
    assert "fuel" not in result
    frequent = {"fresh", "blue", "white", "home", "wear", "paint", "wall", "cotton", "shirt"}
    assert stop_words(words[1]) == frequent
    # none is too frequent now, but these three are the same in both departments
    monkeypatch.setattr("features.items.content.MOST_SHARE", 1.0)
    assert stop_words(distinctive_words(words[0], shelf(crm))) == {"fresh", "blue", "white"}


def test_index_has_unit_length_and_the_cold_find_what_is_described_alike(crm, words, rows, monkeypatch):
    monkeypatch.setattr("features.items.content.MOST_SHARE", 0.6)
    result, telling = words[0], distinctive_words(words[0], shelf(crm))
    items = crm.spark.createDataFrame([("paint0", 0)], "product_id string, item int")
    index = inverted_index(result, telling, items).collect()
    lengths: dict[str, float] = {}
    for row in index:
        lengths[row["product_id"]] = lengths.get(row["product_id"], 0) + row["weight"] ** 2
    assert lengths == {name: pytest.approx(1) for name in SHELF}
    cold = crm.spark.createDataFrame([("paint8",), ("shirt1",)], "product_id string")
    alike = rows(described_alike(result, telling, shelf(crm), cold), "product_id", "rank")
    assert {key[0] for key in alike} == {"paint8", "shirt1"}
    assert {alike["paint8", rank]["other"] for rank in (1, 2, 3)} < {n for n, (t, _) in SHELF.items() if "primer" in t}
    assert {alike["shirt1", rank]["other"] for rank in (1, 2, 3)} < {n for n, (t, _) in SHELF.items() if "slim" in t}
    assert {row["source"] for row in alike.values()} == {"content"}
    # a few words in 4,096 buckets hardly meet: the same neighbours; in two buckets everything is alike
    hashed = rows(described_alike(result, telling, shelf(crm), cold, buckets=4096), "product_id", "rank")
    assert {key: row["other"] for key, row in hashed.items()} == {key: row["other"] for key, row in alike.items()}
    assert described_alike(result, telling, shelf(crm), cold, buckets=1).count() == 0, "no two buckets in common"


@pytest.fixture(scope="module")
def bought(crm, words):
    """Ann bought satin and primer long ago, slim shirts lately; Bob one linen shirt."""
    lines = [f"ann a{n} 2017-06-0{n + 1} paint{p} 1.00" for n, p in enumerate((0, 1, 8))]
    lines += [f"ann b{n} 2017-11-2{n} shirt{p} 1.00" for n, p in enumerate((0, 1))]
    lines += ["bob c 2017-12-01 shirt8 1.00", "ann late 2017-12-04 shirt8 1.00"]
    sales = product_sales(crm.lines(*lines), shelf(crm), AS_OF)
    index = inverted_index(words[0], words[1], product_items(sales)).persist()
    return sales, index, customer_tags(sales, index).persist()


def test_tags_fade_and_add_up_to_one(bought, rows):
    tags = rows(bought[2], "customer_id", "rank")
    assert [tags["ann", rank]["tag"] for rank in (1, 2, 3)] == ["slim", "satin", "primer"]
    assert sum(row["weight"] for key, row in tags.items() if key[0] == "ann") == pytest.approx(1, abs=1e-5)
    assert [row["tag"] for key, row in tags.items() if key[0] == "bob"] == ["linen"]


def test_a_profile_stays_small_and_faint_words_go(bought, words, rows, monkeypatch):
    monkeypatch.setattr("features.customers.tags.TAGS", 2)
    assert [key for key in rows(customer_tags(*bought[:2]), "customer_id", "rank") if key[0] == "ann"] == [
        ("ann", 1),
        ("ann", 2),
    ]
    monkeypatch.setattr("features.customers.tags.FAINT", 0.9)
    assert {row["tag"] for row in customer_tags(*bought[:2]).collect()} == {"slim", "linen"}


def test_recommendations_are_new_to_the_customer_and_may_be_new_to_all(bought, rows, monkeypatch):
    monkeypatch.setattr("features.customers.tags.best_columns", one_word_suffices(monkeypatch))
    result = rows(tag_recommendations(bought[2], bought[1], bought[0], top=3), "customer_id", "rank")
    ann = [SHELF[result["ann", rank]["product_id"]][0] for rank in (1, 2, 3)]
    assert all("slim" in title for title in ann)
    assert {"shirt0", "shirt1"}.isdisjoint({result["ann", rank]["product_id"] for rank in (1, 2, 3)})
    assert {SHELF[result["bob", rank]["product_id"]][0].split()[-1] for rank in (1, 2, 3)} == {"linen"}

    # two of them are the product that Ann has, the third is sold under another name
    had, other = (result["ann", rank]["product_id"] for rank in (1, 2))
    pairs = [("shirt0", "shirt0"), (had, "shirt0"), (other, "same shirt")]
    shown = bought[0].sparkSession.createDataFrame(pairs, "product_id string, shown string")
    glued = rows(tag_recommendations(bought[2], bought[1], bought[0], top=3, shown=shown), "customer_id", "rank")
    assert glued["ann", 1]["product_id"] == "same shirt"
    assert {had, other, "shirt0"}.isdisjoint({glued["ann", rank]["product_id"] for rank in (1, 2, 3)})


def one_word_suffices(monkeypatch):
    """The shelf's titles have one telling word each."""
    import features.customers.tags as module

    plain = module.best_columns
    return lambda left, right, top, least=1: plain(left, right, top, 1)
