"""How days to the next purchase are fitted: a log-normal distribution by maximum likelihood, with censoring."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np
import pandas as pd
from scipy.optimize import minimize
from scipy.special import log_ndtr, ndtr

from training.days_to_next.inputs import CENSORED, LABEL
from training.days_to_next.log_normal import packed
from training.days_to_next.spec import INPUTS, NAME
from training.evaluation.fitted import FittedModel
from training.models.artifacts import Meta, matrix
from training.models.logistic import Logits, Scaler

_LEAST = 1e-12
#: the spread of the logarithm stays within these bounds
_SPREADS = (0.05, 5.0)


@dataclass(frozen=True)
class DaysConfig:
    """Everything that changes the fitted model; ``penalty`` is that of the squares of the coefficients, by row."""

    penalty: float = 1e-3
    iterations: int = 500


def fit(
    train: pd.DataFrame, inputs: Sequence[str] = INPUTS, config: DaysConfig | None = None, family: str = ""
) -> FittedModel:
    """Fit location and spread; O(rows x inputs) an iteration.

    Args:
        train: from :func:`training.days_to_next.inputs.rows`.
        inputs: numeric columns.
        config: penalty.
        family: what sort of model it is, in words.
    """
    config = config or DaysConfig()
    raw, days = matrix(train, inputs, NAME), train[LABEL].to_numpy(dtype="float64")
    censored, scaler = train[CENSORED].to_numpy(dtype=bool), Scaler.of(raw)
    x = np.concatenate([scaler.scaled(raw), np.ones((len(raw), 1))], axis=1)
    begin = np.zeros(x.shape[1] + 1)
    begin[-2], begin[-1] = np.log(days).mean(), 0.0

    def loss(theta: np.ndarray) -> tuple[float, np.ndarray]:
        value, slopes = _loss(theta, x, days, censored)
        weights = np.append(theta[:-2], [0.0, 0.0])
        return value + config.penalty * float(weights @ weights), slopes + 2 * config.penalty * weights

    bounds = [(None, None)] * x.shape[1] + [tuple(np.log(_SPREADS))]
    options = {"maxiter": config.iterations}
    theta = minimize(loss, begin, jac=True, method="L-BFGS-B", bounds=bounds, options=options).x
    linear = Logits(scaler, theta[None, :-2], theta[-2:-1])
    meta = Meta(NAME, NAME, family or "log-normal days", tuple(inputs), ("days",))
    return FittedModel(packed(meta, linear, float(np.exp(theta[-1]))), asdict(config))


def _loss(theta: np.ndarray, x: np.ndarray, days: np.ndarray, censored: np.ndarray) -> tuple[float, np.ndarray]:
    """Return the mean negative log-likelihood and its slopes by coefficients, intercept and log of the spread."""
    spread, location = np.exp(theta[-1]), x @ theta[:-1]
    upper = (np.log(days + 0.5) - location) / spread
    lower = np.where(days > 1, (np.log(np.maximum(days - 0.5, 0.5)) - location) / spread, -np.inf)
    inside = np.maximum(ndtr(upper) - ndtr(lower), _LEAST)
    value = np.where(censored, log_ndtr(-upper), np.log(inside))
    at_upper, at_lower = _density(upper), _density(lower)
    hazard = np.exp(-0.5 * upper**2 - log_ndtr(-upper)) / np.sqrt(2 * np.pi)
    by_location = np.where(censored, hazard, (at_lower - at_upper) / inside) / spread
    reached = np.where(np.isfinite(lower), lower, 0.0)
    by_spread = np.where(censored, hazard * upper, (at_lower * reached - at_upper * upper) / inside)
    slopes = np.append(x.T @ by_location, by_spread.sum()) / len(days)
    return -float(value.mean()), -slopes


def _density(z: np.ndarray) -> np.ndarray:
    return np.exp(-0.5 * z**2) / np.sqrt(2 * np.pi)
