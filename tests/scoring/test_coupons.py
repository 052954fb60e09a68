from __future__ import annotations

from scoring.coupons import COUPON_INPUTS, coupon_rows


def test_counts_and_shares_of_customer_and_coupon(frame):
    coupons = frame(
        "coupon_affinity",
        {"customer_id": "a", "offer_id": "x", "scope_baskets_84": 2, "scope_baskets_total": 5, "scope_spend_84": 6.0},
        {"customer_id": "a", "offer_id": "y", "already_redeemed": True, "customer_responses_total": 1},
        {"customer_id": "a", "offer_id": "z", "campaign_id": "B"},
        {"customer_id": "stranger", "offer_id": "x"},
    )
    profile = frame("profile", {"customer_id": "a", "spend_84": 24.0, "campaigns_total": 4})
    found = {(row["customer_id"], row["offer_id"]): row.asDict() for row in coupon_rows(coupons, profile).collect()}
    x = found["a", "x"]
    assert (x["scope_share_84"], x["scope_share_total"], x["scope_spend_share_84"]) == (2 / 5, 5 / 10, 6 / 24)
    assert (x["campaign_coupons"], x["open_coupons"]) == (2.0, 3.0)
    assert found["a", "y"]["response_rate"] == 1 / 4
    stranger = found["stranger", "x"]
    assert stranger["scope_share_84"] is None
    assert all(isinstance(x[name], float | None) for name in COUPON_INPUTS)
