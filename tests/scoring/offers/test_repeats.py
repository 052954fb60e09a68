"""Durables, from literal purchases to the offers: what was bought once is not offered to its owner again."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from pyspark.sql import functions as F

from conf.settings.load import load
from features.items.repurchase import repurchase
from scoring.offers.next_best_offers import product_type_ranking
from scoring.offers.policy import DURABLE, UNFIT, mark_coupons
from scoring.offers.repeats import durable_products, last_clusters, owned, with_owned_scope, with_repeats

DAY = date(2017, 12, 3)
NUMBERS = (
    "pair_baskets_84", "pair_baskets_total", "pair_spend_84", "pair_days_since_last", "type_popularity_28",
    "segment_popularity", "type_spend_per_buyer_28", "type_spend_per_new_buyer_28",
)  # fmt: skip
CANDIDATE = ", ".join(["customer_id string, product_type string, source string", *(f"{n} double" for n in NUMBERS)])


@pytest.fixture(scope="module")
def intervals(spark, frame):
    """Eighty households buy milk every fortnight and windows once."""
    bought = [(f"h{n}", "milk", DAY - timedelta(days=n % 14 + 14 * k)) for n in range(80) for k in range(8)]
    bought += [(f"h{n}", "windows", DAY - timedelta(days=90 + 2 * n)) for n in range(80)]
    lines = frame(
        "order_lines",
        *(
            {
                "order_id": f"{who}{day}", "line_id": what, "customer_id": who, "product_id": what, "ordered_on": day,
                "ordered_at": datetime(day.year, day.month, day.day, 12, tzinfo=UTC), "quantity": Decimal(1),
                "amount": Decimal(5), "discount": Decimal(0), "is_return": False,
            }
            for who, what, day in bought
        ),
    )  # fmt: skip
    goods = (
        {"product_id": n, "product_type": n.upper(), "counted": True, "offerable": True} for n in ("milk", "windows")
    )
    return repurchase(lines, frame("products", *goods), DAY).persist()


def test_no_owner_is_offered_a_durable_again(intervals, rows):
    settings = load()
    result = rows(
        CANDIDATE,
        ("owner", "WINDOWS", "personal_frequency", 3.0, 9.0, 50.0, 20.0, 0.9, 0.9, 50.0, 40.0),
        ("owner", "MILK", "personal_frequency", 1.0, 1.0, 5.0, 15.0, 0.1, 0.1, 5.0, 4.0),
        ("owner", "NEW", "popular", None, None, None, None, 0.1, 0.1, 5.0, 4.0),
        ("tenant", "WINDOWS", "popular", None, None, None, None, 0.9, 0.9, 50.0, 40.0),
    )
    actual = with_repeats(result, intervals, settings.horizon_days)
    actual = actual.withColumn("propensity", F.coalesce(F.col("pair_baskets_total") / 10, F.lit(0.05)))
    ranked = product_type_ranking(actual, {}, None, settings.offers, settings.policy, DAY).collect()
    table = {(row["customer_id"], row["product_type"]): row for row in ranked}
    assert table["owner", "WINDOWS"]["rank"] == 1, "it is most probable by its past, and still ranked for measuring"
    assert table["owner", "WINDOWS"]["removed_by"] == DURABLE
    offered = {key for key, row in table.items() if row["offer_rank"] is not None}
    assert offered == {("owner", "MILK"), ("owner", "NEW"), ("tenant", "WINDOWS")}


@pytest.fixture(scope="module")
def house(frame, rows):
    """Two writings of one window are a cluster, as are two of a milk; televisions are products of a durable type."""
    goods = {"w1": "GLASS", "w2": "GLASS", "pane": "GLASS", "m1": "MILK", "m2": "MILK", "tv1": "TV", "tv2": "TV"}
    products = frame("products", *({"product_id": name, "product_type": kind, "offerable": True} for name, kind in
                                   goods.items()))  # fmt: skip
    bought = [("ann", "w1", 50), ("ann", "tv1", 90), ("bob", "pane", 20), ("ann", "m1", 9), ("bob", "m1", 9),
              ("bob", "m0", 1), ("kim", "m2", 4)]  # fmt: skip
    lines = frame("order_lines", *(
        {"order_id": f"{who}{n}", "line_id": "1", "customer_id": who, "product_id": what, "is_return": False,
         "ordered_on": DAY - timedelta(days=n)} for who, what, n in bought
    ), {"order_id": "r", "line_id": "1", "customer_id": "kim", "product_id": "tv2", "is_return": True,
        "ordered_on": DAY})  # fmt: skip
    clusters = rows("product_id string, cluster_id string", ("w1", "w"), ("w2", "w"), ("m1", "m"), ("m2", "m"))
    more = products.unionByName(frame("products", {"product_id": "m0", "product_type": "MILK", "offerable": True}))
    kind = "interval_days double, interval_spread double, repeat_ever double, repeat_year double, renewable boolean"
    types = rows(f"product_type string, {kind}", ("GLASS", 9.0, 0.5, 0.9, 0.9, True), ("TV", 9.0, 0.5, 0.0, 0.0, False),
                 ("MILK", 7.0, 0.5, 0.9, 0.9, True))  # fmt: skip
    glued = rows(f"cluster_id string, {kind}", ("w", 9.0, 0.5, 0.0, 0.0, False), ("m", 30.0, 0.5, 0.9, 0.9, True))
    return more, lines, clusters, types, glued


def test_who_has_a_durable_has_all_of_its_cluster_or_type(house):
    products, lines, clusters, types, glued = house
    durable = durable_products(products, types, clusters, glued)
    assert {tuple(row) for row in durable.collect()} == {
        ("w1", "cluster w"), ("w2", "cluster w"), ("tv1", "type TV"), ("tv2", "type TV"),
    }  # fmt: skip
    # kim's television came back: a return is no purchase
    assert {tuple(row) for row in owned(lines, durable).collect()} == {
        ("ann", product) for product in ("w1", "w2", "tv1", "tv2")
    }
    assert {row[0] for row in durable_products(products, types).collect()} == {"tv1", "tv2"}


def test_a_coupon_for_nothing_but_durables_that_the_customer_has_is_removed(house, frame, rows):
    products, lines, clusters, types, glued = house
    durable = durable_products(products, types, clusters, glued)
    scope = frame("offer_products", *(
        {"offer_id": offer, "product_id": product}
        for offer, goods in {"home": "w2 tv2", "glass": "w2 pane", "screen": "tv1", "food": "m1"}.items()
        for product in goods.split()
    ))  # fmt: skip
    pairs = [(who, offer) for who in ("ann", "bob") for offer in ("home", "glass", "screen", "food")]
    coupons = rows("customer_id string, offer_id string, already_redeemed boolean", *((*pair, False) for pair in pairs))
    marked = with_owned_scope(coupons, scope, lines, durable)
    assert {tuple(row) for row in marked.where("owned_scope").select("customer_id", "offer_id").collect()} == {
        ("ann", "home"), ("ann", "screen"),
    }  # fmt: skip
    assert marked.count() == len(pairs)
    names = ("home", "glass", "screen", "food")
    offers = frame("offers", *({"offer_id": name, "campaign_id": "A", "valid_from": DAY,
                                "valid_to": DAY + timedelta(days=9)} for name in names))  # fmt: skip
    targets = frame("campaign_targets", *({"campaign_id": "A", "customer_id": who, "targeted_on": DAY} for who in
                                          ("ann", "bob")))  # fmt: skip
    forbidden = marked.withColumn("unfit", F.col("offer_id") == "food")
    result = mark_coupons(forbidden, offers, targets, None, load().policy, DAY).collect()
    assert {(row["customer_id"], row["offer_id"]): row["removed_by"] for row in result if row["removed_by"]} == {
        ("ann", "home"): DURABLE, ("ann", "screen"): DURABLE, ("ann", "food"): UNFIT, ("bob", "food"): UNFIT,
    }  # fmt: skip


def test_the_interval_of_the_cluster_bought_last_stands_for_the_types(house, rows):
    products, lines, clusters, types, glued = house
    last = last_clusters(lines, products, clusters, glued)
    result = rows("customer_id string, product_type string, pair_baskets_total double, pair_days_since_last double",
                 ("ann", "MILK", 1.0, 9.0), ("bob", "MILK", 2.0, 1.0), ("kim", "MILK", 1.0, 4.0),
                 ("kim", "TV", None, None))  # fmt: skip
    actual, plain = (
        {
            (row["customer_id"], row["product_type"]): row.asDict()
            for row in with_repeats(result, types, 7, *more).collect()
        }
        for more in ([last], [])
    )
    # bob's newest milk is of no cluster
    assert {key: row["type_interval_days"] for key, row in actual.items()} == {
        ("ann", "MILK"): 30.0, ("bob", "MILK"): 7.0, ("kim", "MILK"): 30.0, ("kim", "TV"): 9.0,
    }  # fmt: skip
    assert actual["ann", "MILK"]["renewal_probability"] < plain["ann", "MILK"]["renewal_probability"]
    assert actual["bob", "MILK"] == plain["bob", "MILK"]


def test_renewal_rises_to_the_interval_and_is_null_for_what_was_never_bought(intervals, rows):
    ages = rows("product_type string, pair_baskets_total double, pair_days_since_last double",
                ("MILK", 1.0, 0.0), ("MILK", 1.0, 12.0), ("WINDOWS", 1.0, 12.0), ("MILK", 0.0, None),
                ("X", 1.0, 3.0))  # fmt: skip
    result = {
        (row["product_type"], row["pair_days_since_last"]): row["renewal_probability"]
        for row in with_repeats(ages, intervals, 7).orderBy(F.col("product_type")).collect()
    }
    assert result["MILK", None] is result["X", 3.0] is None
    assert result["MILK", 0.0] < 0.1 < result["MILK", 12.0]
    assert result["WINDOWS", 12.0] < 0.05
