"""What a customer will spend in the twelve weeks to come: which models there are, and how they are judged.

The gate's metric is a customer's negative Tweedie deviance of power 1.5 (:func:`deviances`): it is proper for an
expectation, bears the zeros of those who stay away, and lets neither the few largest customers nor the many smallest
decide alone. Mean absolute error, correlation, total and the interval's coverage are told beside it.

n = customers. Columns are those of ``PURCHASE_SERIES``; ``spend_after`` is the spend that came.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy.optimize import minimize
from scipy.stats import spearmanr
from sklearn.linear_model import LogisticRegression

from conf.tables.features import PURCHASE_SERIES
from training.evaluation.fitted import Candidate, Judged
from training.models.artifacts import Meta, Model, matrix
from training.models.logistic import Logits, Scaler
from training.value.bg_nbd import bg_nbd, gamma_gamma
from training.value.models import (
    LEAST,
    OF_PURCHASES,
    OF_SPEND,
    Bands,
    Purchases,
    ValueModel,
    packed,
    purchases_form,
    seen_purchases,
    step_inputs,
)

NAME = "value"
LABEL = "spend_after"
DECLARED: tuple[str, ...] = PURCHASE_SERIES.names[1:]
#: parts of names of inputs that grow with the history the source has, and not with the customer
_OF_HISTORY = ("_total", "tenure", "_182", "_364", "_112", "absence", "gap_max", "weeks_active", "interval_deviation")
INPUTS: tuple[str, ...] = tuple(name for name in DECLARED if not any(part in name for part in _OF_HISTORY))
#: expectations below this are judged as if they were this, in the source's currency
FLOOR = 1.0


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


def baseline(train: pd.DataFrame) -> Candidate:
    """Fit the spend of the last 84 days, scaled, and something for everybody; both by the gate's own metric."""
    spend, truth = np.maximum(matrix(train, OF_SPEND, NAME)[:, 0], 0), _truth(train)
    start = [max(float(truth.mean()) / 10, LEAST), float(truth.sum() / max(spend.sum(), LEAST))]

    def loss(logs: np.ndarray) -> float:
        base, share = np.exp(logs)
        return float(deviances(truth, base + share * spend).mean())

    base, share = np.exp(minimize(loss, np.log(np.maximum(start, LEAST)), method="Nelder-Mead").x)
    form = {"base": float(base), "share": float(share), "mean": float(spend.mean())}
    bands = Bands.of(base + share * spend, truth)
    return Candidate(_model("spend", "spend of the last 84 days alone", OF_SPEND, form | {"bands": asdict(bands)}))


def forecast(train: pd.DataFrame, weeks: float) -> Purchases:
    """Fit BG/NBD and Gamma-Gamma to what was seen of the newest window's customers; labels are not looked at."""
    newest = train[train["as_of"] == train["as_of"].max()] if "as_of" in train.columns else train
    x, t_x, seen, mean = seen_purchases(newest)
    return Purchases(bg_nbd(x, t_x, seen), gamma_gamma(x + 1, mean), weeks)


def purchases(train: pd.DataFrame, weeks: float) -> Candidate:
    """Fit BG/NBD times Gamma-Gamma."""
    fitted = forecast(train, weeks)
    typical = np.median(matrix(train, OF_PURCHASES, NAME), axis=0)
    bands = Bands.of(fitted.spend(train), _truth(train))
    form = {"purchases": purchases_form(fitted), "typical": typical.tolist(), "bands": asdict(bands)}
    return Candidate(_model("purchases", "BG/NBD x Gamma-Gamma", OF_PURCHASES, form), form["purchases"])


def steps(
    train: pd.DataFrame, weeks: float, inputs: Sequence[str] = INPUTS, config: StepsConfig | None = None
) -> Candidate:
    """Fit value in ordered steps: nothing, then steps of equally many customers, finer among the largest.

    Args:
        train: a row per customer and window.
        weeks: weeks of the label, for the forecast of purchases that is one of the inputs.
        inputs: columns the regressions take.
        config: number of steps and penalty.
    """
    config, names, truth = config or StepsConfig(), list(inputs), _truth(train)
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
        np.concatenate([each.coef_ for each in regressions]),
        np.concatenate([each.intercept_ for each in regressions]),
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
    return Candidate(_model("steps", "ordered steps", needed, form), asdict(config))


def deviances(truth: np.ndarray, expected: np.ndarray, floor: float = FLOOR) -> np.ndarray:
    """Return each customer's Tweedie deviance of power 1.5 (n,): 0 is perfect.

    Reference: Jørgensen (1987), "Exponential Dispersion Models". Expectations below ``floor`` count as that.
    """
    mean = np.sqrt(np.maximum(expected, floor))
    return 4 * (np.sqrt(truth) - mean) ** 2 / mean


def judge(model: Model, frame: pd.DataFrame) -> Judged:
    """Judge expectations: negative deviance of each customer, and further figures of the window."""
    expected, truth = model.predict(frame), _truth(frame)
    each = pd.Series(-deviances(truth, expected)).groupby(frame["customer_id"].to_numpy()).mean().sort_index()
    return Judged(each, value_metrics(truth, expected, interval(model, frame)), expected, truth)


def interval(model: Model, frame: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Return the bounds of 80 % of what is expected to come of each customer."""
    of_value: ValueModel = model  # type: ignore[assignment]
    return of_value.interval(frame)


def value_metrics(
    truth: np.ndarray, expected: np.ndarray, bounds: tuple[np.ndarray, np.ndarray] | None = None
) -> dict[str, float]:
    """Return ``deviance``, ``mae``, both correlations, ``total`` (expected over come) and ``coverage``.

    ``coverage`` is the share of what came that lies within ``bounds``; it is left out where there are none.
    """
    some = np.ptp(expected) > 0 and np.ptp(truth) > 0
    found = {
        "deviance": float(deviances(truth, expected).mean()),
        "mae": float(np.abs(truth - expected).mean()),
        "correlation": float(np.corrcoef(truth, expected)[0, 1]) if some else float("nan"),
        "rank_correlation": float(spearmanr(truth, expected)[0]) if some else float("nan"),
        "total": float(expected.sum() / truth.sum()) if truth.sum() else float("nan"),
    }
    if bounds is not None:
        found["coverage"] = float(((truth >= bounds[0] - 1e-9) & (truth <= bounds[1] + 1e-9)).mean())
    return found


def _truth(frame: pd.DataFrame) -> np.ndarray:
    return np.maximum(frame[LABEL].to_numpy(dtype="float64"), 0)


def _borders(truth: np.ndarray, config: StepsConfig) -> np.ndarray:
    """Return the borders that some customers exceed and others do not, 0 the first."""
    borders = np.unique(np.concatenate([[0.0], np.quantile(truth[truth > 0], config.quantiles())]))
    return np.array([border for border in borders if 0 < (truth > border).sum() < len(truth)])


def _model(form: str, family: str, inputs: Sequence[str], numbers: dict[str, Any]) -> Model:
    return packed(Meta(NAME, "value", family, tuple(inputs), ("expected_spend",), {"form": form}), numbers)
