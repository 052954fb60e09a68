"""What survival is learnt from: active customers and the weeks of which it is known whether an absence began."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date

import numpy as np
import pandas as pd

from conf.settings.schema import Models
from features.customers.series_labels import SURVIVAL_WEEKS
from training.evaluation.windows import Windows


def days(windows: Windows, models: Models) -> Iterable[date]:
    """Return the gate day of which all weeks are known, and the days two weeks apart to train on."""
    gate, training = windows.surviving(SURVIVAL_WEEKS, models.churn_windows // 2)
    return (gate, *training)


def rows(customers: pd.DataFrame, active_days: int, horizon_days: int, until: date) -> pd.DataFrame:
    """Keep active customers, and of their weeks those that are known by ``until``.

    Args:
        customers: the set ``purchase_series``: ``as_of``, ``leaves_in_week`` and the inputs.
        active_days: a customer is active with a purchase in these days.
        horizon_days: length of the absence.
        until: last day whose purchases may be known.
    """
    active = customers[customers["recency_days"] < active_days]
    days = (pd.Timestamp(until) - pd.to_datetime(active["as_of"])).dt.days
    weeks = np.clip((days - horizon_days) // 7 + 1, 0, SURVIVAL_WEEKS)
    leaves = active["leaves_in_week"].where(active["leaves_in_week"] <= weeks)
    kept = active.assign(weeks_observed=weeks, leaves_in_week=leaves)
    return kept[kept["weeks_observed"] > 0].reset_index(drop=True)
