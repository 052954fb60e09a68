"""Figures over a range of nights."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import pyarrow as pa

from conf.offer_tables import OFFER_OUTCOMES
from jobs.database_schema import arrow_schema
from jobs.evaluate import outcomes
from jobs.lake import OUTCOMES, Lake, Manifest
from jobs.stages import Stage

FIRST = date(2017, 10, 1)


def measured(lake: Lake, by: date, figures: dict[date, float]) -> None:
    schema = arrow_schema(OFFER_OUTCOMES)
    rows = [
        {"ds": by, "offers_of": night, "offer_kind": "coupon", "slice": "all", "metric": "m", "method": "nbo"}
        | {"value": value, "is_replay": False, "customers": 1}
        for night, value in figures.items()
    ]
    known = [{name: row.get(name) for name in schema.names} for row in rows]
    with lake.draft(Stage.MEASURE, by) as draft:
        draft.arrow(OUTCOMES, pa.Table.from_pylist(known, schema=schema))
        draft.commit(Manifest(str(Stage.MEASURE), str(by), ""))


def test_nights_that_only_an_earlier_run_measured_count_and_the_newest_run_wins(tmp_path: Path) -> None:
    lake = Lake(str(tmp_path))
    nights = [FIRST + timedelta(days=day) for day in range(4)]
    measured(lake, nights[0] + timedelta(days=28), {nights[0]: 0.1, nights[1]: 0.2})
    measured(lake, nights[0] + timedelta(days=90), {nights[1]: 0.3, nights[2]: 0.4, nights[3]: 0.5})
    measured(lake, nights[0] + timedelta(days=200), {nights[2]: 9.0})
    found = outcomes(lake, nights[0], nights[2], nights[0] + timedelta(days=90)).sort_by("offers_of")
    assert found["offers_of"].to_pylist() == nights[:3]
    assert found["value"].to_pylist() == [0.1, 0.3, 0.4]
