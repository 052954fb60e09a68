"""How churn scores a batch of customers: those who are active."""

from __future__ import annotations

import numpy as np
import pandas as pd

from training.models.artifacts import Model
from training.models.attributions import strongest
from training.scores import Scores, spread


def score(model: Model | None, series: pd.DataFrame, is_active: np.ndarray) -> Scores:
    """Return ``churn_probability`` of active customers, and what drives it.

    Args:
        model: the champion; None: there is none, and nobody is scored.
        series: the purchase series of n customers.
        is_active: (n,) with a purchase in the last 84 days.
    """
    if model is None:
        return Scores()
    active = series[is_active]
    names = strongest(model, active)
    drivers = np.full((len(series), names.shape[1]), None, dtype=object)
    drivers[is_active] = names
    probability = spread(model.predict(active), is_active)
    return Scores({"churn_probability": probability}, {"churn_reasons": drivers}, is_active)
