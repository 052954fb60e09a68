"""How value scores a batch of customers: the spend that is expected, its interval, and what drives it."""

from __future__ import annotations

import numpy as np
import pandas as pd

from training.models.artifacts import Model
from training.models.attributions import strongest
from training.scores import Scores
from training.value.models import interval


def score(model: Model | None, series: pd.DataFrame, is_active: np.ndarray) -> Scores:
    """Return ``expected_spend``, ``spend_low``, ``spend_high`` of all customers, and what drives the expectation.

    Args:
        model: the champion; None: there is none, and nobody is scored.
        series: the purchase series of n customers.
        is_active: (n,) not used: everybody has a value.
    """
    if model is None:
        return Scores()
    low, high = interval(model, series)
    numbers = {"expected_spend": model.predict(series), "spend_low": low, "spend_high": high}
    return Scores(numbers, {"value_reasons": strongest(model, series, both_ways=True)})
