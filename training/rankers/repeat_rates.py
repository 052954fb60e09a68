"""How probable a repeat purchase is where no ranker is trained yet: a regression on counts of the history itself.

P(buys the type again) follows from how many baskets had it and how many weeks ago the last and the first of them were.
Customers who came once and never again are part of the counts, so that a single purchase is not taken for a habit.
n = rows of the counts.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from sklearn.linear_model import LogisticRegression

#: repeats, and pairs without one, from which the regression is fitted; below, all pairs have the shrunken share
LEAST_EVENTS = 20
#: pairs that the prior counts as, and the share of repeats that it expects where nothing is there
PRIOR_PAIRS, PRIOR_SHARE = 20.0, 0.05
INPUTS = ("baskets", "weeks_since_last", "weeks_since_first")


@dataclass(frozen=True)
class RepeatRates:
    """Log-odds of a repeat purchase: ``intercept`` + ``slopes`` times the logarithms of 1 + :data:`INPUTS`.

    Attributes:
        intercept: log-odds of a pair with zeros.
        slopes: one for each of :data:`INPUTS`.
        pairs: pairs of a customer and a product type that it was learnt from.
        days: days in which a repeat counted.
    """

    intercept: float
    slopes: tuple[float, ...]
    pairs: int
    days: int


def fit(counts: pd.DataFrame, days: int) -> RepeatRates:
    """Learn the rates from ``features.customers.repeat_counts`` (n rows), counted over ``days`` days.

    >>> few = fit(pd.DataFrame({"baskets": [1], "weeks_since_last": [2], "weeks_since_first": [2],
    ...                         "pairs": [80], "repeated": [4]}), 28)
    >>> round(float(probability(few, np.array([[1, 2, 2]]), 28)[0]), 3)  # (4 + 20 x 0.05) / (80 + 20)
    0.05
    """
    repeated, pairs = (counts[name].to_numpy(dtype=float) for name in ("repeated", "pairs"))
    events, total = float(repeated.sum()), float(pairs.sum())
    if min(events, total - events) < LEAST_EVENTS:
        share = (events + PRIOR_PAIRS * PRIOR_SHARE) / (total + PRIOR_PAIRS)
        return RepeatRates(float(np.log(share / (1 - share))), (0.0,) * len(INPUTS), int(total), days)
    x = np.log1p(counts[list(INPUTS)].to_numpy(dtype=float))
    truth = np.repeat([True, False], len(counts))
    weights = np.concatenate([repeated, pairs - repeated])
    model = LogisticRegression(C=100.0, max_iter=1000).fit(np.vstack([x, x]), truth, sample_weight=weights)
    slopes = tuple(float(slope) for slope in model.coef_[0])
    return RepeatRates(float(model.intercept_[0]), slopes, int(total), days)


def probability(rates: RepeatRates, inputs: np.ndarray, horizon_days: int) -> np.ndarray:
    """Return P(a repeat within ``horizon_days``) of rows of :data:`INPUTS` (n, 3); (n,).

    Rates over fewer days are carried to the horizon as if the days were independent.
    """
    log_odds = rates.intercept + np.log1p(np.asarray(inputs, dtype=float)) @ np.array(rates.slopes)
    return 1 - (1 - 1 / (1 + np.exp(-log_odds))) ** (horizon_days / rates.days)
