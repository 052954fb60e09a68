from __future__ import annotations

import hashlib
from collections import Counter
from datetime import UTC, date, datetime, timedelta

from hypothesis import HealthCheck, given, settings as profile, strategies as st
from pyspark.sql import functions as F

from conf.settings.schema import Policy
from conf.settings.source import Consent
from scoring.offers.policy import (
    DURABLE,
    GONE,
    NO_CONSENT,
    NOT_RECORDED,
    NOT_TARGETED,
    NOT_VALID,
    OPTED_OUT,
    REDEEMED,
    REPEATED,
    TOO_OFTEN,
    UNFIT,
    contact_rights,
    is_control,
    keep_within_ceiling,
    mark_coupons,
    mark_product_types,
    with_touches,
    without_gone,
)

DAY = date(2017, 12, 3)
ZONE = "America/New_York"
POLICY = Policy(
    control_share=0.1, control_salt="pepper-and-salt", max_contacts=2, contact_window_days=14, repeat_days=7
)
RECORDED = Consent(recorded=True)


def rights(customers, consents=None, contacts=None, consent=RECORDED, policy=POLICY):
    result = contact_rights(customers, consents, contacts, consent, policy, DAY, ZONE).collect()
    return {
        row["customer_id"]: row["blocked_by"] for row in result if row["contactable"] == (row["blocked_by"] is None)
    }


def test_control_is_a_salted_hash_of_the_id_and_a_tenth(rows):
    ids = [f"{number}" for number in range(5000)]
    frame = rows("customer_id string", *((i,) for i in ids)).withColumn("c", is_control(F.col("customer_id"), POLICY))
    result = {row["customer_id"]: row["c"] for row in frame.collect()}

    def hashed(customer: str) -> bool:
        digest = hashlib.sha256(f"pepper-and-salt:{customer}".encode()).hexdigest()
        return int(digest[:8], 16) / 2**32 < 0.1

    assert result == {customer: hashed(customer) for customer in ids}
    assert 0.085 < sum(result.values()) / len(result) < 0.115
    assert result != {
        row["customer_id"]: row["c"]
        for row in frame.withColumn(
            "c", is_control(F.col("customer_id"), POLICY.model_copy(update={"control_salt": "another salt"}))
        ).collect()
    }


DECISION = st.tuples(
    st.sampled_from(["mail", "*", "sms"]),
    st.sampled_from(["marketing", "*", "research"]),
    st.booleans(),
    st.integers(min_value=-3, max_value=2),
)


@profile(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(histories=st.lists(st.lists(DECISION, max_size=5), min_size=30, max_size=30))
def test_an_opted_out_customer_is_never_contactable(frame, histories):
    noon = datetime(2017, 12, 3, 17, tzinfo=UTC)
    people = [{"customer_id": f"c{number}"} for number in range(len(histories))]
    decisions = [
        {"customer_id": f"c{number}", "channel": channel, "purpose": purpose, "granted": granted,
         "changed_at": noon + timedelta(days=days)}
        for number, history in enumerate(histories)
        for channel, purpose, granted, days in history
    ]  # fmt: skip
    nobody_held_back = POLICY.model_copy(update={"control_share": 0.0})
    result = rights(frame("customers", *people), frame("consents", *decisions), policy=nobody_held_back)

    def expected(history: list) -> str | None:
        newest: dict[tuple[str, str], tuple[int, bool]] = {}
        for channel, purpose, granted, days in history:
            if channel == "sms" or purpose == "research" or days > 0:
                continue
            key, value = (channel, purpose), (days, not granted)  # of two at the same moment the refusal wins
            newest[key] = max(newest.get(key, value), value)
        if any(refused for _, refused in newest.values()):
            return OPTED_OUT
        return None if newest else NO_CONSENT

    assert result == {f"c{number}": expected(history) for number, history in enumerate(histories)}


def test_a_decision_counts_until_the_local_day_ends(frame):
    late = {"channel": "*", "purpose": "*", "granted": True}
    consents = frame(
        "consents",
        {"customer_id": "before", "changed_at": datetime(2017, 12, 4, 4, 59, 59, tzinfo=UTC), **late},
        {"customer_id": "after", "changed_at": datetime(2017, 12, 4, 5, 0, 0, tzinfo=UTC), **late},
    )
    people = frame("customers", {"customer_id": "before"}, {"customer_id": "after"})
    assert rights(people, consents) == {"before": None, "after": NO_CONSENT}


def test_silence_is_refused_unless_the_source_assumes_otherwise(frame):
    people = frame("customers", {"customer_id": "a"})
    assert rights(people) == {"a": NO_CONSENT}
    assert rights(people, consent=Consent(recorded=False)) == {"a": NOT_RECORDED}
    assert rights(people, consent=Consent(recorded=False, assume="granted")) == {"a": None}


def test_contacts_within_the_window_count(frame):
    granted = Consent(recorded=False, assume="granted")
    touches = frame(
        "touches",
        *({"touch_id": f"{who}{n}", "customer_id": who, "touched_on": DAY - timedelta(days=ago)}
          for who, days in {"full": (0, 13), "old": (0, 14), "future": (0, -1)}.items()
          for n, ago in enumerate(days)),
    )  # fmt: skip
    people = frame("customers", *({"customer_id": who} for who in ("full", "old", "future", "never")))
    assert rights(people, contacts=touches, consent=granted) == {
        "full": TOO_OFTEN, "old": None, "future": None, "never": None,
    }  # fmt: skip


def test_who_is_gone_from_the_crm_is_not_contacted_whatever_he_agreed_to(frame):
    late = {"channel": "*", "purpose": "*", "changed_at": datetime(2017, 1, 1, tzinfo=UTC)}
    consents = frame(
        "consents",
        *(
            {"customer_id": who, "granted": granted, **late}
            for who, granted in (("a", True), ("b", True), ("c", False))
        ),
    )
    people = frame("customers", *({"customer_id": who} for who in "abc"))
    given = contact_rights(people, consents, None, RECORDED, POLICY, DAY, ZONE)
    rows = without_gone(given, frame("customers", {"customer_id": "a"}))
    assert rows.columns == given.columns
    result = {row["customer_id"]: (row["contactable"], row["blocked_by"]) for row in rows.collect()}
    assert result == {"a": (True, None), "b": (False, GONE), "c": (False, OPTED_OUT)}


def test_a_delivery_that_the_crm_records_too_counts_once(frame, rows):
    sent = "customer_id string, offer_id string, touched_on date"
    delivered = rows(sent, ("a", "type:X", DAY), ("a", None, DAY), ("b", None, DAY), ("c", "7", DAY))
    touches = frame(
        "touches",
        *({"touch_id": f"{n}", "customer_id": who, "offer_id": offer, "touched_on": day, "is_control": held}
          for n, (who, offer, day, held) in enumerate((
              ("a", "type:X", DAY, None),  # the first delivery
              ("a", None, DAY, False),  # names no offer: one of the two
              ("b", "9", DAY, None),  # another offer: a contact of its own
              ("c", None, DAY - timedelta(days=1), None),
              ("c", None, DAY - timedelta(days=1), None),
              ("c", None, DAY - timedelta(days=2), True),  # held back
          ))),
    )  # fmt: skip
    granted = Consent(recorded=False, assume="granted")
    people = frame("customers", *({"customer_id": who} for who in ("a", "b", "c", "d")))
    result = contact_rights(people, None, with_touches(delivered, touches), granted, POLICY, DAY, ZONE).collect()
    assert {row["customer_id"]: row["recent_contacts"] for row in result} == {"a": 2, "b": 2, "c": 3, "d": 0}
    assert {row["customer_id"] for row in result if row["contactable"]} == {"d"}
    assert with_touches(delivered, None) is delivered


def test_coupons_are_removed_for_a_reason_each(frame):
    offers = frame(
        "offers",
        *({"offer_id": i, "campaign_id": "A", "kind": "coupon", "title": f"Coupon {i}", "valid_from": a, "valid_to": b}
          for i, a, b in (
              ("good", DAY, DAY + timedelta(days=9)),
              ("ends tonight", DAY - timedelta(days=9), DAY),
              ("ends tomorrow", DAY - timedelta(days=9), DAY + timedelta(days=1)),
              ("starts tomorrow", DAY + timedelta(days=1), DAY + timedelta(days=9)),
              ("starts later", DAY + timedelta(days=2), DAY + timedelta(days=9)),
              ("sent", DAY, DAY + timedelta(days=9)),
              ("sent long ago", DAY, DAY + timedelta(days=9)),
          )),
    )  # fmt: skip
    targets = frame(
        "campaign_targets",
        {"campaign_id": "A", "customer_id": "a", "targeted_on": DAY},
        {"campaign_id": "A", "customer_id": "late", "targeted_on": DAY + timedelta(days=1)},
    )
    sent = frame(
        "touches",
        {"touch_id": "1", "customer_id": "a", "offer_id": "sent", "touched_on": DAY - timedelta(days=6)},
        {"touch_id": "2", "customer_id": "a", "offer_id": "sent long ago", "touched_on": DAY - timedelta(days=7)},
        {"touch_id": "3", "customer_id": "a", "offer_id": None, "touched_on": DAY},
        {"touch_id": "4", "customer_id": "b", "offer_id": "good", "touched_on": DAY},
    )
    names = ("good", "ends tonight", "ends tomorrow", "starts tomorrow", "starts later", "sent", "sent long ago")
    rows = frame(
        "coupon_affinity",
        *({"customer_id": "a", "offer_id": name} for name in names),
        {"customer_id": "a", "offer_id": "unknown"},
        {"customer_id": "late", "offer_id": "good"},
        {"customer_id": "stranger", "offer_id": "good"},
    )
    marked = mark_coupons(rows, offers, targets, sent, POLICY, DAY).collect()
    result = {(row["customer_id"], row["offer_id"]): row["removed_by"] for row in marked}
    assert result == {
        ("a", "good"): None,
        ("a", "ends tonight"): NOT_VALID,
        ("a", "ends tomorrow"): None,
        ("a", "starts tomorrow"): None,
        ("a", "starts later"): NOT_VALID,
        ("a", "sent"): REPEATED,
        ("a", "sent long ago"): None,
        ("a", "unknown"): NOT_VALID,
        ("late", "good"): NOT_TARGETED,
        ("stranger", "good"): NOT_TARGETED,
    }
    again = mark_coupons(rows.withColumn("already_redeemed", F.lit(True)), offers, targets, sent, POLICY, DAY)
    counts = Counter(row["removed_by"] for row in again.collect())
    assert counts == {REDEEMED: 5, NOT_VALID: 3, NOT_TARGETED: 2}


def test_a_product_type_that_was_sent_lately_is_removed(frame, rows):
    sent = frame("touches", {"touch_id": "1", "customer_id": "a", "offer_id": "type:X", "touched_on": DAY})
    offers = rows("customer_id string, offer_id string", ("a", "type:X"), ("a", "type:Y"), ("b", "type:X"))
    result = {(row[0], row[1]): row["removed_by"] for row in mark_product_types(offers, sent, POLICY, DAY).collect()}
    assert result == {("a", "type:X"): REPEATED, ("a", "type:Y"): None, ("b", "type:X"): None}
    assert {row["removed_by"] for row in mark_product_types(offers, None, POLICY, DAY).collect()} == {None}


def test_what_is_bought_once_and_what_does_not_suit_is_removed(rows):
    offers = rows(
        "customer_id string, offer_id string, pair_baskets_total double, type_renewable boolean, unfit boolean",
        ("owner", "type:TV", 1.0, False, False),
        ("stranger", "type:TV", None, False, False),
        ("owner", "type:MILK", 9.0, True, False),
        ("owner", "type:NEW", 1.0, None, None),
        ("owner", "type:TYRES", 0.0, True, True),
    )
    result = {(row[0], row[1]): row["removed_by"] for row in mark_product_types(offers, None, POLICY, DAY).collect()}
    assert result == {
        ("owner", "type:TV"): DURABLE,
        ("stranger", "type:TV"): None,
        ("owner", "type:MILK"): None,
        ("owner", "type:NEW"): None,
        ("owner", "type:TYRES"): UNFIT,
    }


def test_a_coupon_that_costs_more_than_the_ceiling_is_removed(rows):
    coupons = rows(
        "customer_id string, offer_discount double, removed_by string",
        ("a", 2.0, None), ("b", 3.0, None), ("c", 3.0, "not valid tonight"), ("d", None, None), ("e", 9.0, None),
    )  # fmt: skip
    scores = rows(
        "customer_id string, offer_ceiling double", ("a", 2.0), ("b", 2.0), ("c", 2.0), ("d", 0.5), ("e", None)
    )
    result = {r["customer_id"]: r["removed_by"] for r in keep_within_ceiling(coupons, scores, 1.0).collect()}
    beyond = "beyond the customer's ceiling"
    assert result == {"a": None, "b": beyond, "c": "not valid tonight", "d": beyond, "e": None}
