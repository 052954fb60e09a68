"""How survival is fitted: a hazard of each week by one logistic regression on rows of customer and week.

A row ends when the absence begins or is no longer known: what is not known yet (censoring) costs rows, not truth. Week
effects are free, and some inputs may count more or less as weeks go by.

n = customers, w = weeks. Reference: Allison (1982), "Discrete-Time Methods for the Analysis of Event Histories".
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np
import pandas as pd
from sklearn.linear_model import LogisticRegression

from features.customers.series_labels import SURVIVAL_WEEKS
from training.evaluation.fitted import FittedModel
from training.models.artifacts import Meta, matrix
from training.models.logistic import Logits, Scaler
from training.survival.hazards import WEIGHTS_FILE, Survival
from training.survival.spec import INPUTS, NAME

#: inputs whose weight changes with the weeks
CHANGING = ("recency_days", "visit_rate_7", "visit_rate_56", "absence_by_rate")


@dataclass(frozen=True)
class SurvivalConfig:
    """Everything that changes the fitted model."""

    strength: float = 0.01
    iterations: int = 500
    changing: tuple[str, ...] = CHANGING


def fit(train: pd.DataFrame, inputs: Sequence[str] = INPUTS, config: SurvivalConfig | None = None) -> FittedModel:
    """Fit the hazards; O(customers x weeks x inputs).

    Args:
        train: from :func:`rows`.
        inputs: numeric columns.
        config: penalty, and the inputs whose weight changes.
    """
    config = config or SurvivalConfig()
    stays = train["leaves_in_week"].fillna(train["weeks_observed"]).to_numpy(dtype=int)
    row = np.repeat(np.arange(len(train)), stays)
    week = np.arange(len(row)) - np.repeat(np.cumsum(stays) - stays, stays) + 1
    left = train["leaves_in_week"].to_numpy()[row] == week
    raw = matrix(train, inputs, NAME)
    scaler = Scaler.of(raw)
    z = scaler.scaled(raw)
    place = [number for number, name in enumerate(inputs) if name in config.changing]
    log, weeks = np.log(np.arange(1, SURVIVAL_WEEKS + 1)), np.eye(SURVIVAL_WEEKS)
    x = np.concatenate([z[row], z[row][:, place] * log[week - 1][:, None], weeks[week - 1]], axis=1)
    fitted = LogisticRegression(C=config.strength, max_iter=config.iterations).fit(x, left)
    steady, changing, effect = np.split(fitted.coef_[0], [len(inputs), len(inputs) + len(place)])
    coefficients = np.tile(steady, (SURVIVAL_WEEKS, 1))
    coefficients[:, place] += np.outer(log, changing)
    logits = Logits(scaler, coefficients, effect + fitted.intercept_[0])
    family = f"hazards of {SURVIVAL_WEEKS} weeks" if len(inputs) > 1 else "hazards by recency alone"
    meta = Meta(NAME, "survival", family, tuple(inputs), tuple(f"week_{n}" for n in range(1, SURVIVAL_WEEKS + 1)))
    files = {"meta.json": meta.to_json().encode(), WEIGHTS_FILE: json.dumps(logits.to_form()).encode()}
    return FittedModel(Survival(meta, files), asdict(config))
