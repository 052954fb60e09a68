"""Who leaves: active in the days up to ``as_of``, and without a purchase in the days of the horizon after it."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd

from conf.features import RHYTHM
from training.artifacts import Model
from training.classifiers import LogisticConfig, TreesConfig, calibrated, logistic, trees, with_calibration
from training.fitting import Candidate, better

NAME = "churn"
LABEL = "left"
#: numeric columns of ``RHYTHM``
INPUTS: tuple[str, ...] = RHYTHM.names[1:]
_LOGISTIC, _TREES = "logistic", "trees"


@dataclass(frozen=True)
class ChurnConfig:
    """Everything that changes the fitted models."""

    logistic: LogisticConfig = field(default_factory=lambda: LogisticConfig(strength=0.01))
    trees: TreesConfig = field(
        default_factory=lambda: TreesConfig(
            leaves=6, learning_rate=0.025, rounds=600, min_rows=300, rows_share=0.7, inputs_share=0.2, l2=10.0
        )
    )


def rows(customers: pd.DataFrame, active_days: int) -> pd.DataFrame:
    """Keep customers that are active, and add :data:`LABEL`.

    Args:
        customers: ``RHYTHM``'s numbers, and ``returned``: bought within the horizon.
        active_days: a customer is active with a purchase in these days.
    """
    active = customers[customers["recency_days"] < active_days]
    return active.assign(**{LABEL: ~active["returned"].astype(bool)}).reset_index(drop=True)


def baseline(train: pd.DataFrame) -> Candidate:
    """Fit a logistic regression on the days since the last purchase alone."""
    return Candidate(logistic(NAME, train, ["recency_days"], LABEL, LogisticConfig(strength=1e6), "recency alone"))


def fit(
    train: pd.DataFrame, validation: pd.DataFrame, config: ChurnConfig, recent: pd.DataFrame | None = None
) -> Candidate:
    """Fit a logistic regression and gradient-boosted trees, and keep the better on the validation window.

    Args:
        train: rows of windows whose labels end before the validation window begins.
        validation: chooses the kind, the number of trees and the calibration.
        config: penalties and sizes.
        recent: rows up to the validation window's own; the chosen kind is fitted again on them, as it was chosen, for
            the newest windows say most of the next.
    """
    fitted = {
        _LOGISTIC: logistic(NAME, train, INPUTS, LABEL, config.logistic),
        _TREES: trees(NAME, train, validation, INPUTS, LABEL, config.trees),
    }
    candidates = [
        Candidate(fitted[_LOGISTIC], asdict(config.logistic)),
        Candidate(fitted[_TREES], asdict(config.trees)),
    ]
    best = better(candidates, validation, LABEL)
    settled = calibrated(best.model, validation, LABEL)
    if recent is None:
        return Candidate(settled, best.params)
    again = _again(best.model, recent, config)
    found: Any = settled.meta.extra.get("calibration")
    return Candidate(with_calibration(again, *found) if found else again, best.params)


def coverage(
    truth: np.ndarray, probability: np.ndarray, precisions: tuple[float, ...] = (0.5, 0.7, 0.9)
) -> pd.DataFrame:
    """Tell how many customers can be named at a precision: the longest list, by falling probability, that holds it.

    Returns:
        A row per precision: ``precision``, ``named`` (customers), ``coverage`` (share of all customers) and ``found``
        (share of those it is true of).
    """
    order = np.argsort(-probability, kind="stable")
    right = np.cumsum(np.asarray(truth, dtype=bool)[order])
    reached = right / np.arange(1, len(order) + 1)
    rows = []
    for precision in precisions:
        holds = np.flatnonzero(reached >= precision)
        named = int(holds[-1]) + 1 if len(holds) else 0
        found = right[named - 1] / max(right[-1], 1) if named else 0.0
        rows.append((precision, named, named / len(order), float(found)))
    return pd.DataFrame(rows, columns=["precision", "named", "coverage", "found"])


def _again(chosen: Model, recent: pd.DataFrame, config: ChurnConfig) -> Model:
    if chosen.meta.kind == "sklearn":
        return logistic(NAME, recent, INPUTS, LABEL, config.logistic)
    rounds = chosen.booster.num_trees()  # type: ignore[attr-defined]
    return trees(NAME, recent, None, INPUTS, LABEL, replace(config.trees, rounds=rounds))
