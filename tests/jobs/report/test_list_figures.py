from __future__ import annotations

from datetime import date
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pyarrow as pa

from jobs.report.list_figures import list_figures
from jobs.train.model_comparison import comparison
from training.evaluation.fitted import Evaluation

DAY = date(2017, 12, 3)


def row(name: str, method: str, part: str, metric: str, value: float | None, customers: int = 9) -> dict[str, Any]:
    return {"name": name, "method": method, "slice": part, "metric": metric, "value": value, "customers": customers}


def test_sources_lists_and_who_is_cold_are_told_apart():
    table = pa.Table.from_pylist([
        row("offer_ranker", "candidates: popular", "all", "candidate_recall", 0.11),
        row("offer_ranker", "candidates: popular", "all", "candidates_each", 15.0),
        row("offer_ranker", "trees", "all", "coverage", 0.5),
        row("offer_ranker", "trees", "all", "novelty", 1.2),
        row("offer_ranker", "trees", "cold items", "ndcg@5", None, 193),
    ])  # fmt: skip
    lake: Any = SimpleNamespace(has=lambda *_: True, arrow=lambda *_: table)
    result = list_figures(lake, DAY)
    assert result["sources"] == [{"source": "popular", "per_customer": 15.0, "recall": {"all": 0.11}}]
    assert [(one["name"], one["coverage"], one["novelty"]) for one in result["shown"]] == [("offer_ranker", 0.5, 1.2)]
    assert result["cold"] == [{"name": "offer_ranker", "slice": "cold items", "customers": 193, "judged": False}]


def test_the_coverage_of_an_interval_is_no_lists_coverage():
    one = pd.Series([-1.0, -2.0], index=["a", "b"])
    steps = Evaluation(one, {"coverage": 0.83}, one.to_numpy(), one.to_numpy())
    assert set(comparison({"ordered steps": steps}, "minus_deviance", 10, 1)["metric"]) == {"minus_deviance"}


def test_a_night_without_a_ranker_tells_nothing():
    lake: Any = SimpleNamespace(has=lambda *_: False)
    assert list_figures(lake, DAY) == {"sources": [], "shown": [], "cold": []}
