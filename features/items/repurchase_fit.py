"""When a product type is bought again, and whether it is at all: a mixture of those who return and those who do not.

A purchase is followed by another of the same customer with probability p; the days between are log-normal(mu, sigma).
A purchase not yet followed is censored: it comes from one who returns later, or never. Fitted by EM on counts by day
bins, all items at once. Items with few purchases lean on all items: priors on p, mu and sigma have the weight that the
well-observed items' spread gives them (empirical Bayes). m = items, k = day bins.

References: Boag (1949), "Maximum Likelihood Estimates of the Proportion of Patients Cured by Cancer Therapy", JRSS B
11(1), for the mixture; Efron and Morris (1975), "Data Analysis Using Stein's Estimator", JASA 70, for the priors.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy.special import betaincinv, ndtr

#: upper ends of the day bins: exact to a fortnight, then ever wider, 12 years in all
_ENDS = np.unique(np.concatenate([np.arange(1, 15), np.geomspace(15, 4380, 42).round()])).astype(int)
#: the half-day on which a bin of whole days ends, on the logarithm
EDGES = np.log(np.concatenate([[0], _ENDS]) + 0.5)
YEAR = 365
#: repeats from which an item counts for the prior of all
ENOUGH = 30
_LEAST_SIGMA = 0.15
_ROUNDS = 100


@dataclass(frozen=True)
class RepurchasePrior:
    """What is expected of an item that nobody bought yet, the same of all or (m,) of each; weights are in purchases.

    Attributes:
        repeat: probability of another purchase, ever.
        repeat_weight: purchases it counts as.
        mu: mean of the logarithm of days.
        sigma: its standard deviation.
        weight: gaps that ``mu`` and ``sigma`` count as.
    """

    repeat: float | np.ndarray = 0.5
    repeat_weight: float = 2.0
    mu: float | np.ndarray = float(np.log(60))
    sigma: float | np.ndarray = 1.0
    weight: float = 2.0

    def of(self, rows: np.ndarray) -> RepurchasePrior:
        """Return what is expected of some items."""
        repeat, mu, sigma = (
            value if np.ndim(value) == 0 else np.asarray(value)[rows] for value in (self.repeat, self.mu, self.sigma)
        )
        return replace(self, repeat=repeat, mu=mu, sigma=sigma)


@dataclass(frozen=True)
class Repurchase:
    """Fitted items: arrays (m,); ``gaps`` is the number of gaps seen, ``purchases`` of all purchases."""

    repeat: np.ndarray
    mu: np.ndarray
    sigma: np.ndarray
    gaps: np.ndarray
    purchases: np.ndarray
    prior: RepurchasePrior

    def interval(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return the median days to the next purchase of those who return, with its 95 % interval."""
        spread = 1.96 * self.sigma / np.sqrt(self.gaps + self.prior.weight)
        return np.exp(self.mu), np.exp(self.mu - spread), np.exp(self.mu + spread)

    def within(self, days: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return P(bought again within ``days`` of a purchase) with its 95 % interval.

        A purchase that is not followed counts by the share of ``days`` that one who returns would have come back in.
        """
        returned = ndtr((np.log(days + 0.5) - self.mu) / self.sigma)
        yes = self.gaps + self.prior.repeat_weight * self.prior.repeat
        no = np.maximum(yes * (1 / np.maximum(self.repeat, 1e-9) - 1), 1e-6)
        low, high = betaincinv(yes, no, 0.025), betaincinv(yes, no, 0.975)
        return self.repeat * returned, low * returned, high * returned


def bins_of(days: np.ndarray) -> np.ndarray:
    """Return the bin of whole days from 1 on; what is longer than the last bin falls in it."""
    return np.minimum(np.searchsorted(_ENDS, days), len(_ENDS) - 1)


def fit(gaps: np.ndarray, open_: np.ndarray, prior: RepurchasePrior | None = None) -> Repurchase:
    """Fit all items; O(rounds x m x k).

    Args:
        gaps: (m, k) purchases that were followed by another after so many days.
        open_: (m, k) purchases not followed in so many days up to now.
        prior: None: learnt from the items with at least ``ENOUGH`` gaps.
    """
    if prior is None:
        prior = learnt_prior(gaps, open_)
    total, still = gaps.sum(axis=1), open_.sum(axis=1)
    middle = (EDGES[:-1] + EDGES[1:]) / 2
    repeat, mu = np.full(len(gaps), prior.repeat), np.full(len(gaps), prior.mu)
    sigma = np.full(len(gaps), prior.sigma)
    first, second = gaps @ middle, gaps @ middle**2
    for _ in range(_ROUNDS):
        beyond, tail_first, tail_second = _tail(mu, sigma)
        later = repeat[:, None] * beyond
        returning = open_ * later / np.maximum(1 - repeat[:, None] + later, 1e-12)
        weight = returning.sum(axis=1)
        repeat = (total + weight + prior.repeat_weight * prior.repeat) / (total + still + prior.repeat_weight)
        n = total + weight + prior.weight
        mean = (first + (returning * tail_first).sum(axis=1) + prior.weight * prior.mu) / n
        square = second + (returning * tail_second).sum(axis=1) + prior.weight * (prior.sigma**2 + prior.mu**2)
        spread = np.sqrt(np.maximum(square / n - mean**2, _LEAST_SIGMA**2))
        mu, sigma = mean, spread
    return Repurchase(np.clip(repeat, 0, 1), mu, sigma, total, total + still, prior)


def learnt_prior(gaps: np.ndarray, open_: np.ndarray) -> RepurchasePrior:
    """Return means over the items with enough gaps, with the weights that their spread leaves (method of moments)."""
    enough = gaps.sum(axis=1) >= ENOUGH
    if enough.sum() < 5:
        pooled = fit(gaps.sum(axis=0, keepdims=True), open_.sum(axis=0, keepdims=True), RepurchasePrior())
        return RepurchasePrior(float(pooled.repeat[0]), 1.0, float(pooled.mu[0]), float(pooled.sigma[0]), 4.0)
    fits = fit(gaps[enough], open_[enough], RepurchasePrior())
    sigma2 = float(np.mean(fits.sigma**2))
    between = float(np.var(fits.mu) - np.mean(fits.sigma**2 / fits.gaps))
    p, spread = float(fits.repeat.mean()), float(np.var(fits.repeat))
    chance = float(np.mean(fits.repeat * (1 - fits.repeat) / fits.purchases))
    left = max(spread - chance, 1e-4)
    return RepurchasePrior(
        min(max(p, 0.01), 0.99), _weight(p * (1 - p) - left, left),
        float(fits.mu.mean()), float(np.sqrt(sigma2)), _weight(sigma2, between),
    )  # fmt: skip


def learnt_under(parents: RepurchasePrior, gaps: np.ndarray, open_: np.ndarray) -> tuple[float, float, float, float]:
    """Learn how items lie about what they belong to, from the well-observed ones.

    Buyers switch between the items of a parent, so an item is bought again more rarely and later than its parent.

    Args:
        parents: of each item's parent: arrays (m,); its weights serve where too few items have enough repeats.
        gaps: (m, k) as for :func:`fit`.
        open_: (m, k) as for :func:`fit`.

    Returns:
        For :func:`under`: what items add to their parent's log-odds of a repeat and to its logarithm of days, and the
        weights that their spread leaves the parent, in purchases and in gaps.
    """
    enough = np.flatnonzero(gaps.sum(axis=1) >= ENOUGH)
    if len(enough) < 5:
        return 0.0, 0.0, parents.repeat_weight, parents.weight
    fits, of = fit(gaps[enough], open_[enough], RepurchasePrior()), parents.of(enough)
    odds = float(np.mean(_log_odds(fits.repeat) - _log_odds(of.repeat)))
    days = float(np.mean(fits.mu - of.mu))
    expected = under(of, (odds, days, 1.0, 1.0))
    p = expected.repeat
    left = float(np.mean((fits.repeat - p) ** 2)) - float(np.mean(fits.repeat * (1 - fits.repeat) / fits.purchases))
    between = float(np.mean((fits.mu - expected.mu) ** 2) - np.mean(fits.sigma**2 / fits.gaps))
    return (
        odds,
        days,
        _weight(float(np.mean(p * (1 - p))) - left, left),
        _weight(float(np.mean(fits.sigma**2)), between),
    )


def under(parents: RepurchasePrior, learnt: tuple[float, float, float, float]) -> RepurchasePrior:
    """Return what is expected of items by their parents and what :func:`learnt_under` learnt."""
    odds, days, repeat_weight, weight = learnt
    repeat = 1 / (1 + np.exp(-_log_odds(parents.repeat) - odds))
    return RepurchasePrior(repeat, repeat_weight, parents.mu + days, parents.sigma, weight)


def _log_odds(p: float | np.ndarray) -> np.ndarray:
    kept = np.clip(p, 0.01, 0.99)
    return np.log(kept / (1 - kept))


def _weight(within: float, between: float) -> float:
    """Return how many purchases a prior counts as: the variance of one over that of the items."""
    return float(min(max(within / max(between, 1e-4), 1.0), 200.0))


def _tail(mu: np.ndarray, sigma: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return P(longer than a bin) and the first two moments of the logarithm beyond it, all (m, k)."""
    z = (EDGES[None, 1:] - mu[:, None]) / sigma[:, None]
    beyond = np.maximum(ndtr(-z), 1e-300)
    hazard = np.exp(-0.5 * z**2) / np.sqrt(2 * np.pi) / beyond
    hazard = np.where(z > 8, z + 1 / np.maximum(z, 1), hazard)  # the ratio of two tiny numbers
    first = mu[:, None] + sigma[:, None] * hazard
    second = mu[:, None] ** 2 + 2 * (mu * sigma)[:, None] * hazard + (sigma**2)[:, None] * (1 + z * hazard)
    return beyond, first, second
