"""Who leaves: active in the days up to ``as_of``, and without a purchase in the days of the horizon after it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd

from conf.tables.features import PURCHASE_SERIES
from training.evaluation.fitted import Candidate, Judged, better, judge_binary
from training.models.artifacts import Model
from training.models.blends import Blend, blend
from training.models.classifiers import (
    LogisticConfig,
    TreesConfig,
    boosted,
    calibrated,
    logistic,
    trees,
    with_calibration,
)

NAME = "churn"
LABEL = "left"
#: the other definition: an absence longer than 95 % of the customer's own gaps, see ``series_labels``
OWN_NAME, OWN_LABEL = "own_rhythm", "outlasts"
#: numeric columns of ``PURCHASE_SERIES``
INPUTS: tuple[str, ...] = PURCHASE_SERIES.names[1:]


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
        customers: ``PURCHASE_SERIES``'s numbers, and ``returned``: bought within the horizon.
        active_days: a customer is active with a purchase in these days.
    """
    active = customers[customers["recency_days"] < active_days]
    return active.assign(**{LABEL: ~active["returned"].astype(bool)}).reset_index(drop=True)


def own_rows(customers: pd.DataFrame) -> pd.DataFrame:
    """Keep customers whose own limit is known and not yet passed, and add :data:`OWN_LABEL`.

    Args:
        customers: the set ``purchase_series``, with ``beyond_limit``: 1, 0, or NaN where nobody can tell.
    """
    known = customers[customers["beyond_limit"].notna()]
    return known.assign(**{OWN_LABEL: known["beyond_limit"] > 0}).reset_index(drop=True)


def own_fit(train: pd.DataFrame, config: LogisticConfig | None = None) -> Candidate:
    """Fit a logistic regression of the absence that outlasts the customer's own rhythm."""
    config = config or ChurnConfig().logistic
    return Candidate(logistic(OWN_NAME, train, INPUTS, OWN_LABEL, config), asdict(config))


def own_baseline(train: pd.DataFrame) -> Candidate:
    """Fit a logistic regression on the absence so far over the customer's mean interval alone."""
    how = LogisticConfig(strength=1e6)
    return Candidate(logistic(OWN_NAME, train, ["overdue_ratio"], OWN_LABEL, how, "absence over interval alone"))


def baseline(train: pd.DataFrame) -> Candidate:
    """Fit a logistic regression on the days since the last purchase alone."""
    return Candidate(logistic(NAME, train, ["recency_days"], LABEL, LogisticConfig(strength=1e6), "recency alone"))


def fit(
    train: pd.DataFrame,
    validation: pd.DataFrame,
    recent: pd.DataFrame | None = None,
    config: ChurnConfig | None = None,
) -> Candidate:
    """Fit a logistic regression and gradient-boosted trees, and keep the best of them and their mean.

    Args:
        train: rows of windows whose labels end before the validation window begins.
        validation: chooses the kind, the number of trees and the calibration.
        recent: rows up to the validation window's own; the chosen kind is fitted again on them, as it was chosen, for
            the newest windows say most of the next.
        config: penalties and sizes.
    """
    config = config or ChurnConfig()
    return settle(members(train, validation, config), validation, recent, config)


def members(train: pd.DataFrame, validation: pd.DataFrame, config: ChurnConfig) -> list[Candidate]:
    """Return a logistic regression and gradient-boosted trees, whose number the validation window chooses."""
    return [
        Candidate(logistic(NAME, train, INPUTS, LABEL, config.logistic), asdict(config.logistic)),
        boosted(NAME, train, validation, INPUTS, LABEL, config.trees),
    ]


def settle(
    fitted: Sequence[Candidate],
    validation: pd.DataFrame,
    recent: pd.DataFrame | None,
    config: ChurnConfig,
    last: Mapping[str, Model] | None = None,
) -> Candidate:
    """Keep the best of some models and the mean of them all, calibrate it, and fit it again on the newest rows.

    Args:
        fitted: models of different kinds.
        validation: chooses, and calibrates.
        recent: rows of the last fit; None: there is none.
        config: penalties and sizes.
        last: models that are fitted again already, by their family.
    """
    curves = {f"{e.model.meta.family}/{name}": each for e in fitted for name, each in e.curves.items()}
    params = {"blend": [dict(e.params) for e in fitted]}
    together = Candidate(blend(NAME, [each.model for each in fitted]), params, curves)
    best = better([*fitted, together], validation, LABEL)
    settled = calibrated(best.model, validation, LABEL)
    if recent is None:
        return Candidate(settled, best.params, best.curves)
    refitted = again(best.model, recent, config, last or {})
    found: Any = settled.meta.extra.get("calibration")
    return Candidate(with_calibration(refitted, *found) if found else refitted, best.params, best.curves)


def judge(model: Model, frame: pd.DataFrame, label: str = LABEL) -> Judged:
    """Judge probabilities: log-likelihood of each customer, and how many can be named at three precisions."""
    judged = judge_binary(model, frame, label)
    told = coverage(judged.truth, judged.probability)
    figures = {
        f"{name}_at_{precision:.0f}": value
        for name, column in (("named", "coverage"), ("found", "found"))
        for precision, value in zip(100 * told["precision"], told[column].tolist(), strict=True)
    }
    return Judged(judged.each, {**judged.metrics, **figures}, judged.probability, judged.truth)


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


def again(
    chosen: Model, recent: pd.DataFrame, config: ChurnConfig, last: Mapping[str, Model] = MappingProxyType({})
) -> Model:
    """Fit the chosen model again as it was chosen."""
    if isinstance(chosen, Blend):
        return blend(NAME, [again(member, recent, config, last) for member in chosen.members])
    if chosen.meta.family in last:
        return last[chosen.meta.family]
    if chosen.meta.kind == "sklearn":
        return logistic(NAME, recent, INPUTS, LABEL, config.logistic)
    rounds = chosen.booster.num_trees()  # type: ignore[attr-defined]
    return trees(NAME, recent, None, INPUTS, LABEL, replace(config.trees, rounds=rounds))
