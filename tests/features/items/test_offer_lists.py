from __future__ import annotations

from datetime import date

import pytest

from conf.tables.items import PRODUCTS_TOGETHER, SIMILAR_PRODUCTS
from features.items.offer_lists import LENGTH, offer_lists
from features.items.product_neighbours import product_sales
from features.schemas import struct

AS_OF = date(2017, 12, 3)


def table(spark, declared, *texts: str):
    rows = []
    for text in texts:
        product, other, value = text.split()
        row = dict.fromkeys(declared.names) | {"product_id": product, "other": other, "source": "customers"}
        row |= {"score": float(value), "confidence": float(value)}
        rows.append(tuple(row[name] for name in declared.names))
    return spark.createDataFrame(rows, struct(declared))


@pytest.fixture(scope="module")
def result(crm):
    goods = [f"p{n:02d}" for n in range(25)]
    # a hundred customers of the big store buy p00 to p24, ever fewer; two of the small one buy p24 alone
    lines = [
        f"c{c} o{c} 2017-11-01 {good} 1.00 store=big"
        for c in range(100)
        for n, good in enumerate(goods)
        if c < 100 - 4 * n
    ]
    lines += [f"x{c} x{c} 2017-11-01 p24 1.00 store=small" for c in range(2)]
    lines += ["c0 late 2017-12-04 p24 1.00 store=small", "c0 early 2017-08-01 p24 1.00 store=small"]
    products = crm.products(*[f"{good} {good} D" for good in goods])
    sales = product_sales(crm.lines(*lines), products, AS_OF)
    members = crm.spark.createDataFrame([(f"x{c}", "new") for c in range(2)], "customer_id string, segment_id string")
    similar = table(crm.spark, SIMILAR_PRODUCTS, "p00 p22 0.5", "p01 p22 0.5", "p00 p01 0.9", "p24 p23 0.2")
    together = table(crm.spark, PRODUCTS_TOGETHER, "p00 p21 0.1", "p00 p23 0.3", "p24 p22 0.9")
    rows = offer_lists(sales, members, similar, together).collect()
    lists: dict = {}
    for row in sorted(rows, key=lambda row: row["rank"]):
        lists.setdefault((row["place_kind"], row["place"], row["list"]), []).append((row["product_id"], row["score"]))
    return lists


def test_every_place_has_its_lists(result):
    places = {("all", "all"), ("store", "big"), ("store", "small"), ("segment", "new")}
    assert {key[:2] for key in result} == places
    assert {len(result[*place, "best_sellers"]) for place in places} == {LENGTH, 1}
    assert [name for name, _ in result["all", "all", "best_sellers"]] == [f"p{n:02d}" for n in range(20)]


def test_the_share_of_a_small_place_leans_on_all(result):
    overall = 6 / 102
    assert result["store", "small", "best_sellers"] == [("p24", pytest.approx((2 + 50 * overall) / 52, abs=1e-6))]


def test_lists_by_neighbours_hold_no_best_seller(result):
    # p01 is like p00 too, but sells itself; p22 is like two things, p23 like p24, which hardly sells
    assert [name for name, _ in result["all", "all", "popular_by_similarity"]] == ["p22", "p23"]
    p00, p01 = 100 / 102, 96 / 102
    assert result["all", "all", "popular_by_similarity"][0][1] == pytest.approx(0.5 * (p00 + p01), abs=1e-5)
    assert [name for name, _ in result["all", "all", "bought_with"]] == ["p23", "p21"]
    # what the small store never sold comes in by likeness
    assert [name for name, _ in result["segment", "new", "popular_by_similarity"]] == ["p23"]
    assert [name for name, _ in result["store", "small", "bought_with"]] == ["p22"]
