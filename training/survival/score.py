"""How survival scores a batch of customers: the chance to be still active, and the week of leaving with even odds."""

from __future__ import annotations

import numpy as np
import pandas as pd

from training.models.artifacts import Model
from training.scores import Scores, spread
from training.survival.spec import STAYS


def score(model: Model | None, series: pd.DataFrame, is_active: np.ndarray) -> Scores:
    """Return ``active_in_<n>_weeks`` and ``weeks_to_leave`` of active customers.

    Args:
        model: the champion; None: there is none, and nobody is scored.
        series: the purchase series of n customers.
        is_active: (n,) with a purchase in the last 84 days.
    """
    if model is None:
        return Scores()
    alive = model.predict(series[is_active])
    numbers = {f"active_in_{weeks}_weeks": spread(alive[:, weeks - 1], is_active) for weeks in STAYS}
    return Scores({**numbers, "weeks_to_leave": spread(weeks_to_leave(alive), is_active)})


def weeks_to_leave(alive: np.ndarray) -> np.ndarray:
    """Return the first week by whose end a customer has left with even odds (n,); NaN where there is none."""
    left = alive < 0.5
    return np.where(left.any(axis=1), left.argmax(axis=1) + 1.0, np.nan)
