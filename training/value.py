"""What a customer will bring: purchases to come by BG/NBD, money a purchase by Gamma-Gamma, or value in ordered steps.

n = customers. x = repeat purchases (days with one, beyond the first), t_x = time from the first purchase to the last,
T = time from the first purchase to the end of what was seen; one unit of time throughout.

References: Fader, Hardie and Lee (2005), "Counting Your Customers the Easy Way: An Alternative to the Pareto/NBD
Model"; Fader and Hardie (2013), "The Gamma-Gamma Model of Monetary Value"; Frank and Hall (2001), "A Simple Approach to
Ordinal Classification".
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.optimize import OptimizeResult, minimize
from scipy.special import betaln, gammaln, hyp2f1

from training.artifacts import Model
from training.classifiers import LogisticConfig, logistic

_SMALL = 1e-9


@dataclass(frozen=True)
class BgNbd:
    """Purchases at a gamma rate (``r``, ``alpha``), and after each one leaves with a beta chance (``a``, ``b``)."""

    r: float
    alpha: float
    a: float
    b: float
    log_likelihood: float = float("nan")

    def expected(self, t: float, x: np.ndarray, t_x: np.ndarray, T: np.ndarray) -> np.ndarray:
        """Return the purchases expected in the ``t`` that follow (n,); equation 10 of the paper."""
        r, alpha, a, b = self.r, self.alpha, self.a, self.b
        tail = hyp2f1(r + x, b + x, a + b + x - 1, t / (alpha + T + t))
        grown = 1 - np.exp((r + x) * (np.log(alpha + T) - np.log(alpha + T + t))) * tail
        return (a + b + x - 1) / (a - 1) * grown * self.alive(x, t_x, T)

    def alive(self, x: np.ndarray, t_x: np.ndarray, T: np.ndarray) -> np.ndarray:
        """Return the probability that a customer has not left (n,); 1 without a repeat purchase."""
        odds = self.a / (self.b + np.maximum(x, 1) - 1)
        lost = odds * np.exp((self.r + x) * (np.log(self.alpha + T) - np.log(self.alpha + t_x)))
        return np.where(x > 0, 1 / (1 + lost), 1.0)


def bg_nbd(x: np.ndarray, t_x: np.ndarray, T: np.ndarray) -> BgNbd:
    """Fit BG/NBD by maximum likelihood; O(n) an evaluation, customers alike counted once."""
    seen, weight = np.unique(np.stack([x, t_x, T], axis=1).astype("float64"), axis=0, return_counts=True)
    x, t_x, T = seen.T

    def loss(logs: np.ndarray) -> float:
        r, alpha, a, b = np.exp(logs)
        rate = gammaln(r + x) - gammaln(r) + r * np.log(alpha)
        stays = betaln(a, b + x) - betaln(a, b) - (r + x) * np.log(alpha + T)
        leaves = betaln(a + 1, b + np.maximum(x, 1) - 1) - betaln(a, b) - (r + x) * np.log(alpha + t_x)
        each = rate + np.logaddexp(stays, np.where(x > 0, leaves, -np.inf))
        return -float(np.dot(weight, each)) / weight.sum()

    found = _minimum(loss, np.log([0.5, max(float(np.median(T)) / 5, 0.1), 0.8, 2.5]))
    r, alpha, a, b = np.exp(found.x)
    return BgNbd(float(r), float(alpha), float(a), float(b), -float(found.fun) * float(weight.sum()))


@dataclass(frozen=True)
class GammaGamma:
    """Money of a purchase: gamma with shape ``p`` around a customer's own mean, which is drawn by ``q`` and ``v``."""

    p: float
    q: float
    v: float

    def expected(self, x: np.ndarray, mean: np.ndarray) -> np.ndarray:
        """Return the money expected of a purchase (n,), from ``x`` purchases of the mean ``mean``."""
        base = self.p * self.v / (self.q - 1)
        weight = self.p * x / (self.p * x + self.q - 1)
        return (1 - weight) * base + weight * np.where(x > 0, mean, 0.0)


def gamma_gamma(x: np.ndarray, mean: np.ndarray) -> GammaGamma:
    """Fit Gamma-Gamma by maximum likelihood on the customers with a purchase of some money."""
    some = (x > 0) & (mean > 0)
    x, mean = x[some].astype("float64"), mean[some].astype("float64")

    def loss(logs: np.ndarray) -> float:
        p, q, v = np.exp(logs)
        q = q + 1  # a mean exists from q = 1 on
        each = (
            gammaln(p * x + q) - gammaln(p * x) - gammaln(q) + q * np.log(v)
            + (p * x - 1) * np.log(mean) + p * x * np.log(x) - (p * x + q) * np.log(x * mean + v)
        )  # fmt: skip
        return -float(each.mean())

    found = _minimum(loss, np.log([5.0, 3.0, float(np.median(mean))]))
    p, q, v = np.exp(found.x)
    return GammaGamma(float(p), float(q) + 1, float(v))


@dataclass(frozen=True)
class Steps:
    """Value in ordered steps: ``above[i]`` gives P(value > ``borders[i]``), ``worth`` is each step's mean value."""

    borders: tuple[float, ...]
    worth: tuple[float, ...]
    above: tuple[Model, ...]

    def shares(self, frame: pd.DataFrame) -> np.ndarray:
        """Return the probability of each step (n, steps); rows add up to 1."""
        over = np.stack([model.predict(frame) for model in self.above], axis=1)
        over = np.minimum.accumulate(over, axis=1)
        edges = np.concatenate([np.ones((len(frame), 1)), over, np.zeros((len(frame), 1))], axis=1)
        return edges[:, :-1] - edges[:, 1:]

    def expected(self, frame: pd.DataFrame) -> np.ndarray:
        """Return the expected value (n,)."""
        return self.shares(frame) @ np.array(self.worth)

    def interval(self, frame: pd.DataFrame, share: float = 0.8) -> tuple[np.ndarray, np.ndarray]:
        """Return the lowest and highest step's worth of the central ``share`` of each customer's steps."""
        total = np.cumsum(self.shares(frame), axis=1)
        low, high = ((total < edge - _SMALL).sum(axis=1) for edge in ((1 - share) / 2, (1 + share) / 2))
        worth = np.array(self.worth)
        return worth[np.minimum(low, len(worth) - 1)], worth[np.minimum(high, len(worth) - 1)]


def steps(
    frame: pd.DataFrame, inputs: Sequence[str], value: str, count: int = 5, config: LogisticConfig | None = None
) -> Steps:
    """Fit value in ordered steps: nothing, then ``count`` steps of equally many customers.

    Args:
        frame: a row per customer.
        inputs: numeric columns.
        value: column of the value that came.
        count: steps above nothing; fewer where values repeat.
        config: of the logistic regression of each border.
    """
    worth = frame[value].to_numpy(dtype="float64")
    borders = np.unique(np.concatenate([[0.0], np.quantile(worth[worth > 0], np.arange(1, count) / count)]))
    step = np.searchsorted(borders, worth, side="left")
    above = []
    for number in range(len(borders)):
        rows = frame.assign(over=step > number)
        above.append(logistic("value", rows, inputs, "over", config or LogisticConfig(strength=0.1), "value step"))
    means = [
        float(worth[step == number].mean()) if (step == number).any() else 0.0 for number in range(len(borders) + 1)
    ]
    return Steps(tuple(map(float, borders)), tuple(means), tuple(above))


def deciles(truth: np.ndarray, predicted: np.ndarray) -> pd.DataFrame:
    """Return mean prediction and mean truth by tenth of the prediction, the lowest first."""
    parts = np.array_split(np.argsort(predicted, kind="stable"), 10)
    rows = [(len(part), float(predicted[part].mean()), float(truth[part].mean())) for part in parts]
    return pd.DataFrame(rows, columns=["customers", "predicted", "came"])


def _minimum(loss: Callable[[np.ndarray], float], start: np.ndarray) -> OptimizeResult:
    """Minimise over log-parameters that are kept where numbers stay finite."""
    return minimize(loss, start, method="L-BFGS-B", bounds=[(-9, 9)] * len(start), options={"maxiter": 1000})
