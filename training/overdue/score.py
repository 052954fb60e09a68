"""How the overdue model scores a batch of customers: their limit, and the chance that the absence outlasts it."""

from __future__ import annotations

import numpy as np
import pandas as pd

from features.customers.series_labels import own_limit
from training.models.artifacts import Model
from training.scores import Scores


def score(model: Model | None, series: pd.DataFrame, is_active: np.ndarray) -> Scores:
    """Return ``own_limit_days``, and with a model ``outlasts_own_limit``: 1 where the limit has passed.

    Args:
        model: the champion; None: there is none.
        series: the purchase series of n customers.
        is_active: (n,) not used: a customer has a limit whether active or not.
    """
    limit = own_limit(series["gap_p95"].to_numpy(), series["visits_total"].to_numpy())
    if model is None:
        return Scores({"own_limit_days": limit})
    absent, outlasts = series["recency_days"].to_numpy(), np.full(len(series), np.nan)
    outlasts[absent > limit] = 1.0
    within = absent <= limit
    outlasts[within] = model.predict(series[within])
    return Scores({"own_limit_days": limit, "outlasts_own_limit": outlasts})
