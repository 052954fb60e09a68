from __future__ import annotations

from datetime import date

from features.items.coupons import coupon_affinity

AS_OF = date(2017, 12, 3)
PRODUCTS = ("milk DAIRY D", "cream DAIRY D", "bun BREAD B", "jam SWEET S", "cocoa DRINKS S")
LINES = (
    "c1 o1 2017-12-01 milk 2.00",
    "c1 o1 2017-12-01 cream 1.00",  # the same basket
    "c1 o2 2017-10-01 milk 4.00",
    "c1 o3 2017-01-05 cream 5.00",
    "c1 o4 2017-12-02 milk 1.00 return=yes",
    "c3 o5 2017-11-30 milk 6.00",  # not targeted, but demand
)
OFFERS = (
    "k1 A coupon 2017-11-20 2017-12-20",
    "k2 A coupon 2017-12-04 2017-12-31",  # from tomorrow on
    "k3 A coupon 2017-11-01 2017-12-03",  # over tomorrow
    "k4 A coupon 2017-12-05 2017-12-31",  # not yet
    "k5 A gift 2017-11-20 2017-12-20",
    "k6 B coupon 2017-11-20 2017-12-04",
)
SCOPE = ("k1 milk", "k1 cream", "k2 bun", "k3 milk", "k6 jam", "k6 cocoa", "k6 ghost")
TARGETS = ("A c1 2017-12-01", "A c2 2017-12-04", "B c2 2017-12-03")
RESPONSES = (
    "r1 c3 k1 redeemed 2017-12-01",
    "r2 c1 k1 redeemed 2017-11-25",
    "r3 c1 k3 redeemed 2017-11-02",
    "r4 c1 k2 clicked 2017-12-03",
)


def build(crm, lines=LINES, responses=RESPONSES):
    return coupon_affinity(
        crm.lines(*lines), crm.products(*PRODUCTS), crm.offers(*OFFERS), crm.scope(*SCOPE),
        crm.campaigns("A TypeA 2017-11-01 2017-12-31"), crm.targets(*TARGETS), crm.responses(*responses), AS_OF,
    )  # fmt: skip


def test_example_and_what_comes_later(crm, rows):
    result = rows(build(crm), "customer_id", "offer_id")
    assert set(result) == {("c1", "k1"), ("c1", "k2"), ("c2", "k6")}
    assert result["c1", "k1"].asDict() == {
        "customer_id": "c1",
        "offer_id": "k1",
        "campaign_id": "A",
        "campaign_kind": "TypeA",
        "valid_to": date(2017, 12, 20),
        "days_left": 17,
        "days_running": 13,
        "scope_products": 2,
        "scope_types": 1,
        "scope_main_type": "DAIRY",
        "scope_baskets_28": 1,
        "scope_baskets_84": 2,
        "scope_baskets_total": 3,
        "scope_spend_84": 6.0,
        "scope_days_since_last": 2,
        "scope_buyers_28": 2,
        "scope_spend_per_buyer_28": ((2.0 + 1.0 - 1.0) + 6.0) / 2,
        "offer_responses": 2,
        "customer_responses_total": 2,
        "customer_responses_campaign": 2,
        "already_redeemed": True,
    }
    never = result["c1", "k2"]
    assert (never["scope_baskets_total"], never["scope_spend_84"], never["scope_days_since_last"]) == (0, 0.0, None)
    assert (never["scope_buyers_28"], never["scope_spend_per_buyer_28"], never["days_running"]) == (0, 0.0, -1)
    assert (never["already_redeemed"], never["customer_responses_campaign"]) == (False, 2)
    unsold = result["c2", "k6"]
    assert (unsold["scope_products"], unsold["scope_types"], unsold["scope_main_type"]) == (3, 2, "DRINKS")
    assert (unsold["campaign_kind"], unsold["offer_responses"], unsold["customer_responses_total"]) == (None, 0, 0)

    later = ("c1 o9 2017-12-04 bun 9.00", "c3 o9 2017-12-04 milk 9.00", "c2 o9 2017-12-05 jam 9.00")
    again = rows(
        build(crm, (*later, *reversed(LINES)), (*reversed(RESPONSES), "r9 c1 k2 redeemed 2017-12-04")),
        "customer_id",
        "offer_id",
    )
    assert again == result
