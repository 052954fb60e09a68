from __future__ import annotations

import random
from datetime import date, timedelta
from decimal import Decimal

import pytest

from conf.settings.schema import CouponOffers, Offers, Policy, ProductTypeOffers
from scoring.offers.arbitration import choose, rank_product_types, value_coupons, value_product_types
from scoring.offers.next_best_offers import scored_coupons
from scoring.offers.policy import NOT_TARGETED, UNPROFITABLE

OFFERS = Offers(
    per_customer=3,
    product_types=ProductTypeOffers(min_buyers=1, margin=0.25, cost=0.02),
    coupons=CouponOffers(margin=0.5, discount=2.0, max_per_customer=2),
)
TYPE = "customer_id string, product_type string, propensity double, pair_spend_84 double, pair_baskets_84 double, \
type_spend_per_buyer_28 double, type_spend_per_new_buyer_28 double, is_discovery boolean, removed_by string"
COUPON = "customer_id string, offer_id string, scope_probability double, response_probability double, \
scope_spend_84 double, scope_baskets_84 double, scope_spend_per_buyer_28 double, offer_discount double, \
removed_by string"


def test_value_of_a_product_type_by_hand(rows):
    result = value_product_types(
        rows(
            TYPE,
            ("a", "OFTEN", 0.5, 12.0, 20.0, 4.0, 3.0, False, None),
            ("a", "TWICE", 0.5, 6.0, 2.0, 4.0, 3.0, False, None),
            ("a", "ONCE", 0.2, 6.0, 1.0, 4.0, 3.0, False, None),
            ("a", "LONG AGO", 0.2, 0.0, 0.0, 4.0, 3.0, False, None),
            ("a", "NEVER", 0.1234567, None, None, 4.0, 3.0, True, None),
        ),
        OFFERS,
    )
    values = {row["product_type"]: (row["expected_spend"], row["expected_value"]) for row in result.collect()}
    # own spend over the windows of 28 days with a purchase, others' mean as one more: three windows, all but surely
    assert values["OFTEN"] == (
        pytest.approx((12 + 4) / (3 + 1), rel=1e-3),
        pytest.approx(0.5 * 4 * 0.25 - 0.02, rel=1e-3),
    )
    assert values["TWICE"][0] == pytest.approx((6 + 4) / (3 * (1 - 4 / 9) + 1), abs=1e-6)
    assert values["ONCE"] == (5.0, pytest.approx(0.2 * 5 * 0.25 - 0.02))
    assert values["LONG AGO"] == (3.0, pytest.approx(0.2 * 3 * 0.25 - 0.02))
    assert values["NEVER"] == (3.0, pytest.approx(0.123457 * 3 * 0.25 - 0.02, abs=1e-6))


def test_value_of_a_coupon_by_hand(rows):
    result = value_coupons(
        rows(
            COUPON,
            ("a", "assumed", 0.5, 0.1, 8.0, 1.0, 4.0, None, None),
            ("a", "known", 0.5, 0.1, 8.0, 1.0, 4.0, 0.5, None),
        ),
        OFFERS,
    )
    values = {row["offer_id"]: (row["propensity"], row["expected_value"]) for row in result.collect()}
    # the probability of a coupon is that it is redeemed, however often its scope is bought in
    assert values == {
        "assumed": (0.1, pytest.approx(0.1 * (6 * 0.5 - 2.0))),
        "known": (0.1, pytest.approx(0.1 * (6 * 0.5 - 0.5))),
    }


def chosen(rows, types, coupons=None, offers=OFFERS):
    ranked = rank_product_types(value_product_types(rows(TYPE, *types), offers))
    valued = None if coupons is None else value_coupons(rows(COUPON, *coupons), offers)
    result = sorted(choose(ranked, valued, offers).collect(), key=lambda row: (row["customer_id"], row["rank"]))
    return [(row["customer_id"], row["offer_id"], row["rank"]) for row in result]


def test_product_types_are_taken_by_propensity_and_shown_by_value(rows):
    types = [
        ("a", "SURE", 0.9, None, None, 1.0, 1.0, True, None),
        ("a", "DEAR", 0.6, None, None, 50.0, 50.0, True, None),
        ("a", "SENT", 0.8, None, None, 9.0, 9.0, True, "contacted recently"),
        ("a", "THIRD", 0.5, None, None, 1.0, 1.0, True, None),
        ("a", "FOURTH", 0.4, None, None, 99.0, 99.0, True, None),
    ]
    assert chosen(rows, types) == [("a", "type:DEAR", 1), ("a", "type:SURE", 2), ("a", "type:THIRD", 3)]


def test_ties_go_to_value_then_to_the_id_whatever_the_order_of_rows(rows):
    types = [
        ("a", name, 0.5, None, None, spend, spend, True, None)
        for name, spend in zip("DCBAE", (1, 1, 1, 1, 2), strict=True)
    ]
    types = [(*row[:5], float(row[5]), float(row[6]), *row[7:]) for row in types]
    expected = [("a", "type:E", 1), ("a", "type:A", 2), ("a", "type:B", 3)]
    for seed in range(2):
        assert chosen(rows, random.Random(seed).sample(types, len(types))) == expected


def test_coupons_take_their_places_by_response(rows):
    types = [(who, name, 0.5, None, None, 4.0, 4.0, False, None) for who in "ab" for name in ("W", "X", "Y", "Z")]
    coupons = [
        ("a", "k1", 0.9, 0.01, None, None, 9.0, None, None),
        ("a", "k2", 0.1, 0.03, None, None, 9.0, None, None),
        ("a", "k3", 0.1, 0.02, None, None, 9.0, None, None),
        ("a", "k4", 0.9, 0.90, None, None, 9.0, None, "already redeemed"),
    ]
    result = chosen(rows, types, coupons)
    assert {offer for who, offer, _ in result if who == "a"} == {"k2", "k3", "type:W"}
    assert [offer for who, offer, _ in result if who == "b"] == ["type:W", "type:X", "type:Y"]
    none = OFFERS.model_copy(update={"coupons": OFFERS.coupons.model_copy(update={"max_per_customer": 0})})
    assert not any("k" in offer for _, offer, _ in chosen(rows, types, coupons, none))


def test_ranks_overall_and_among_repeats_and_discoveries(rows):
    types = [
        ("a", "R1", 0.9, None, None, 1.0, 1.0, False, "contacted recently"),
        ("a", "D1", 0.8, None, None, 1.0, 1.0, True, None),
        ("a", "R2", 0.7, None, None, 1.0, 1.0, False, None),
    ]
    result = rank_product_types(value_product_types(rows(TYPE, *types), OFFERS)).collect()
    assert {row["product_type"]: (row["rank"], row["rank_in_slice"], row["offer_rank"]) for row in result} == {
        "R1": (1, 1, None),
        "D1": (2, 1, 1),
        "R2": (3, 2, 2),
    }


def test_places_are_kept_for_what_the_customer_never_bought(rows):
    types = [
        ("a", "R1", 0.9, None, None, 1.0, 1.0, False, None),
        ("a", "R2", 0.8, None, None, 1.0, 1.0, False, None),
        ("a", "R3", 0.7, None, None, 1.0, 1.0, False, None),
        ("a", "SENT", 0.3, None, None, 1.0, 1.0, True, "contacted recently"),
        ("a", "D1", 0.2, None, None, 1.0, 1.0, True, None),
        ("a", "D2", 0.1, None, None, 1.0, 1.0, True, None),
        ("none", "R1", 0.9, None, None, 1.0, 1.0, False, None),
    ]
    valued = value_product_types(rows(TYPE, *types), OFFERS)
    for places, expected in ((0, {"R1", "R2", "R3"}), (1, {"R1", "R2", "D1"}), (2, {"R1", "D1", "D2"})):
        result = choose(rank_product_types(valued, places), None, OFFERS).collect()
        assert {row["product_type"] for row in result if row["customer_id"] == "a"} == expected
        assert [row["product_type"] for row in result if row["customer_id"] == "none"] == ["R1"]


def test_a_coupon_that_costs_more_than_it_brings_is_removed(frame, rows):
    day = date(2017, 12, 3)
    offers = frame("offers", *({"offer_id": name, "campaign_id": "A", "kind": "coupon", "title": name, "discount": cost,
                                "valid_from": day, "valid_to": day + timedelta(days=9)}
                               for name, cost in (("gains", Decimal(1)), ("loses", Decimal(900)))))  # fmt: skip
    targets = frame("campaign_targets", {"campaign_id": "A", "customer_id": "a", "targeted_on": day})
    pairs = frame("coupon_affinity", *({"customer_id": who, "offer_id": name, "scope_baskets_total": 4}
                                       for who in "ab" for name in ("gains", "loses")))  # fmt: skip
    policy = Policy(control_salt="pepper-and-salt")
    result = scored_coupons(pairs, None, None, offers, targets, None, OFFERS, policy, day).collect()
    assert {(row["customer_id"], row["offer_id"]): row["removed_by"] for row in result} == {
        ("a", "gains"): None,
        ("a", "loses"): UNPROFITABLE,
        ("b", "gains"): NOT_TARGETED,
        ("b", "loses"): NOT_TARGETED,
    }
