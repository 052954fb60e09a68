from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import pytest

from expectations.checkpoint import Checkpoints
from expectations.table_rules import (
    NEVER,
    Figure,
    figures,
    freshness,
    rejected_share,
    rules,
    schema,
    share_matched,
    unique_key,
    volume,
)

DAY = date(2017, 3, 5)
USUAL = {DAY - timedelta(days=n): 100 for n in range(1, 6)}


def held(figure: Figure | None) -> Figure:
    assert figure is not None
    return figure


GOOD = [
    held(volume("a", {DAY: 300}, USUAL, 3.0)),
    held(volume("b", {DAY: 34}, USUAL, 3.0)),
    freshness("c", DAY, DAY),
    unique_key("d", ("x", "y"), 0),
    share_matched("e", "product_id", "products", 99, 100, 0.99),
    share_matched("f", "product_id", "products", 0, 0, 0.99),
    rejected_share("g", 1, 100, 0.01),
    rejected_share("h", 0, 0, 0.01),
    schema("i", []),
]
BAD = {
    "volume": held(volume("a", {DAY: 301}, USUAL, 3.0)),
    "volume, too few": held(volume("b", {DAY: 33}, USUAL, 3.0)),
    "volume, none": held(volume("c", {DAY: 0}, USUAL, 3.0)),
    "freshness": freshness("d", DAY - timedelta(days=1), DAY),
    "freshness, no row": freshness("e", None, DAY),
    "unique_key": unique_key("f", ("x", "y"), 1),
    "references": share_matched("g", "product_id", "products", 98, 100, 0.99),
    "rejected_share": rejected_share("h", 2, 100, 0.01),
    "schema": schema("i", ["x is missing in a file"]),
}


def test_figures_within_bounds_pass(tmp_path: Path) -> None:
    outcomes = Checkpoints(tmp_path / "gx", tmp_path / "docs").check("night", rules(GOOD), figures(GOOD))
    assert [outcome.rule.name for outcome in outcomes if not outcome.passed] == []
    assert {outcome.rule.kind for outcome in outcomes} == {"table"}


def test_each_figure_beyond_its_bound_fails(tmp_path: Path) -> None:
    bad = list(BAD.values())
    outcomes = Checkpoints(tmp_path / "gx", tmp_path / "docs").check("night", rules(bad), figures(bad))
    assert [outcome.rule.name for outcome in outcomes if outcome.passed or outcome.fault] == []


def test_volume_is_measured_by_drop_day_so_a_first_load_is_no_single_night() -> None:
    history = {date(2016, 1, 1) + timedelta(days=n): 1000 for n in range(300)} | USUAL
    figure = held(volume("t", {DAY: 100, DAY + timedelta(days=1): 20}, history, 3.0))
    assert figure.value == pytest.approx(20 / 1000)  # the worst day, against the median of the newest 28 days
    assert figure.observed == "20 new rows in the drop of 2017-03-06"
    assert figure.expected == "333 to 3,000, from the median 1,000 of 28 drop days"


@pytest.mark.parametrize(("days", "recent"), [({DAY: 5}, {}), ({DAY: 5}, dict(list(USUAL.items())[:2])), ({}, USUAL)])
def test_volume_is_not_judged_without_three_days_to_compare(days: dict[date, int], recent: dict[date, int]) -> None:
    assert volume("t", days, recent, 3.0) is None


def test_wording() -> None:
    assert freshness("t", None, DAY).value == NEVER
    assert freshness("t", None, DAY).observed == "there is no row"
    assert rejected_share("t", 2, 1000, 0.001).observed == "2 of 1,000 rows are quarantined"
    counts = {"cast:amount": 1200, "total_line": 1, "required:order_id": 7, "cast:quantity": 3}
    assert rejected_share("t", 1211, 2000, 0.1, counts).observed == (
        "1,211 of 2,000 rows are quarantined: cast:amount 1,200, required:order_id 7, cast:quantity 3"
    )
    assert "a correction must keep the day of its event" in unique_key("t", ("x",), 2).expected
    assert share_matched("t", "c", "customers", 1, 2, 0.95).expected == "at least 95.00%"
