"""Who leaves: active in the days up to ``as_of``, and without a purchase in the days of the horizon after it."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field

import pandas as pd

from conf.features import PROFILE
from training.classifiers import LogisticConfig, TreesConfig, calibrated, logistic, trees
from training.fitting import Candidate, better

NAME = "churn"
LABEL = "left"
#: numeric columns of ``PROFILE``
INPUTS: tuple[str, ...] = tuple(column.name for column in PROFILE.columns if column.type in ("int", "long", "double"))


@dataclass(frozen=True)
class ChurnConfig:
    """Everything that changes the fitted models."""

    logistic: LogisticConfig = field(default_factory=lambda: LogisticConfig(strength=0.02))
    trees: TreesConfig = field(default_factory=lambda: TreesConfig(leaves=8, learning_rate=0.03, min_rows=100))


def rows(customers: pd.DataFrame, active_days: int) -> pd.DataFrame:
    """Keep customers that are active, and add :data:`LABEL`.

    Args:
        customers: ``PROFILE``'s numbers, and ``returned``: bought within the horizon.
        active_days: a customer is active with a purchase in these days.
    """
    active = customers[customers["recency_days"] < active_days]
    return active.assign(**{LABEL: ~active["returned"].astype(bool)}).reset_index(drop=True)


def baseline(train: pd.DataFrame) -> Candidate:
    """Fit a logistic regression on the days since the last purchase alone."""
    return Candidate(logistic(NAME, train, ["recency_days"], LABEL, LogisticConfig(strength=1e6), "recency alone"))


def fit(train: pd.DataFrame, validation: pd.DataFrame, config: ChurnConfig) -> Candidate:
    """Fit a logistic regression and gradient-boosted trees, and return the better on the validation window."""
    linear = Candidate(logistic(NAME, train, INPUTS, LABEL, config.logistic), asdict(config.logistic))
    boosted = Candidate(trees(NAME, train, validation, INPUTS, LABEL, config.trees), asdict(config.trees))
    best = better([linear, boosted], validation, LABEL)
    return Candidate(calibrated(best.model, validation, LABEL), best.params)
