"""How the overdue model is fitted: one logistic regression."""

from __future__ import annotations

from dataclasses import asdict

import pandas as pd

from training.classifiers.linear import LogisticConfig, logistic
from training.evaluation.fitted import FittedModel
from training.overdue.inputs import LABEL
from training.overdue.spec import INPUTS, NAME


def fit(train: pd.DataFrame, config: LogisticConfig | None = None) -> FittedModel:
    """Fit a logistic regression of the absence that outlasts the customer's own limit."""
    config = config or LogisticConfig(strength=0.01)
    return FittedModel(logistic(NAME, train, INPUTS, LABEL, config), asdict(config))
