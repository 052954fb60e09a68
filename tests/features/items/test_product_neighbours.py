from __future__ import annotations

from dataclasses import replace
from datetime import date

import pytest

from features.items.product_neighbours import (
    SIMILAR,
    TOGETHER,
    as_shown,
    product_items,
    product_sales,
    products_together,
    shown_products,
    similar_products,
)

AS_OF = date(2017, 12, 3)
PRODUCTS = ("milk MILK D", "bread BREAD D", "jam JAM D", "jam2 JAM D", "rum RUM D", "fuel G F offerable=no")


def lines(*texts: str, day: str = "2017-11-01") -> list[str]:
    """Each text is a customer and a basket."""
    result = []
    for number, text in enumerate(texts):
        customer, *basket = text.split()
        result += [f"{customer} {day}-{number} {day} {product} 1.00" for product in basket]
    return result


BASKETS = (
    "a milk bread", "a jam", "b milk bread", "b jam fuel", "c milk bread", "c jam", "d milk rum", "e rum", "f rum",
)  # fmt: skip


def neighbours_of(crm, rows, function, config, clusters=None):
    sales = product_sales(
        crm.lines(*lines(*BASKETS), *lines("g milk jam", day="2017-12-04")), crm.products(*PRODUCTS), AS_OF
    )
    return rows(function(sales, product_items(sales, clusters), config), "product_id", "other")


def test_similar_by_customers_not_by_baskets(crm, rows):
    result = neighbours_of(crm, rows, similar_products, replace(SIMILAR, top=2))
    # jam is never in a basket with bread, but has the same three buyers; milk has one more
    assert {key: (row["rank"], row["score"], row["customers"]) for key, row in result.items()} == {
        ("bread", "jam"): (1, 1.0, 3),
        ("bread", "milk"): (2, pytest.approx(3 / 12**0.5, abs=1e-6), 3),
        ("jam", "bread"): (1, 1.0, 3),
        ("jam", "milk"): (2, pytest.approx(3 / 12**0.5, abs=1e-6), 3),
        ("milk", "bread"): (1, pytest.approx(3 / 12**0.5, abs=1e-6), 3),
        ("milk", "jam"): (2, pytest.approx(3 / 12**0.5, abs=1e-6), 3),
    }
    assert {row["source"] for row in result.values()} == {"customers"}


def test_together_by_baskets(crm, rows):
    result = neighbours_of(crm, rows, products_together, TOGETHER)
    assert set(result) == {("milk", "bread"), ("bread", "milk")}
    row = result["milk", "bread"]
    assert (row["baskets"], row["confidence"], row["lift"]) == (3, 0.75, 0.75 / (3 / 9))


def test_of_clusters_every_product_has_the_neighbours_and_the_one_that_sells_stands_for_it(crm, rows):
    texts = ("a milk jam", "b milk jam", "c milk jam2", "d bread", "a jam2")
    sold = crm.lines(*lines(*texts[:4], day="2017-09-01"), *lines(*texts[4:], day="2017-11-20"))
    sales = product_sales(sold, crm.products(*PRODUCTS), AS_OF)
    clusters = crm.spark.createDataFrame(
        [("jam", "7"), ("jam2", "7"), ("rum", "9")], "product_id string, cluster_id string"
    )
    alone = rows(similar_products(sales, product_items(sales)), "product_id", "other")
    glued = rows(similar_products(sales, product_items(sales, clusters)), "product_id", "other")
    assert alone == {}  # neither name of the jam has three buyers
    stands = shown_products(sales, clusters)
    assert {key: row["shown"] for key, row in rows(stands, "product_id").items()} == {
        "jam": "jam2", "jam2": "jam2", "rum": "rum",
    }  # fmt: skip
    assert sorted(row["product_id"] for row in as_shown(sales, stands).collect()) == [
        "bread", "jam2", "jam2", "jam2", "jam2", "milk", "milk", "milk",
    ]  # fmt: skip
    # jam2 was sold in the last 28 days, jam was not
    assert set(glued) == {("milk", "jam2"), ("jam", "milk"), ("jam2", "milk")}
    assert {row["customers"] for row in glued.values()} == {3}
