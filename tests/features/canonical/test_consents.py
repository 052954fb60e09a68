"""Consents as sources write them: what is no clear yes is a no."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest
from pydantic import ValidationError
from pyspark.sql import SparkSession

from conf.settings.consent import Consent, Ids
from conf.settings.source import Part
from features.canonical.consents import channel_of, consent_rows
from features.canonical.mapping import Reading

DROP = date(2025, 3, 2)
COLUMNS = {"customer_id": "who", "channel": "ch", "purpose": "why", "granted": "ok", "changed_at": "to_timestamp(at)"}
RAW = "who string, ch string, why string, ok string, at string, _file string, _row long, _ds date"
#: Moscow is three hours ahead: the end of the day of the drop
END = datetime(2025, 3, 2, 20, 59, 59, 999999, tzinfo=UTC)
NOON = "2025-03-01 12:00:00"


@pytest.fixture(scope="module")
def lenient(spark: SparkSession) -> SparkSession:
    session = spark.newSession()
    session.conf.set("spark.sql.ansi.enabled", "false")
    session.conf.set("spark.sql.session.timeZone", "UTC")
    return session


def read(session: SparkSession, *rows: tuple[str | None, ...], consent: Consent | None = None, **part: str) -> list:
    frame = session.createDataFrame([(*row, "c.csv", n, DROP) for n, row in enumerate(rows, 1)], RAW)
    mapping = Part(export="c", columns=COLUMNS, **part)
    result = consent_rows(frame, mapping, Reading(Ids()), consent or Consent(recorded=True), "Europe/Moscow")
    return result.orderBy("_row", "granted").collect()


def test_decisions_in_many_spellings(lenient: SparkSession) -> None:
    yes = ["yes", "Y", "true", "1", "1.0", "on", "opt_in", "Opted-In", "subscribed", "да", "Д", "Согласен", "oui"]
    no = ["no", "N", "false", "0", "0.0", "off", "opt-out", "OPTED_OUT", "unsubscribed", "нет", "отказ", "nein"]
    neither = ["perhaps", "2", "-", "", None, "pending", "yes and no"]
    result = read(lenient, *(("c", "email", "marketing", word, NOON) for word in [*yes, *no, *neither]))
    assert [row.granted for row in result] == [True] * len(yes) + [False] * (len(no) + len(neither))
    assert [row._doubt for row in result] == [None] * len(yes + no) + ["unreadable decision"] * len(neither)
    own = Consent(recorded=True, granted=["pending"], refused=["1"])
    assert [row.granted for row in read(lenient, ("c", "email", "x", "Pending", NOON), ("c", "email", "x", "1", NOON),
                                        consent=own)] == [True, False]  # fmt: skip


@pytest.mark.parametrize(
    ("written", "channel"),
    [
        ("E-Mail", "email"), ("e_mail ", "email"), ("Эл. почта", "email"), ("SMS/MMS", "sms"), ("Звонок", "phone"),
        ("direct mail", "post"), ("MAIL", "mail"), ("почта", "mail"), ("WhatsApp", "messenger"), ("web-push", "push"),
        ("all", "*"), ("Все", "*"), ("*", "*"), ("", "*"), (None, "*"), ("pigeon", "*"),
    ],
)  # fmt: skip
def test_channels_of_refusals(lenient: SparkSession, written: str | None, channel: str) -> None:
    (row,) = read(lenient, ("c", written, "Newsletter", "no", NOON))
    assert (row.channel, row.purpose, row._doubt) == (
        channel, "marketing", "unknown channel" if written == "pigeon" else None
    )  # fmt: skip


def test_an_unknown_grant_grants_nothing(lenient: SparkSession) -> None:
    (row,) = read(lenient, ("c", "pigeon", "marketing", "yes", NOON))
    assert (row.channel, row.granted, row._doubt) == ("pigeon", True, "unknown channel")
    (row,) = read(
        lenient,
        ("c", "pigeon", "marketing", "yes", NOON),
        consent=Consent(recorded=True, channels={"Pigeon": "e-mail"}),
    )
    assert (row.channel, row.granted, row._doubt) == ("email", True, None)


def test_a_row_without_a_readable_moment_is_a_refusal_at_the_end_of_its_drop(lenient: SparkSession) -> None:
    unreadable = ["01.03.2025 10:00", "10:00", None, "0001-01-01 00:00:00"]
    result = read(lenient, *(("c", "email", "marketing", word, at) for word in ("yes", "no") for at in unreadable))
    assert {(row.granted, row.changed_at.replace(tzinfo=UTC), row._doubt, row._fault) for row in result} == {
        (False, END, "unreadable moment", None)
    }
    (ahead,) = read(lenient, ("c", "email", "marketing", "no", "2052-03-01 10:00:00"))
    assert (ahead.granted, ahead.changed_at.replace(tzinfo=UTC)) == (False, END)


def test_consent_that_is_deleted_is_refused(lenient: SparkSession) -> None:
    result = read(lenient, ("c", "email", "marketing", "yes", NOON), ("d", "email", "marketing", "yes", NOON),
                 deleted_when="who = 'd'")  # fmt: skip
    assert [(row.customer_id, row.granted) for row in result] == [("c", True), ("d", False), ("d", True)]


def test_only_what_names_no_customer_is_a_fault(lenient: SparkSession) -> None:
    result = read(lenient, *((who, "?", "?", "?", "?") for who in ("c ", "7.9E+11", "N/A", "Итого")))
    assert [(row.customer_id, row._fault) for row in result] == [
        ("c", None), ("7.9E+11", None), ("N/A", "placeholder:customer_id"), ("Итого", "total_line")
    ]  # fmt: skip


def test_own_spellings_stand_for_words_of_the_vocabulary() -> None:
    assert channel_of("E-Mail", Consent(recorded=True)) == "email"
    assert channel_of("brieftaube", Consent(recorded=True)) is None
    with pytest.raises(ValidationError, match=r"brieftaube: pigeon is none of email, sms"):
        Consent(recorded=True, channels={"brieftaube": "pigeon"})
