"""What value is learnt from: customers, and what they spent in the days of the value's horizon."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date

import numpy as np
import pandas as pd

from conf.settings.schema import Models
from training.evaluation.windows import Windows

LABEL = "spend_after"


def days(windows: Windows, models: Models) -> Iterable[date]:
    """Return the gate day whose labels end with the night, and the days a week apart to train on."""
    gate, training = windows.longer(models.value_days, models.churn_windows)
    return (gate, *training)


def spend_of(frame: pd.DataFrame) -> np.ndarray:
    """Return the spend that came (n,), not below zero."""
    return np.maximum(frame[LABEL].to_numpy(dtype="float64"), 0)
