"""Means with their intervals, by hand."""

from __future__ import annotations

import pandas as pd
import pytest

from training.evaluation.comparison import SUMMARY, summary

FIGURES = {
    "m/all": pd.DataFrame({"hit_rate": [1.0, 0.0, 0.0, 1.0]}),
    "m/discoveries": pd.DataFrame({"hit_rate": [1.0, 1.0]}),
}


def test_each_slice_has_its_mean_its_interval_and_its_customers():
    rows = summary(FIGURES, 200)
    assert tuple(rows.columns) == SUMMARY
    assert rows[["model", "slice", "metric", "customers"]].to_numpy().tolist() == [
        ["m", "all", "hit_rate", 4],
        ["m", "discoveries", "hit_rate", 2],
    ]
    assert rows["value"].tolist() == [pytest.approx(0.5), 1.0]
    assert 0 <= rows.loc[0, "low"] < 0.5 < rows.loc[0, "high"] <= 1
    assert (rows.loc[1, "low"], rows.loc[1, "high"]) == (1.0, 1.0)


def test_a_slice_of_nobody_has_its_row_without_figures():
    rows = summary({"m/all": FIGURES["m/all"].iloc[:0]}, 20)
    assert rows["metric"].tolist() == ["hit_rate"]
    assert (rows["customers"] == 0).all()
    assert rows[["value", "low", "high"]].isna().all(axis=None)
