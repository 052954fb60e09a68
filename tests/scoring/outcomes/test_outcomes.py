from __future__ import annotations

import math
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest
from pyspark.sql import functions as F

from scoring.outcomes.outcomes import (
    COMBINATIONS,
    coupon_metrics,
    frequency_lists,
    list_metrics,
    night_lists,
    popularity_lists,
    spend_after,
)
from training.evaluation.metrics import ranking_metrics

LIST = "method string, slice string, customer_id string, item string, rank int"
TRUTH = "customer_id string, item string, is_discovery boolean"


def as_dict(frame, *values):
    keys = [name for name in ("method", "slice", "customer_id") if name in frame.columns]
    return {tuple(row[k] for k in keys): tuple(row[v] for v in values) for row in frame.collect()}


def test_hits_and_gains_by_hand(rows):
    lists = rows(
        LIST,
        ("nbo", "all", "a", "MILK", 2), ("nbo", "all", "a", "TEA", 3), ("nbo", "all", "a", "JAM", 1),
        ("nbo", "discovery", "a", "JAM", 1), ("nbo", "all", "b", "SALT", 1), ("nbo", "all", "stranger", "SALT", 1),
        ("popularity", "all", "b", "MILK", 4),
    )  # fmt: skip
    truth = rows(TRUTH, ("a", "MILK", False), ("a", "JAM", True), ("b", "MILK", False))
    result = as_dict(list_metrics(lists, truth, 3), "hit_rate", "ndcg")
    best_of_two = 1 + 1 / math.log2(3)
    assert result["nbo", "all", "a"] == (1.0, pytest.approx((1 + 1 / math.log2(3)) / best_of_two))
    assert result["nbo", "repeat", "a"] == (0.0, 0.0)
    assert result["nbo", "discovery", "a"] == (1.0, 1.0)
    assert result["nbo", "all", "b"] == (0.0, 0.0)
    assert result["popularity", "all", "b"] == (0.0, 0.0)  # its rank is beyond the third
    asked = {(m, s, c) for m, s in COMBINATIONS for c, slices in (("a", "all repeat discovery"), ("b", "all repeat"))
             if s in slices.split()}  # fmt: skip
    assert set(result) == asked


def test_metrics_agree_with_those_of_training(rows):
    rng = np.random.default_rng(5)
    listed = [("nbo", "all", f"c{c}", f"i{item}", rank + 1) for c in range(30)
              for rank, item in enumerate(rng.permutation(12)[:8])]  # fmt: skip
    bought = [(f"c{c}", f"i{item}", False) for c in range(40) for item in rng.permutation(12)[: rng.integers(0, 7)]]
    result = as_dict(list_metrics(rows(LIST, *[(*r[:4], int(r[4])) for r in listed]), rows(TRUTH, *bought), 5),
                    "hit_rate", "ndcg")  # fmt: skip
    ranked = pd.DataFrame(listed, columns=["method", "slice", "customer_id", "item", "rank"])
    truth = pd.DataFrame(bought, columns=["customer_id", "item", "is_discovery"])
    expected = ranking_metrics(ranked, truth, 5)
    assert {c for m, s, c in result if (m, s) == ("nbo", "all")} == set(expected.index)
    for customer, row in expected.iterrows():
        assert result["nbo", "all", customer] == pytest.approx((row["hit_rate"], row["ndcg"]))


def test_lists_of_the_night_have_ranks_of_their_own_in_each_slice(rows):
    ranking = rows(
        "customer_id string, product_type string, is_discovery boolean, rank int, rank_in_slice int",
        ("a", "MILK", False, 1, 1), ("a", "TEA", True, 2, 1), ("a", "JAM", False, 3, 2),
    )  # fmt: skip
    result = {(r["slice"], r["item"]): r["rank"] for r in night_lists(ranking, "product_type").collect()}
    assert result == {("all", "MILK"): 1, ("all", "TEA"): 2, ("all", "JAM"): 3, ("repeat", "MILK"): 1,
                     ("discovery", "TEA"): 1, ("repeat", "JAM"): 2}  # fmt: skip


def test_baselines_by_hand(frame, rows):
    affinity = frame(
        "affinity",
        {"customer_id": "a", "product_type": "TEA", "baskets_84": 1, "baskets_total": 2, "days_since_last": 9},
        {"customer_id": "a", "product_type": "JAM", "baskets_84": 0, "baskets_total": 4, "days_since_last": 90},
        {"customer_id": "a", "product_type": "FUEL", "baskets_84": 9, "baskets_total": 9},
    )
    items = rows("item string, score double", ("JAM", 0.1), ("MILK", 0.3), ("SALT", 0.3), ("TEA", 0.2))
    people = rows("customer_id string", ("a",), ("new",))
    popular = popularity_lists(people, affinity, items, 2).collect()
    result = {(r["customer_id"], r["slice"], r["rank"]): r["item"] for r in popular}
    assert result == {
        ("a", "all", 1): "MILK", ("a", "all", 2): "SALT", ("a", "repeat", 1): "TEA", ("a", "repeat", 2): "JAM",
        ("a", "discovery", 1): "MILK", ("a", "discovery", 2): "SALT", ("new", "all", 1): "MILK",
        ("new", "all", 2): "SALT", ("new", "discovery", 1): "MILK", ("new", "discovery", 2): "SALT",
    }  # fmt: skip
    often = {(r["slice"], r["item"]): r["rank"] for r in frequency_lists(affinity, items, 5).collect()}
    assert often == {("all", "TEA"): 1, ("all", "JAM"): 2, ("repeat", "TEA"): 1, ("repeat", "JAM"): 2}


def test_coupons_by_hand(frame, rows):
    pool = frame(
        "coupon_affinity",
        {"customer_id": "a", "offer_id": "x", "offer_responses": 5},
        {"customer_id": "a", "offer_id": "y", "scope_baskets_84": 3, "scope_baskets_total": 3},
        {"customer_id": "a", "offer_id": "z", "already_redeemed": True, "offer_responses": 99},
        {"customer_id": "b", "offer_id": "x"},
    )
    pairs = "customer_id string, offer_id string"
    offered = rows(pairs, ("a", "y"), ("b", "x"))
    redeemed = rows(pairs, ("a", "x"), ("a", "z"), ("stranger", "x"))
    result = as_dict(coupon_metrics(offered, pool, redeemed, 1), "offered", "redeemed", "wanted")
    assert result == {
        ("nbo", "a"): (1.0, 0.0, 1.0), ("popularity", "a"): (1.0, 1.0, 1.0),
        ("personal_frequency", "a"): (1.0, 0.0, 1.0),
        ("nbo", "b"): (1.0, 0.0, 0.0), ("popularity", "b"): (1.0, 0.0, 0.0),
        ("personal_frequency", "b"): (1.0, 0.0, 0.0),
    }  # fmt: skip


def test_spend_is_net_of_returns_and_zero_for_who_bought_nothing(rows):
    lines = rows(
        "customer_id string, amount decimal(18,4), is_return boolean, inside boolean",
        *((c, Decimal(a), r, i) for c, a, r, i in (
            ("a", "5", False, True), ("a", "2", True, True), ("a", "9", False, False), ("b", "1", True, True),
        )),
    )  # fmt: skip
    people = rows("customer_id string, treatment string", ("a", "treated"), ("b", "control"), ("c", "control"))
    result = as_dict(spend_after(people, lines, F.col("inside")), "purchase_rate", "spend")
    assert result == {("a",): (1.0, 3.0), ("b",): (0.0, -1.0), ("c",): (0.0, 0.0)}
