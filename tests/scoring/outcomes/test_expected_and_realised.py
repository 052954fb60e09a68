"""Sums of what offers were expected to bring, and brought, by hand."""

from __future__ import annotations

import pytest

from conf.settings.schema import CouponOffers, Offers, ProductTypeOffers
from scoring.outcomes.expected_and_realised import FIGURES, METRICS, expected_and_realised, names, verdict

RULES = Offers(
    per_customer=3,
    product_types=ProductTypeOffers(min_buyers=1, margin=0.25, cost=0.02),
    coupons=CouponOffers(margin=0.5, discount=2.0, max_per_customer=2),
)
OFFER = "customer_id string, offer_kind string, offer_id string, propensity double, response_probability double, \
expected_value double, is_discovery boolean"


def test_sums_by_hand(rows):
    offers = rows(
        OFFER,
        ("a", "product_type", "type:MILK", 0.9, None, 0.88, False),
        ("a", "product_type", "type:TEA", 0.2, None, 0.18, True),
        ("a", "coupon", "assumed", 0.6, 0.1, 1.0, False),
        ("a", "coupon", "known", 0.3, 0.2, 0.5, False),
        ("b", "product_type", "type:MILK", 0.5, None, 0.3, False),
    )
    types = rows("customer_id string, product_type string, spend double", ("a", "MILK", 8.0), ("b", "TEA", 4.0))
    # the wide scope holds what the other does; money came back for more than was spent in it
    scopes = rows("customer_id string, offer_id string, spend double", ("a", "assumed", 10.0), ("a", "known", -2.0))
    redeemed = rows(
        "customer_id string, offer_id string, discount double",
        ("a", "assumed", None),
        ("a", "known", 0.5),
        ("b", "known", 0.5),
    )
    result = expected_and_realised(offers, types, scopes, redeemed, RULES).collect()
    actual = {
        (row["customer_id"], row["offer_kind"], row["slice"]): {
            figure: tuple(row[side] for side in names(figure)[:2]) for figure in FIGURES[row["offer_kind"]]
        }
        for row in result
    }
    milk, brought = 8 * 0.25 - 0.02, (10 * 0.5 - 2) + (-2 * 0.5 - 0.5)
    coupons = {"redemptions": near(0.3, 2), "value": near(1.5, brought)}
    assert actual == {
        ("a", "product_type", "all"): {"purchases": near(1.1, 1), "value": near(1.06, milk - 0.02)},
        ("a", "product_type", "repeat"): {"purchases": near(0.9, 1), "value": near(0.88, milk)},
        ("a", "product_type", "discovery"): {"purchases": near(0.2, 0), "value": near(0.18, -0.02)},
        ("b", "product_type", "all"): {"purchases": near(0.5, 0), "value": near(0.3, -0.02)},
        ("b", "product_type", "repeat"): {"purchases": near(0.5, 0), "value": near(0.3, -0.02)},
        ("a", "coupon", "all"): coupons,
        ("a", "coupon", "repeat"): coupons,
    }


def near(expected: float, realised: float):
    return pytest.approx((expected, realised))


def test_every_figure_has_its_metrics_and_a_verdict():
    assert names("value") == ("expected_value", "realised_value", "value_ratio")
    assert {name for one in FIGURES.values() for figure in one for name in names(figure)} == METRICS
    assert [verdict(*ends) for ends in ((1.01, 1.2), (0.9, 1.0), (0.8, 0.99))] == ["more", "as expected", "less"]
