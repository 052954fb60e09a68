from __future__ import annotations

import math

import pytest

from scoring.offers.coupons import coupon_rows
from training.rankers.inputs import COUPON_INPUTS, RESPONSE_INPUTS


def test_counts_and_shares_of_customer_and_coupon(frame):
    coupons = frame(
        "coupon_affinity",
        {"customer_id": "a", "offer_id": "x", "scope_baskets_84": 2, "scope_baskets_total": 5, "scope_spend_84": 6.0},
        {"customer_id": "a", "offer_id": "y", "already_redeemed": True, "customer_responses_total": 1},
        {"customer_id": "a", "offer_id": "z", "campaign_id": "B"},
        {"customer_id": "stranger", "offer_id": "x"},
    )
    profile = frame("profile", {"customer_id": "a", "spend_84": 24.0, "campaigns_total": 4})
    result = {(row["customer_id"], row["offer_id"]): row.asDict() for row in coupon_rows(coupons, profile).collect()}
    x = result["a", "x"]
    assert (x["scope_share_84"], x["scope_share_total"], x["scope_spend_share_84"]) == (2 / 5, 5 / 10, 6 / 24)
    assert (x["campaign_coupons"], x["open_coupons"]) == (2.0, 3.0)
    assert result["a", "y"]["response_rate"] == 1 / 4
    stranger = result["stranger", "x"]
    assert stranger["scope_share_84"] is None
    assert all(isinstance(x[name], float | None) for name in (*COUPON_INPUTS, *RESPONSE_INPUTS))


def test_a_coupon_stands_against_the_customers_others_of_the_campaign(frame):
    """Frequencies of a's coupons of A: 2*2+5 = 9, 2*1+1 = 3, and two of 0; of b nothing was bought."""
    baskets = {"x": (2, 5), "y": (1, 1), "z": (0, 0), "w": (0, 0)}
    pairs = [
        {"customer_id": "a", "offer_id": offer, "campaign_id": "A", "scope_baskets_84": recent,
         "scope_baskets_total": total, "scope_buyers_28": 8}
        for offer, (recent, total) in baskets.items()
    ]  # fmt: skip
    other = {"customer_id": "a", "offer_id": "v", "campaign_id": "B", "scope_baskets_84": 9, "scope_baskets_total": 9}
    coupons = frame("coupon_affinity", *pairs, other, {"customer_id": "b", "offer_id": "z", "campaign_id": "A"})
    profile = frame("profile", {"customer_id": "a", "baskets_total": 15})
    result = {(row["customer_id"], row["offer_id"]): row for row in coupon_rows(coupons, profile).collect()}
    actual = {offer: (result["a", offer]["scope_frequency"], result["a", offer]["scope_rank"]) for offer in "xyzwv"}
    assert actual == {"x": (9.0, 1.0), "y": (3.0, 2.0), "z": (0.0, 3.5), "w": (0.0, 3.5), "v": (27.0, 1.0)}
    assert [result["a", offer]["scope_lead"] for offer in "xyz"] == [1.0, 3 / 9, 0.0]
    assert result["b", "z"]["scope_lead"] is None
    assert result["a", "y"]["scope_lift"] == pytest.approx(math.log(1.5 / 20) - math.log(10))
