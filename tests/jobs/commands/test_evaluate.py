"""Figures over a range of nights."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from conf.settings.load import load
from conf.tables.offers import OFFER_OUTCOMES
from conf.tables.types import arrow_schema
from jobs.commands import evaluate
from jobs.commands.evaluate import gains_by_method, outcomes
from jobs.lake.lake import Lake
from jobs.lake.manifest import Manifest
from jobs.measure.night_outcomes import CUSTOMER_SCHEMA
from jobs.stages import Stage
from jobs.tables.outcomes import CUSTOMER_OUTCOMES, OUTCOMES
from scoring.outcomes.expected_and_realised import names

FIRST = date(2017, 10, 1)


def measured(lake: Lake, by: date, figures: dict[date, float]) -> None:
    schema = arrow_schema(OFFER_OUTCOMES)
    rows = [
        {"ds": by, "offers_of": night, "offer_kind": "coupon", "slice": "all", "metric": "m", "method": "nbo"}
        | {"value": value, "is_replay": False, "customers": 1}
        for night, value in figures.items()
    ]
    recorded = [{name: row.get(name) for name in schema.names} for row in rows]
    with lake.draft(Stage.MEASURE, by) as draft:
        draft.arrow(OUTCOMES, pa.Table.from_pylist(recorded, schema=schema))
        draft.commit(Manifest(str(Stage.MEASURE), str(by), ""))


def test_nights_that_only_an_earlier_run_measured_count_and_the_newest_run_wins(tmp_path: Path) -> None:
    lake = Lake(str(tmp_path))
    nights = [FIRST + timedelta(days=day) for day in range(4)]
    measured(lake, nights[0] + timedelta(days=28), {nights[0]: 0.1, nights[1]: 0.2})
    measured(lake, nights[0] + timedelta(days=90), {nights[1]: 0.3, nights[2]: 0.4, nights[3]: 0.5})
    measured(lake, nights[0] + timedelta(days=200), {nights[2]: 9.0})
    result = outcomes(lake, nights[0], nights[2], nights[0] + timedelta(days=90)).sort_by("offers_of")
    assert result["offers_of"].to_pylist() == nights[:3]
    assert result["value"].to_pylist() == [0.1, 0.3, 0.4]


def kept(lake: Lake, by: date, night: date, redeemed: dict[str, int], rest: dict[str, int]) -> None:
    """Two redemptions of each customer, and how many of them were among the offers of each method."""
    rows = [
        {"offers_of": night, "offer_kind": "coupon", "slice": "all", "metric": "redemptions@2", "method": method,
         "customer_id": who, "above": float(result), "below": 2.0}
        for method, one in (("nbo", redeemed), ("popularity", rest))
        for who, result in one.items()
    ]  # fmt: skip
    figures = [
        {**rows[0], "ds": by, "method": method, "value": sum(one.values()) / (2 * len(one)), "is_replay": True,
         "customers": len(one)}
        for method, one in (("nbo", redeemed), ("popularity", rest))
    ]  # fmt: skip
    published(lake, by, figures, rows)


def published(lake: Lake, by: date, figures: list[dict[str, Any]], rows: list[dict[str, Any]]) -> None:
    """What a run of ``by`` measured: figures, and what customers add to them."""
    schema = arrow_schema(OFFER_OUTCOMES)
    with lake.draft(Stage.MEASURE, by) as draft:
        draft.arrow(OUTCOMES, pa.Table.from_pylist([{n: f.get(n) for n in schema.names} for f in figures], schema))
        draft.arrow(CUSTOMER_OUTCOMES, pa.Table.from_pylist(rows, schema=CUSTOMER_SCHEMA))
        draft.commit(Manifest(str(Stage.MEASURE), str(by), ""))


def test_gains_are_printed_with_what_they_say(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = load().model_copy(update={"home": str(tmp_path), "lake": str(tmp_path / "lake")})
    lake, who = Lake(settings.lake), [f"c{n:02d}" for n in range(20)]
    by = FIRST + timedelta(days=28)
    kept(lake, by - timedelta(days=1), FIRST, dict.fromkeys(who, 0), dict.fromkeys(who, 2))  # measured again since
    kept(lake, by, FIRST, dict.fromkeys(who, 2), dict.fromkeys(who, 1))
    again = FIRST + timedelta(days=1)
    kept(lake, by + timedelta(days=1), again, dict.fromkeys(who, 1), dict.fromkeys(who, 1))
    measured(lake, by + timedelta(days=2), {again + timedelta(days=1): 0.5})  # before shares were kept
    truth = again + timedelta(days=29)
    actual = gains_by_method(settings, lake, FIRST, again + timedelta(days=1), truth)
    gain = actual["coupon", "all", "redemptions@2", "popularity"]
    assert (gain.value, gain.low, gain.high) == pytest.approx((0.25, 0.25, 0.25))
    assert len(actual) == 1

    monkeypatch.setattr(evaluate, "run_stage", lambda *_: None)
    with lake.draft(Stage.SCORE, again) as draft:
        draft.commit(Manifest(str(Stage.SCORE), str(again), ""))
    assert evaluate.evaluate(settings, FIRST, again) == 0
    line = next(line for line in capsys.readouterr().out.splitlines() if "popularity" in line)
    assert "+0.2500 (+0.2500 to +0.2500)" in line
    assert line.rstrip("│ \n").endswith("better")


def promised(lake: Lake, by: date, night: date, came: dict[str, float]) -> None:
    """Ten of value are expected of each customer's coupons."""
    expected, realised, ratio = names("value")
    sums = {expected: 10.0 * len(came), realised: sum(came.values()), ratio: sum(came.values()) / (10 * len(came))}
    common = {"offers_of": night, "offer_kind": "coupon", "slice": "all", "method": "nbo"}
    figures = [{**common, "ds": by, "metric": name, "value": value, "is_replay": True, "customers": len(came)}
               for name, value in sums.items()]  # fmt: skip
    rows = [{**common, "metric": ratio, "customer_id": who, "above": one, "below": 10.0} for who, one in came.items()]
    published(lake, by, figures, rows)


def test_what_was_expected_is_printed_beside_what_came(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = load().model_copy(update={"home": str(tmp_path), "lake": str(tmp_path / "lake")})
    lake, who, again = Lake(settings.lake), [f"c{n:02d}" for n in range(20)], FIRST + timedelta(days=1)
    promised(lake, FIRST + timedelta(days=28), FIRST, dict.fromkeys(who, 12.0))
    promised(lake, again + timedelta(days=28), again, dict.fromkeys(who, 16.0))
    monkeypatch.setattr(evaluate, "run_stage", lambda *_: None)
    with lake.draft(Stage.SCORE, again) as draft:
        draft.commit(Manifest(str(Stage.SCORE), str(again), ""))
    assert evaluate.evaluate(settings, FIRST, again) == 0
    # a night: 200 expected, 240 and 320 came
    assert printed(capsys) == ["coupon", "all", "value", "200.0", "280.0", "1.400 (1.400 to 1.400)", "more"]
    for night in (FIRST, again):
        promised(lake, night + timedelta(days=28), night, dict.fromkeys(who, 0.0))
    assert evaluate.evaluate(settings, FIRST, again) == 0
    assert printed(capsys)[-3:] == ["0.0", "0.000", "too few to tell"]


def printed(capsys: pytest.CaptureFixture[str]) -> list[str]:
    (line,) = (line for line in capsys.readouterr().out.splitlines() if " value " in line)
    return [cell.strip() for cell in line.split("│")[1:-1]]
