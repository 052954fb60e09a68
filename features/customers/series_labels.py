"""What the series of a customer's baskets became after ``as_of``: the labels of churn, value and survival.

n = customers of a block. A label that the observed days do not settle is NaN. Week 1 is the
seven days after ``as_of``.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from features.lines import MONEY_UNIT

#: weeks of survival
SURVIVAL_WEEKS = 12
#: bounds of the days after which an absence is beyond a customer's own habit
LEAST_LIMIT, MOST_LIMIT = 7, 56
#: names of the labels besides ``returned``
NUMBERS = ("spend_after", "leaves_in_week", "weeks_observed", "own_limit_days", "beyond_limit")


@dataclass(frozen=True)
class Horizons:
    """Days after ``as_of`` that labels look at, and the last observed day (in days since 1970).

    Attributes:
        days: without a basket in so many days a customer has left.
        value_days: days whose spend is the value.
        until: last day whose baskets are observed.
    """

    days: int
    value_days: int
    until: int


@dataclass(frozen=True)
class After:
    """Baskets after ``as_of``, ``day`` counted from it (e,); every method is a label."""

    owner: np.ndarray
    day: np.ndarray
    amount: np.ndarray
    customers: int
    as_of: int

    def returned(self, days: int) -> np.ndarray:
        """Return who buys within ``days``, boolean (n,)."""
        return np.bincount(self.owner[self.day <= days], minlength=self.customers) > 0

    def spend(self, horizons: Horizons) -> np.ndarray:
        """Return the spend within the value's days (n,); NaN where these are not all observed."""
        if self.as_of + horizons.value_days > horizons.until:
            return np.full(self.customers, np.nan)
        within = self.day <= horizons.value_days
        return np.maximum(np.bincount(self.owner[within], self.amount[within], self.customers), 0) / MONEY_UNIT

    def weeks_observed(self, horizons: Horizons) -> int:
        """Return the number of weeks for which it is settled whether an absence began in them."""
        beyond = horizons.until - self.as_of - horizons.days
        return 0 if beyond < 0 else min(beyond // 7 + 1, SURVIVAL_WEEKS)

    def leaves_in_week(self, horizons: Horizons) -> np.ndarray:
        """Return the first week with which an absence of ``horizons.days`` begins (n,); NaN where none does."""
        week = np.full(self.customers, np.nan)
        for number in range(self.weeks_observed(horizons), 0, -1):
            first = 7 * (number - 1)
            inside = (self.day > first) & (self.day <= first + horizons.days)
            week[np.bincount(self.owner[inside], minlength=self.customers) == 0] = number
        return week

    def beyond(self, rest: np.ndarray, horizons: Horizons) -> np.ndarray:
        """Return who does not buy within their own ``rest`` days (n,): 1, 0, or NaN where unknown."""
        first = np.full(self.customers, np.inf)
        np.minimum.at(first, self.owner, self.day)
        settled = (rest >= 0) & (self.as_of + rest <= horizons.until)
        return np.where(settled, (first > rest).astype("float64"), np.nan)


def after(owner: np.ndarray, day: np.ndarray, amount: np.ndarray, customers: int, as_of: int) -> After:
    """Hold the baskets after ``as_of``: sorted by owner and day, ``amount`` in ten-thousandths."""
    later = day > as_of
    return After(owner[later], day[later] - as_of, amount[later], customers, as_of)


def own_limit(gap_p95: np.ndarray, visits: np.ndarray) -> np.ndarray:
    """Return the days after which an absence is longer than 95 % of a customer's own gaps (n,).

    It lies between :data:`LEAST_LIMIT` and :data:`MOST_LIMIT`; NaN under six visits, whose gaps say too little.
    """
    return np.where(visits >= 6, np.clip(gap_p95, LEAST_LIMIT, MOST_LIMIT), np.nan)


def labels(later: After, described: dict[str, np.ndarray], horizons: Horizons) -> dict[str, np.ndarray]:
    """Return ``returned`` and the labels :data:`NUMBERS` of every customer (n,).

    Args:
        later: from :func:`after`.
        described: what :func:`features.customers.purchase_series.describe` says as of the same day.
        horizons: days that labels look at.
    """
    limit = own_limit(described["gap_p95"], described["visits_total"])
    return {
        "returned": later.returned(horizons.days),
        "spend_after": later.spend(horizons),
        "leaves_in_week": later.leaves_in_week(horizons),
        "weeks_observed": np.full(later.customers, float(later.weeks_observed(horizons))),
        "own_limit_days": limit,
        "beyond_limit": later.beyond(np.nan_to_num(limit - described["recency_days"], nan=-1.0), horizons),
    }
