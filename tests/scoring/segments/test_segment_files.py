"""Who gets into a segment file, which rules are refused, and cells that would run."""

from __future__ import annotations

from datetime import date

import pyarrow as pa
import pyarrow.dataset as pads
import pytest
from hypothesis import given, strategies as st

from conf.errors import ConfigError
from conf.settings.schema import Segment
from scoring.segments.segment_files import Selection, neutralised, select

DAY = date(2017, 12, 3)
SCORES = pa.Table.from_pylist(
    [
        {"customer_id": who, "churn_probability": p, "is_valuable": v, "treatment": t, "blocked_by": b}
        for who, p, v, t, b in [
            ("a", 0.9, True, "treated", None),
            ("b", 0.8, True, "treated", None),
            ("c", 0.9, True, "control", None),
            ("d", 0.9, True, "treated", "opted out"),
            ("e", 0.9, True, "control", "opted out"),
            ("f", None, False, "treated", None),
            ("g", 0.1, True, "treated", "contacted too often"),
        ]
    ]
)
OFFERS = pa.Table.from_pylist(
    [
        {"customer_id": who, "rank": rank, "offer_id": offer, "offer_kind": kind, "expected_value": value}
        for who, rank, offer, kind, value in [
            ("a", 1, "type:X", "product_type", 3.0),
            ("a", 2, "7", "coupon", 2.0),
            ("a", 3, "8", "coupon", 9.0),
            ("b", 1, "9", "coupon", 5.0),
            ("c", 1, "7", "coupon", 4.0),
            ("f", 1, "type:Y", "product_type", 1.0),
        ]
    ]
)


def pick(
    where: str,
    given: pa.Table = OFFERS,
    band: dict[str, str | None] | None = None,
    identified: pa.Table | None = None,
    **more: str,
) -> Selection:
    size, count = SCORES.num_rows, OFFERS.num_rows
    scores = SCORES.append_column("ds", pa.array([DAY] * size)).append_column("segment_name", pa.array(["S"] * size))
    scores = scores.append_column("contactable", pa.array([b is None for b in SCORES["blocked_by"].to_pylist()]))
    for name, kind in (("recency_days", pa.int32()), ("spend_84", pa.float64()), ("expected_spend", pa.float64())):
        scores = scores.append_column(name, pa.nulls(size, kind))
    bands = pa.array([(band or {}).get(who) for who in SCORES["customer_id"].to_pylist()], pa.string())
    scores = scores.append_column("churn_band", bands)
    scores = scores.append_column("churn_reasons", pa.array(["few visits"] * size))
    scores = scores.append_column("likely", pa.array(["fish;wine" if who in "abc" else "wine" for who in "abcdefg"]))
    offers = given.append_column("ds", pa.array([DAY] * count))
    for name in ("offer_title", "reason", "channel"):
        offers = offers.append_column(name, pa.array([name] * count))
    offers = offers.append_column("valid_to", pa.nulls(count, pa.date32()))
    for name in ("propensity", "expected_spend"):
        offers = offers.append_column(name, pa.array([0.5] * count))
    segment = Segment(slug="some", title="Some", about="some customers", where=where, **more)
    return select(segment, pads.dataset(scores), pads.dataset(offers), identified)


def ids(selection: Selection) -> list[str]:
    return selection.rows["customer_id"].to_pylist()


def test_control_and_blocked_customers_stay_out_and_are_counted() -> None:
    result = pick("is_valuable and churn_probability > 0.5")
    assert ids(result) == ["a", "b"]
    assert result.suppressed == {"control group": 2, "opted out": 1}


def test_the_channels_identifiers_are_in_the_file_and_who_has_none_is_held_back() -> None:
    recorded = pa.table({"customer_id": ["a", "b", "f", "c"], "email": ["a@x.example", " ", None, "c@x.example"]})
    result = pick("true", identified=recorded)
    assert result.rows.schema.names[:3] == ["customer_id", "email", "segment"]
    assert result.rows["email"].to_pylist() == ["a@x.example"]
    assert result.suppressed == {"contacted too often": 1, "control group": 2, "no email": 2, "opted out": 1}


def test_an_offer_that_costs_more_than_it_brings_is_in_no_file() -> None:
    place = OFFERS.schema.get_field_index("expected_value")
    losing = OFFERS.set_column(place, "expected_value", pa.array([-3.0, 2.0, 9.0, -5.0, 4.0, 0.0]))
    result = pick("true", given=losing, offer_where="true")
    assert list(zip(ids(result), result.rows["expected_value"].to_pylist(), strict=True)) == [("a", 2.0)]


def test_a_condition_that_is_null_picks_nobody() -> None:
    assert ids(pick("churn_probability < 2")) == ["a", "b"]


def test_the_best_ranked_offer_that_fits_is_written() -> None:
    result = pick("true", offer_where="offer_kind = 'coupon'")
    assert list(zip(ids(result), result.rows["offer_id"].to_pylist(), strict=True)) == [("a", "7"), ("b", "9")]
    assert result.suppressed == {"control group": 1}
    assert result.rows["utm_campaign"].to_pylist() == ["some_2017-12-03"] * 2
    assert result.rows["utm_content"].to_pylist() == ["7", "9"]


def test_a_tag_for_web_analytics_has_no_spaces_and_signs() -> None:
    ids = pa.array(["type:FLUID MILK WHITE ONLY", "7", "Молоко & co.", "type:X", "a", "b"])
    place = OFFERS.schema.get_field_index("offer_id")
    result = pick("true", given=OFFERS.set_column(place, "offer_id", ids), offer_where="true")
    assert result.rows["utm_content"].to_pylist() == ["type_fluid_milk_white_only", "type_x", "b"]
    assert pick("true", given=OFFERS.set_column(place, "offer_id", ids), offer_where="offer_id like '%co.'").rows[
        "utm_content"
    ].to_pylist() == ["молоко_co"]


def test_who_is_not_leaving_has_no_reasons_to_leave() -> None:
    band = dict(zip("abcdefg", ("low", "middle", "low", "low", "low", None, "low"), strict=True))
    rows = pick("true", band=band).rows.to_pylist()
    assert {row["customer_id"]: row["churn_reasons"] for row in rows} == {"a": None, "b": "few visits", "f": None}


def test_a_segment_without_offers_has_no_offer_columns() -> None:
    assert "offer_id" not in pick("true").rows.schema.names


def test_the_order_may_use_columns_of_both_tables_and_ties_fall_by_customer() -> None:
    assert ids(pick("true", offer_where="true", order_by="expected_value desc")) == ["b", "a", "f"]
    assert ids(pick("true", offer_where="true", order_by="offer_expected_spend")) == ["a", "b", "f"]
    assert ids(pick("true", order_by="churn_probability desc nulls last")) == ["a", "b", "f"]


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        ("churm > 0.5", "there is no column churm; have customer_id, churn_probability"),
        ("is_valuable; drop table scores", "syntax error"),
        ("true) union select * from (values (1)) where (true", "is no plain condition|syntax error"),
        ("customer_id in (select 'a')", "it holds a subquery"),
        ("exists (select 1 from read_csv('/etc/passwd'))", "it holds a subquery"),
        ("row_number() over () = 1", "it holds a window"),
        ("random() > 0.5", r"random\(\) does not give the same result every time"),
        ("now() > ds", r"now\(\) does not give the same result every time"),
        ("current_date > ds", "there is no column current_date"),
        ("sum(churn_probability) > 1", "aggregates"),
        ("is_valuable, is_valuable", "single expression"),
        ("customer_id", "Could not convert"),
        ("", "syntax|without"),
    ],
)
def test_a_rule_that_is_no_plain_condition_is_refused_by_name(rule: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words) as info:
        pick(rule)
    assert "segment some: its rule cannot be used" in str(info.value)


@pytest.mark.parametrize("order", ["churm", "rank", "1; drop table scores", "churn_probability limit 1", "random()"])
def test_an_order_that_is_no_plain_order_is_refused(order: str) -> None:
    with pytest.raises(ConfigError, match="segment some"):
        pick("true", order_by=order)


@pytest.mark.parametrize("slug", ["../up", "/etc", "A", "1a", "a b", "a\x00", "a" * 64, ""])
def test_a_slug_cannot_leave_its_folder(slug: str) -> None:
    with pytest.raises(ValueError, match="slug"):
        Segment(slug=slug, title="t", about="a", where="true")


@pytest.mark.parametrize(
    "text", ["=1+1", "+7926", "-1", "@x", "\tx", "\rx", "\nx", "\x00=1", " =1", "＝1", "＋1", "－1", "＠x"]
)
def test_a_text_that_would_run_gets_an_apostrophe(text: str) -> None:
    (safe,) = neutralised(pa.table({"a": [text]}))["a"].to_pylist()
    assert safe == "'" + text.replace("\x00", "")


def test_plain_texts_nulls_and_numbers_stay() -> None:
    table = pa.table({"a": ["ok", None, "a=b", "", "é"], "n": [-1.5, 2.0, None, 0.0, -0.0], "d": [DAY] * 5})
    assert neutralised(table).equals(table)


@given(st.lists(st.text()))
def test_no_text_starts_a_formula_and_nothing_else_changes(texts: list[str]) -> None:
    safe = neutralised(pa.table({"a": pa.array(texts, pa.string())}))["a"].to_pylist()
    for before, after in zip(texts, safe, strict=True):
        assert after.lstrip(" \u00a0")[:1] not in tuple("=+-@\t\r\n\x00＝＋－＠")
        assert after.removeprefix("'") == before.replace("\x00", "") or after == before.replace("\x00", "")


def test_a_rule_may_ask_for_what_a_customer_is_likely_to_do():
    result = pick("list_contains(string_split(likely, ';'), 'fish')")
    assert result.rows["customer_id"].to_pylist() == ["a", "b"]
    assert result.suppressed == {"control group": 1}
    assert pick("list_contains(string_split(likely, ';'), 'fis')").rows.num_rows == 0
