"""A log-normal distribution of the days to the next purchase, its location linear in the inputs.

    log(days) = location(inputs) + spread x normal

A day is an interval: day t is everything between t - 1/2 and t + 1/2, and day 1 begins at 0. n = customers, d = inputs.

Reference: Kalbfleisch and Prentice (2002), "The Statistical Analysis of Failure Time Data", chapter 3 (accelerated
failure time models).
"""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
from scipy.special import log_ndtr, ndtr

from training.models.artifacts import Meta, Model, matrix
from training.models.logistic import Logits

WEIGHTS_FILE = "model.json"
_LEAST = 1e-12


class LogNormalDays:
    """The fitted distribution; the location is the one output of :class:`~training.models.logistic.Logits`."""

    def __init__(self, meta: Meta, files: dict[str, bytes]) -> None:
        """Read the numbers."""
        self.meta, self.files = meta, files
        form = json.loads(files[WEIGHTS_FILE])
        self.spread = float(form.pop("spread"))
        self.linear = Logits.of_form(form)

    def location(self, frame: pd.DataFrame) -> np.ndarray:
        """Return the mean of the logarithm of the days (n,)."""
        return self.linear.log_odds(matrix(frame, self.meta.inputs, self.meta.name))[:, 0]

    def predict(self, frame: pd.DataFrame) -> np.ndarray:
        """Return the median of the days (n,)."""
        return np.exp(self.location(frame))

    def chance_within(self, frame: pd.DataFrame, days: int) -> np.ndarray:
        """Return the chance that the customer comes within so many days (n,)."""
        return ndtr((np.log(days + 0.5) - self.location(frame)) / self.spread)

    def contributions(self, frame: pd.DataFrame) -> np.ndarray:
        """Return what each input adds to the logarithm of the days (n, d), exactly."""
        return self.linear.contributions(matrix(frame, self.meta.inputs, self.meta.name), 0)

    def to_bytes(self) -> dict[str, bytes]:
        """Return the files of the model by name."""
        return self.files


def read(meta: Meta, files: dict[str, bytes]) -> Model:
    """Return the model in these files."""
    return LogNormalDays(meta, files)


def packed(meta: Meta, linear: Logits, spread: float) -> LogNormalDays:
    """Return the model that these numbers make."""
    content = json.dumps(linear.to_form() | {"spread": spread}).encode()
    return LogNormalDays(meta, {"meta.json": meta.to_json().encode(), WEIGHTS_FILE: content})


def log_likelihoods(days: np.ndarray, is_censored: np.ndarray, location: np.ndarray, spread: float) -> np.ndarray:
    """Return the log-likelihood of every customer (n,): of the day, or that there was no visit up to it."""
    upper = (np.log(days + 0.5) - location) / spread
    lower = np.where(days > 1, (np.log(np.maximum(days - 0.5, 0.5)) - location) / spread, -np.inf)
    inside = np.maximum(ndtr(upper) - ndtr(lower), _LEAST)
    return np.where(is_censored, np.maximum(log_ndtr(-upper), np.log(_LEAST)), np.log(inside))
