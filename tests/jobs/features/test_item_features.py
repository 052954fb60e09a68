"""When what is said of products is taken over from an earlier night."""

from __future__ import annotations

from datetime import date

import pyarrow as pa
import pytest

from jobs.features.item_features import SETTLED, inputs_of_products, settled
from jobs.lake.lake import Lake
from jobs.lake.manifest import Manifest
from jobs.stages import Stage
from jobs.tables.catalogue import SHARED_CLUSTERS


def publish(lake: Lake, stage: Stage, day: date, tables: list[str], made_on: str | None = None) -> None:
    with lake.draft(stage, day) as draft:
        for name in tables:
            draft.arrow(name, pa.table({"name": [name]}))
        draft.facts = {"items": {"made_on": made_on}} if made_on else {}
        draft.commit(Manifest(stage=str(stage), ds=str(day), version=""))


@pytest.fixture
def lake(tmp_path) -> Lake:
    result = Lake(str(tmp_path))
    publish(result, Stage.FEATURES, date(2017, 12, 5), [f"features/{name}" for name in SETTLED], "2017-12-03")
    return result


def test_tables_serve_for_a_week_from_the_day_they_were_made(lake):
    made, tables = settled(lake, date(2017, 12, 9))
    assert made == date(2017, 12, 3)
    assert set(tables) == {f"features/{name}" for name in SETTLED}
    assert settled(lake, date(2017, 12, 10)) is None
    assert settled(lake, date(2017, 12, 5)) is None, "the night itself is no earlier night"
    assert inputs_of_products(lake, date(2017, 12, 9)) == {name: table.content for name, table in tables.items()}


def test_a_night_that_lacks_one_of_them_is_no_source(lake):
    publish(lake, Stage.FEATURES, date(2017, 12, 6), [f"features/{SETTLED[0]}"], "2017-12-03")
    assert settled(lake, date(2017, 12, 7)) is None
    publish(lake, Stage.FEATURES, date(2017, 12, 6), [f"features/{name}" for name in SETTLED])
    assert settled(lake, date(2017, 12, 7)) is None, "nobody knows how old they are"


def test_clusters_are_a_cause(lake):
    publish(lake, Stage.CATALOGUE, date(2017, 12, 3), [SHARED_CLUSTERS])
    assert set(inputs_of_products(lake, date(2017, 12, 3))) == {SHARED_CLUSTERS}
