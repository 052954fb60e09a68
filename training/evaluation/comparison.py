"""Means of metrics per customer with their intervals, as one table of models and slices."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from training.evaluation.metrics import Interval, bootstrap

#: columns of :func:`summary`
SUMMARY = ("model", "slice", "metric", "value", "low", "high", "customers")


def summary(judged: Mapping[str, pd.DataFrame], rounds: int = 1000, seed: int = 1) -> pd.DataFrame:
    """Return the means with their 95 % intervals over users: a row per model, slice and metric (:data:`SUMMARY`).

    A slice of no users, or of which nothing can be said, has its row all the same, without figures.
    """
    rows = []
    for key, frame in judged.items():
        model, part = key.rsplit("/", 1)
        for metric in frame:
            measured = len(frame) and frame[metric].notna().any()
            interval = bootstrap(frame[metric], rounds, seed) if measured else Interval(np.nan, np.nan, np.nan)
            rows.append((model, part, metric, interval.value, interval.low, interval.high, len(frame)))
    return pd.DataFrame(rows, columns=list(SUMMARY))
