"""Books of needs: made from products by hand-counted majorities, or the source's own; who bought for them."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from scoring.customers.needs import Books, characteristics, derived_books, needs_met, source_books
from scoring.segments.audiences import Audience, affinities

#: product type, category, department, offerable
PRODUCTS = (
    ("YOGURT", "DAIRY", "FRESH", True),
    ("YOGURT", "DAIRY", "FRESH", True),
    ("YOGURT", "DIET", "DRUGS", True),  # the type answers the need of two of its three products
    ("CREAM", "DAIRY", "FROZEN", True),  # DAIRY is FRESH by two products to one
    ("PILLS", "DIET", None, True),
    ("PILLS", "DIET", None, True),  # DIET has a department by a single product, none by two: the known one counts
    ("GLUE", "A TIE", None, True),
    ("GLUE", "TIE B", None, True),  # the first by the alphabet
    ("CARDS", None, "GIFTS", True),  # no category: the department is the need
    ("ODDS", None, None, True),
    ("FUEL", "FUEL", "FUEL", False),
)


def table(columns: str, rows: tuple[tuple[Any, ...], ...]) -> pa.Table:
    names = columns.split()
    kinds = {"offerable": pa.bool_(), "baskets_84": pa.int64(), "dictionary_index": pa.int32()}
    arrays = [pa.array([row[n] for row in rows], kinds.get(name, pa.string())) for n, name in enumerate(names)]
    return pa.table(arrays, names=names)


def cells(rows: pa.Table) -> list[tuple[Any, ...]]:
    return [tuple(row.values()) for row in rows.to_pylist()]


@pytest.fixture
def products() -> pa.Table:
    return table("product_type category department offerable", PRODUCTS)


@pytest.fixture
def own() -> Books:
    return source_books(
        table("need_category_id name", (("home", "At home"),)),
        table("need_id name need_category_id", (("sweet", "Sweet", "home"), ("light", "Light", "gone"))),
        table(
            "characteristic need_id",
            (("YOGURT", "sweet"), ("YOGURT", "light"), ("PILLS", "gone"), ("FUEL", "light")),
        ),
    )


def test_needs_are_what_most_products_of_a_type_stand_under(products: pa.Table) -> None:
    books = derived_books(products)
    assert books.origin == "derived"
    assert cells(books.links) == [
        ("CARDS", "department:GIFTS"),
        ("CREAM", "category:DAIRY"),
        ("GLUE", "category:A TIE"),
        ("PILLS", "category:DIET"),
        ("YOGURT", "category:DAIRY"),
    ]
    assert cells(books.needs) == [
        ("category:A TIE", "A TIE", None),
        ("category:DAIRY", "DAIRY", "department:FRESH"),
        ("category:DIET", "DIET", "department:DRUGS"),
        ("department:GIFTS", "GIFTS", "department:GIFTS"),
    ]
    assert cells(books.categories) == [
        ("department:DRUGS", "DRUGS"),
        ("department:FRESH", "FRESH"),
        ("department:GIFTS", "GIFTS"),
    ]


def test_books_do_not_depend_on_the_order_of_products(products: pa.Table) -> None:
    turned = products.take(pa.array(range(len(PRODUCTS) - 1, -1, -1)))
    assert derived_books(turned) == derived_books(products)


def test_nothing_refers_to_what_the_source_has_dropped(own: Books) -> None:
    assert cells(own.needs) == [("light", "Light", None), ("sweet", "Sweet", "home")]
    assert cells(own.links) == [("FUEL", "light"), ("YOGURT", "light"), ("YOGURT", "sweet")]


def test_characteristics_keep_their_place_in_the_dictionary_and_name_each_need(products: pa.Table, own: Books) -> None:
    dictionary = table("characteristic dictionary_index", (("YOGURT", 0), ("OLD", 1)))
    result = cells(characteristics(products, dictionary, own))
    assert [row for row in result if row[0] in ("YOGURT", "OLD", "FUEL")] == [
        ("FUEL", 1, None, "light", None),
        ("OLD", 1, 1, None, None),
        ("YOGURT", 1, 0, "light", None),
        ("YOGURT", 2, 0, "sweet", "home"),
    ]
    assert [row for row in result if row[0] == "PILLS"] == [("PILLS", 1, None, None, None)]
    assert Counter(row[0] for row in result) == Counter(
        ["CARDS", "CREAM", "FUEL", "GLUE", "ODDS", "OLD", "PILLS", "YOGURT", "YOGURT"]
    )


def test_a_segment_needs_what_more_of_its_members_bought_for(products: pa.Table) -> None:
    """Of 10 members 10 bought dairy, as did 20 of all 40: lift 2, by Katz exp(+-1.96 sqrt(1/20 - 1/40))."""
    keys = np.array([f"c{n:02d}" for n in range(40)], dtype=object)
    bought = [(key, kind, 1) for key in keys[:20] for kind in ("YOGURT", "CREAM")]  # two types of one need count once
    bought += [(keys[30], "YOGURT", 0), ("stranger", "YOGURT", 3), (keys[31], "FUEL", 2)]
    books = derived_books(products)
    met = needs_met(table("customer_id product_type baskets_84", tuple(bought)), books, keys)
    assert met.sum(axis=0).tolist() == [[0, 20, 0, 0]]
    actual = affinities([Audience("s", "f", "S", np.arange(10))], met, books.needs["need_id"].to_pylist())
    spread = np.exp(1.96 * np.sqrt(1 / 40))
    assert affinities([Audience("s", "f", "S", np.arange(10))], met, list("abcd"), 0) == []
    assert actual == [("s", "category:DAIRY", 1, 10, 2.0, round(2 / spread, 6), round(2 * spread, 6))]
