"""Tables of benches, by hand."""

from __future__ import annotations

import numpy as np
import pytest

from bench.measures.tables import deciles, threshold_sweep


def test_deciles_hold_everybody_once():
    actual = deciles(np.arange(25.0), np.arange(25.0))
    assert actual["customers"].sum() == 25
    assert actual["predicted"].is_monotonic_increasing
    np.testing.assert_allclose(actual["predicted"], actual["came"])


def test_a_sweep_of_thresholds_by_hand() -> None:
    probability = np.array([[0.9, 0.4], [0.6, 0.1]])
    happened = np.array([[True, True], [False, False]])
    result = threshold_sweep(probability, happened, np.array([0.9, 0.3]), [0.5, 0.95])
    assert result["threshold"].tolist() == ["0.5", "0.95", "one each"]
    assert result["precision"].tolist() == [0.5, 1, 1]  # nothing recommended is nothing wrong
    assert result["recall"].tolist() == [0.5, 0, 1]
    assert result["f1"].tolist() == [0.5, 0, 1]
    assert result["mean_f1"].tolist() == pytest.approx([1 / 3, 0, 1])  # of the first 2/3, of the second 0
    assert result["each"].tolist() == [1, 0, 1]
