from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

import pytest

from conf.settings.schema import ProductTypeOffers
from scoring.offers.candidate_blocks import CandidateConfig
from scoring.offers.candidates import candidates, offerable
from training.rankers.inputs import RANKER_INPUTS

PROFILE = [
    {"customer_id": "a", "department_affinity": {"GROCERY": "2.5"}},
    {"customer_id": "b"},
    {"customer_id": "cold", "is_cold": True, "baskets_total": 0, "baskets_84": 0, "recency_days": None},
]
TYPES = [
    {"product_type": "BREAD", "popularity_28": 0.5},
    {"product_type": "MILK", "popularity_28": 0.4},
    {"product_type": "JAM", "popularity_28": 0.05},
    {"product_type": "TEA", "popularity_28": 0.02},
    {"product_type": "SALT", "popularity_28": 0.01},
]
AFFINITY = [
    {
        "customer_id": "a", "product_type": "BREAD", "baskets_28": 1, "baskets_84": 3, "baskets_total": 4,
        "days_since_last": 5, "interval_days": 4.0,
    },
    {"customer_id": "b", "product_type": "BREAD", "baskets_total": 2, "days_since_last": 200},
    {"customer_id": "b", "product_type": "MILK", "baskets_total": 2, "days_since_last": 100},
    {"customer_id": "b", "product_type": "FUEL", "baskets_84": 9, "baskets_total": 9, "days_since_last": 1},
]  # fmt: skip
TOGETHER = [
    {"product_type": "BREAD", "other": "JAM", "confidence": 0.2},
    {"product_type": "BREAD", "other": "SALT", "llr": -3.0},
    {"product_type": "FUEL", "other": "SALT"},
]
USERS = [{"customer_id": "a", "factors": [1.0, 0.0]}]
ITEMS = [{"product_type": "TEA", "factors": [0.7, 0.0]}, {"product_type": "BREAD", "factors": [0.9, 0.0]}]
FEW = CandidateConfig(popular=2, popular_in_segment=2)


def listed(
    frame: Any, segments: bool = True, seed: int | None = None, config: CandidateConfig = FEW
) -> dict[tuple[str, str], dict[str, Any]]:
    def table(name: str, given: list[dict[str, Any]]) -> Any:
        mixed = given if seed is None else random.Random(seed).sample(given, len(given))
        return frame(name, *mixed).repartition(1 if seed is None else 3)

    members = table("segments", [{"customer_id": row["customer_id"]} for row in PROFILE]) if segments else None
    result = candidates(
        table("profile", PROFILE), table("product_types", TYPES), table("affinity", AFFINITY),
        table("bought_together", TOGETHER), table("als_users", USERS), table("als_items", ITEMS), config, members,
    )  # fmt: skip
    return {(row["customer_id"], row["product_type"]): row.asDict() for row in result.collect()}


@pytest.fixture(scope="module")
def picked(frame: Any) -> dict[tuple[str, str], dict[str, Any]]:
    return listed(frame)


def test_each_source_brings_what_it_knows_and_the_first_to_rank_it_names_it(picked):
    sources = {key: row["source"] for key, row in picked.items()}
    assert sources == {
        ("a", "BREAD"): "personal_frequency",
        ("a", "JAM"): "bought_together",
        ("a", "TEA"): "similar_customers",
        ("a", "MILK"): "similar_customers",
        ("b", "MILK"): "personal_frequency",
        ("b", "BREAD"): "personal_frequency",
        ("cold", "BREAD"): "popular_in_segment",
        ("cold", "MILK"): "popular_in_segment",
    }


def test_personal_frequency_prefers_the_later_purchase_among_equals(picked):
    assert [picked["b", name]["personal_frequency_rank"] for name in ("MILK", "BREAD")] == [1, 2]


def test_inputs_are_what_the_tables_say(picked):
    row = picked["a", "BREAD"]
    assert set(RANKER_INPUTS) <= set(row)
    assert row["pair_due_ratio"] == 5 / 4
    assert (row["pair_share_84"], row["pair_share_total"]) == (3 / 5, 4 / 10)
    assert row["department_affinity"] == 2.5
    assert (row["als_score"], row["together_score"]) == (pytest.approx(0.9), 0.0)
    assert row["type_trend"] == 3 * 10 / 20
    # one of three members bought it in 28 days; fifty customers of the overall popularity are the prior
    assert row["segment_popularity"] == pytest.approx((1 + 50 * 0.5) / (3 + 50))
    assert picked["a", "JAM"]["together_score"] == 0.2
    assert picked["a", "JAM"]["pair_baskets_total"] is None


def test_leads_compare_types_that_the_customer_never_bought(picked):
    new = [row for (who, _), row in picked.items() if who == "a" and row["pair_baskets_total"] is None]
    best = max(row["ease_new_score"] for row in new)
    assert best > 0
    for row in new:
        assert row["ease_new_lead"] == pytest.approx(row["ease_new_score"] / best, abs=1e-5)


def test_what_is_bought_already_is_found_by_frequency_alone(picked):
    for row in picked.values():
        if row["pair_baskets_total"] is not None:
            assert row["bought_together_rank"] is None
            assert row["similar_customers_rank"] is None


def test_a_negative_association_and_what_is_not_offered_bring_nothing(picked):
    assert not any(name in ("SALT", "FUEL") for _, name in picked)


def test_the_order_of_rows_and_their_partitions_change_nothing(frame, picked):
    assert listed(frame, seed=7) == picked


def test_blocks_shrink_where_types_are_many_and_change_nothing(frame, picked):
    assert [CandidateConfig(block=512, cells=2_000_000).rows(types) for types in (0, 100, 200_000, 3_000_000)] == [
        512, 512, 10, 1,
    ]  # fmt: skip
    assert listed(frame, config=replace(FEW, cells=1)) == picked


def test_without_segments_cold_customers_get_what_is_popular(frame):
    sources = {key[1]: row["source"] for key, row in listed(frame, segments=False).items() if key[0] == "cold"}
    assert sources == {"BREAD": "popular", "MILK": "popular"}


def test_offerable_keeps_to_the_rules(frame):
    types = frame(
        "product_types",
        {"product_type": "RARE", "buyers": 9},
        {"product_type": "FUEL", "department": "FUEL"},
        {"product_type": "NOWHERE", "department": None},
        {"product_type": "BREAD"},
    )
    rules = ProductTypeOffers(min_buyers=10, exclude_departments=["FUEL"], margin=0.2, cost=0)
    assert {row["product_type"] for row in offerable(types, rules).collect()} == {"NOWHERE", "BREAD"}
