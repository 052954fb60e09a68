"""Whoever said no is not contactable, however the refusal is written."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings as profile, strategies as st

from conf.errors import ConfigError
from conf.settings.consent import Consent
from features.canonical.consents import channel_of, in_words
from scoring.offers.consents import decisions

DAY, NOON = date(2025, 3, 2), datetime(2025, 3, 1, 12, tzinfo=UTC)
RECORDED = Consent(recorded=True)


def refused(frame, customers, rows, channel="email"):
    people = frame("customers", *({"customer_id": key} for key in customers))
    written = frame("consents", *(
        {"customer_id": who, "channel": by, "purpose": why, "granted": granted, "changed_at": at}
        for who, by, why, granted, at in rows
    ))  # fmt: skip
    result = decisions(people, in_words(written, RECORDED), channel_of(channel, RECORDED), DAY, "UTC")
    return {row.customer_id: row.refused for row in result.collect()}


def test_a_refusal_under_another_spelling_of_the_key_counts(frame):
    customers = ["000060", "C-1", "79161234567", "5", "05"]
    yes = [(key, "email", "marketing", True, NOON - timedelta(days=9)) for key in customers]
    written = ["60", "c 1", "7.91612E+10", "05"]
    no = [(key, "email", "marketing", False, NOON) for key in [*written, "somebody else"]]
    assert refused(frame, customers, yes + no) == {
        "000060": True, "C-1": True, "79161234567": True, "05": True, "5": False  # 05 is a customer of that very key
    }  # fmt: skip


def test_a_later_grant_undoes_a_refusal_of_the_same_channel_and_purpose(frame):
    later = NOON + timedelta(hours=1)
    rows = [("a", "E-mail", "ads", False, NOON), ("a", "email", "marketing", True, later),
            ("b", "all", "ads", False, NOON), ("b", "email", "marketing", True, later)]  # fmt: skip
    assert refused(frame, ["a", "b"], rows) == {"a": False, "b": True}


def test_mail_may_mean_letters_or_e_mail(frame):
    rows = [("a", "mail", "marketing", False, NOON), ("b", "mail", "marketing", True, NOON),
            ("c", "post", "marketing", False, NOON), ("d", "email", "marketing", True, NOON)]  # fmt: skip
    assert refused(frame, "abcd", rows, "email") == {"a": True, "d": False}
    assert refused(frame, "abcd", rows, "post") == {"a": True, "b": False, "c": True}


def test_other_purposes(frame):
    rows = [("a", "*", "profiling", False, NOON), ("b", "*", "personal data", False, NOON),
            ("c", "*", "Order updates", False, NOON), ("d", "*", "personal data", True, NOON)]  # fmt: skip
    assert refused(frame, "abcd", rows) == {"a": True, "b": True}


def test_the_channel_of_the_offers_must_be_one(frame):
    with pytest.raises(ConfigError, match=r"policy.channel is none of email, sms"):
        refused(frame, "a", [], "pigeon")


SPELLINGS = {"email": ["email", "E-Mail", "e_mail", "EMAIL ", "Эл. почта"], "sms": ["SMS", "смс", "Text message"],
             "*": ["all", "ALL", "*", "Все", ""], "?": ["pigeon", "e-mial"]}  # fmt: skip
PURPOSES = {"marketing": ["marketing", "Newsletter", "Реклама", "ads"], "*": ["all", "", "*"], "?": ["xyz"]}
KEYS = [lambda key: key, lambda key: f" {key}", lambda key: key.lower(), lambda key: key.replace("0", "", 1)]
ONE = st.tuples(
    st.sampled_from([(word, text) for word, texts in SPELLINGS.items() for text in texts]),
    st.sampled_from([(word, text) for word, texts in PURPOSES.items() for text in texts]),
    st.booleans(),
    st.integers(min_value=-40, max_value=0),
    st.integers(min_value=0, max_value=len(KEYS) - 1),
)


@profile(max_examples=5, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(histories=st.lists(st.lists(ONE, max_size=5), min_size=60, max_size=60))
def test_nobody_whose_last_word_was_no_is_contactable(frame, histories):
    customers = [f"0K{number:03d}" for number in range(len(histories))]
    rows, said_no = [], set()
    for customer, history in zip(customers, histories, strict=True):
        newest = {}
        for (by, by_text), (why, why_text), granted, days, key in history:
            at = NOON + timedelta(days=days)
            rows.append((KEYS[key](customer) if not granted else customer, by_text, why_text, granted, at))
            if by != "sms":  # a grant of what is unknown undoes nothing
                scope = (by, why) if granted else ("*" if by == "?" else by, "*" if why == "?" else why)
                newest[scope] = max(newest.get(scope, (days, not granted)), (days, not granted))
        if any(refusal for _, refusal in newest.values()):
            said_no.add(customer)
    result = refused(frame, customers, rows)
    assert {customer for customer in customers if result.get(customer, True) is False}.isdisjoint(said_no)
