"""A survival model: hazards of each week, and what they mean for how long customers stay.

n = customers, d = inputs, w = weeks. The numbers live in JSON, which cannot run code and reads back exactly.
"""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
from scipy.special import expit

from training.models.artifacts import Meta, Model, matrix
from training.models.logistic import Logits

WEIGHTS_FILE = "model.json"


class Survival:
    """Hazards of each week; the form is :class:`~training.models.logistic.Logits` with an output a week."""

    def __init__(self, meta: Meta, files: dict[str, bytes]) -> None:
        """Read the numbers."""
        self.meta, self.files = meta, files
        self.logits = Logits.of_form(json.loads(files[WEIGHTS_FILE]))

    def predict(self, frame: pd.DataFrame) -> np.ndarray:
        """Return the chance that no absence has begun by the end of each week (n, w)."""
        return np.cumprod(1 - self.hazards(frame), axis=1)

    def hazards(self, frame: pd.DataFrame) -> np.ndarray:
        """Return the chance that the absence begins with each week, of those who are still there (n, w)."""
        return expit(self.logits.log_odds(matrix(frame, self.meta.inputs, self.meta.name)))

    def contributions(self, frame: pd.DataFrame) -> np.ndarray:
        """Return what each input adds to the log-odds of a week's hazard, the mean over the weeks (n, d)."""
        return self.logits.contributions(matrix(frame, self.meta.inputs, self.meta.name))

    def to_bytes(self) -> dict[str, bytes]:
        """Return the files of the model by name."""
        return self.files


def read(meta: Meta, files: dict[str, bytes]) -> Model:
    """Return the model in these files."""
    return Survival(meta, files)
