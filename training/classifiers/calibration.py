"""Recalibrates the probabilities of a classifier on held-out rows."""

from __future__ import annotations

import numpy as np
import pandas as pd
from sklearn.linear_model import LogisticRegression

from training.evaluation.metrics import calibration_error
from training.models.artifacts import Model, with_extra

#: from this calibration error on, probabilities are recalibrated on the validation window
_UNCALIBRATED = 0.02
_BINS = 10


def calibrated(model: Model, validation: pd.DataFrame, label: str) -> Model:
    """Recalibrate on the validation window where probabilities and shares differ by more than chance explains.

    Reference: Platt (1999), "Probabilistic Outputs for Support Vector Machines".
    """
    probability, truth = model.predict(validation), validation[label].to_numpy(dtype=bool)
    share, size = truth.mean(), len(truth)
    chance = np.sqrt(share * (1 - share) * _BINS / size)  # standard deviation of a bin's share
    if not 0 < share < 1 or calibration_error(truth, probability, _BINS) < max(_UNCALIBRATED, 1.5 * chance):
        return model
    clipped = np.clip(probability, 1e-7, 1 - 1e-7)
    log_odds = np.log(clipped / (1 - clipped))
    fitted = LogisticRegression(C=1e6).fit(log_odds[:, None], truth)
    slope, intercept = float(fitted.coef_[0, 0]), float(fitted.intercept_[0])
    if slope <= 0:  # a model that ranks upside down is not mended by turning it
        return model
    before = model.meta.extra.get("calibration", (1.0, 0.0))
    return with_calibration(model, slope * before[0], slope * before[1] + intercept)


def with_calibration(model: Model, slope: float, intercept: float) -> Model:
    """Return the model with this slope and intercept on its log-odds, in place of any it had."""
    return with_extra(model, calibration=[slope, intercept])
