"""How value is fitted: in ordered steps, or as BG/NBD times Gamma-Gamma.

n = customers. Columns are those of the purchase series; ``spend_after`` is the spend that came.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np
import pandas as pd
from sklearn.linear_model import LogisticRegression

from training.evaluation.fitted import FittedModel
from training.models.artifacts import matrix
from training.models.logistic import Logits, Scaler
from training.value.bg_nbd import bg_nbd, gamma_gamma
from training.value.inputs import spend_of
from training.value.models import (
    OF_PURCHASES,
    Bands,
    PurchaseForecast,
    purchases_form,
    seen_purchases,
    step_inputs,
    value_model,
)
from training.value.spec import INPUTS, NAME


@dataclass(frozen=True)
class StepsConfig:
    """Everything that changes the steps: even shares of the customers with some value, finer among the largest."""

    steps: int = 20
    largest: tuple[float, ...] = (0.97, 0.985)
    strength: float = 0.01
    iterations: int = 500

    def quantiles(self) -> np.ndarray:
        """Return the shares of the customers with some value at which borders lie."""
        return np.concatenate([np.arange(1, self.steps) / self.steps, self.largest])


def forecast(train: pd.DataFrame, weeks: float) -> PurchaseForecast:
    """Fit BG/NBD and Gamma-Gamma to what was seen of the newest window's customers; labels are not looked at."""
    newest = train[train["as_of"] == train["as_of"].max()] if "as_of" in train.columns else train
    x, t_x, seen, mean = seen_purchases(newest)
    return PurchaseForecast(bg_nbd(x, t_x, seen), gamma_gamma(x + 1, mean), weeks)


def fit_purchases(train: pd.DataFrame, weeks: float) -> FittedModel:
    """Fit BG/NBD times Gamma-Gamma."""
    fitted = forecast(train, weeks)
    typical = np.median(matrix(train, OF_PURCHASES, NAME), axis=0)
    bands = Bands.of(fitted.spend(train), spend_of(train))
    form = {"purchases": purchases_form(fitted), "typical": typical.tolist(), "bands": asdict(bands)}
    return FittedModel(value_model("purchases", "BG/NBD x Gamma-Gamma", OF_PURCHASES, form), form["purchases"])


def fit_steps(
    train: pd.DataFrame, weeks: float, inputs: Sequence[str] = INPUTS, config: StepsConfig | None = None
) -> FittedModel:
    """Fit value in ordered steps: nothing, then steps of equally many customers, finer among the largest.

    Args:
        train: a row per customer and window.
        weeks: weeks of the label, for the forecast of purchases that is one of the inputs.
        inputs: columns the regressions take.
        config: number of steps and penalty.
    """
    config, names, truth = config or StepsConfig(), list(inputs), spend_of(train)
    fitted = forecast(train, weeks)
    x = step_inputs(train, names, fitted, NAME)
    scaler, borders = Scaler.of(x), _borders(truth, config)
    step, x = np.searchsorted(borders, truth, side="left"), scaler.scaled(x)
    regressions = [
        LogisticRegression(C=config.strength, max_iter=config.iterations).fit(x, step > number)
        for number in range(len(borders))
    ]
    logits = Logits(
        scaler,
        np.concatenate([step.coef_ for step in regressions]),
        np.concatenate([step.intercept_ for step in regressions]),
    )
    count = np.maximum(np.bincount(step, minlength=len(borders) + 1), 1)
    form = {
        "purchases": purchases_form(fitted),
        "inputs": names,
        "borders": borders.tolist(),
        "worth": (np.bincount(step, truth, len(borders) + 1) / count).tolist(),
        "logits": logits.to_form(),
    }
    needed = tuple(dict.fromkeys((*names, *OF_PURCHASES)))
    return FittedModel(value_model("steps", "ordered steps", needed, form), asdict(config))


def _borders(truth: np.ndarray, config: StepsConfig) -> np.ndarray:
    """Return the borders that some customers exceed and some do not, 0 the first."""
    borders = np.unique(np.concatenate([[0.0], np.quantile(truth[truth > 0], config.quantiles())]))
    return np.array([border for border in borders if 0 < (truth > border).sum() < len(truth)])
