"""What the page shows of segments: families, drift, and look-alikes with their curves."""

from __future__ import annotations

from datetime import date
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from conf.settings.schema import Settings
from conf.tables.segments import LOOK_ALIKE_CURVES, SEGMENT_AFFINITIES
from conf.tables.types import arrow_schema
from jobs.lake.lake import Lake
from jobs.lake.manifest import Manifest
from jobs.report import segment_plots, write_report
from jobs.report.night_tables import NightTables
from jobs.report.segment_figures import map_of, segment_figures
from jobs.stages import Stage

DAY = date(2017, 12, 3)


def curve(reach: float) -> dict[str, Any]:
    return {
        "ds": DAY, "segment_id": "like_x", "reach_share": reach, "customers": 10, "recovered": 4, "recall": 2 * reach,
        "recall_low": reach, "recall_high": 3 * reach, "precision": 0.4, "precision_low": 0.2, "precision_high": 0.6,
        "lift": 2.0,
    }  # fmt: skip


def with_more(lake: Lake) -> None:
    """Add drift, affinities and a curve to what the night has."""
    tables = lake.need(Stage.SCORE, DAY).tables
    scores = lake.arrow("scores/customer_scores", DAY).sort_by("customer_id")
    size = scores.num_rows
    moved = pa.array([n % 4 == 0 if n < 20 else None for n in range(size)])
    changed = {"interest_drift": moved, "long_interests": pa.array(["BEER; TEA"] * size),
               "short_interests": pa.array(["TEA"] * size)}  # fmt: skip
    for name, column in changed.items():
        scores = scores.set_column(scores.schema.names.index(name), name, column)
    actual = {"ds": DAY, "segment_id": "new_and_cold", "category": "TEA", "rank": 1, "buyers": 12,
            "affinity_index": 2.5, "low": 1.8, "high": 3.2}  # fmt: skip
    facts = {"skipped_look_alikes": {"like_y": "the seed has 3 member(s)"}}
    with lake.draft(Stage.SCORE, DAY) as draft:
        for name, version in tables.items():
            if name not in ("scores/customer_scores", "scores/segment_affinities", "scores/look_alike_curves"):
                draft.carry(name, version.files)
        draft.arrow("scores/customer_scores", scores)
        draft.arrow("scores/segment_affinities", pa.Table.from_pylist([actual], arrow_schema(SEGMENT_AFFINITIES)))
        curves = pa.Table.from_pylist([curve(0.1), curve(0.2)], arrow_schema(LOOK_ALIKE_CURVES))
        draft.arrow("scores/look_alike_curves", curves)
        draft.facts = facts
        draft.commit(Manifest("score", str(DAY), ""))


def test_the_page_tells_of_families_drift_and_look_alikes(settings: Settings, night: Lake, monkeypatch) -> None:
    with_more(night)
    result = segment_figures(NightTables(settings, night, DAY))
    assert result["drift"] == {"moved": 5, "known": 20, "pairs": [{"before": "BEER", "now": "TEA", "customers": 5}]}
    assert result["affinities"] == {"new_and_cold": "TEA 2.5x (1.8 to 3.2)"}
    families = {one["family"]: [row["segment_id"] for row in one["segments"]] for one in result["families"]}
    assert set(families["churn_and_value"]) == {
        "leaving_and_valuable", "leaving_and_small", "staying_and_valuable", "staying_and_small",
    }  # fmt: skip
    assert "behaviour" not in families
    bands = night.arrow("scores/customer_scores", DAY)["churn_band"]
    scored = sum(row["customers"] for one in result["families"] if one["family"] == "churn_and_value"
                 for row in one["segments"])  # fmt: skip
    assert scored == len(bands) - pc.sum(pc.is_null(bands)).as_py()  # each scored customer is in one quadrant
    plain = {"segments": "", "segment_map": "", "look_alikes": "", "precision": ""}
    names = ("quarantined", "recency", "spend", "models", "kinds", "sources", "outcomes", "seconds", "memory")
    monkeypatch.setattr(write_report, "_plots", lambda *_: plain | dict.fromkeys(names, ""))
    html = "".join(write_report.render(settings, NightTables(settings, night, DAY)).values())
    actual = (
        "5 of 20 customers with eight baskets",
        "BEER to TEA (5)",
        "TEA 2.5x (1.8 to 3.2)",
        "like y: the seed has 3 member(s)",
        "No customer is scored by a model",
    )
    for words in actual:
        assert words in html, words


def test_pictures_are_drawn_and_left_out_where_there_is_nothing(settings: Settings, night: Lake) -> None:
    assert segment_plots.bubbles([], "x", "y") == segment_plots.reach_curves({}) == ""
    points = map_of(NightTables(settings, night, DAY))
    assert len(points) == 3
    assert segment_plots.bubbles(points, "baskets", "spend").startswith('<img alt="segments: ')
    assert "hidden members" in segment_plots.reach_curves({"like_x": [curve(0.1)]})
