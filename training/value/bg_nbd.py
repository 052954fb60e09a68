"""Purchases to come by BG/NBD, and money a purchase by Gamma-Gamma.

n = customers. x = repeat purchases (days with one, beyond the first), t_x = time from the first purchase to the last,
T = time from the first purchase to the end of what was seen; one unit of time throughout.

References: Fader, Hardie and Lee (2005), "Counting Your Customers the Easy Way: An Alternative to the Pareto/NBD
Model"; Fader and Hardie (2013), "The Gamma-Gamma Model of Monetary Value".
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.optimize import OptimizeResult, minimize
from scipy.special import betaln, gammaln, hyp2f1


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
        log_likelihood = rate + np.logaddexp(stays, np.where(x > 0, leaves, -np.inf))
        return -float(np.dot(weight, log_likelihood)) / weight.sum()

    fitted = _minimum(loss, np.log([0.5, max(float(np.median(T)) / 5, 0.1), 0.8, 2.5]))
    r, alpha, a, b = np.exp(fitted.x)
    return BgNbd(float(r), float(alpha), float(a), float(b), -float(fitted.fun) * float(weight.sum()))


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
        log_likelihood = (
            gammaln(p * x + q) - gammaln(p * x) - gammaln(q) + q * np.log(v)
            + (p * x - 1) * np.log(mean) + p * x * np.log(x) - (p * x + q) * np.log(x * mean + v)
        )  # fmt: skip
        return -float(log_likelihood.mean())

    fitted = _minimum(loss, np.log([5.0, 3.0, float(np.median(mean))]))
    p, q, v = np.exp(fitted.x)
    return GammaGamma(float(p), float(q) + 1, float(v))


def _minimum(loss: Callable[[np.ndarray], float], start: np.ndarray) -> OptimizeResult:
    """Minimise over log-parameters that are kept where numbers stay finite."""
    return minimize(loss, start, method="L-BFGS-B", bounds=[(-9, 9)] * len(start), options={"maxiter": 1000})
