"""How days to the next purchase score a batch of customers: those who are active."""

from __future__ import annotations

import numpy as np
import pandas as pd

from training.days_to_next.inputs import FOLLOWED
from training.models.artifacts import Model
from training.scores import Scores, spread


def score(model: Model | None, series: pd.DataFrame, is_active: np.ndarray) -> Scores:
    """Return ``days_to_next_purchase`` of active customers; NaN beyond the days that customers are followed.

    Args:
        model: the champion; None: there is none, and nobody is scored.
        series: the purchase series of n customers.
        is_active: (n,) with a purchase in the last 84 days.
    """
    if model is None:
        return Scores()
    days = model.predict(series[is_active])
    return Scores({"days_to_next_purchase": spread(np.where(days <= FOLLOWED, days, np.nan), is_active)})
