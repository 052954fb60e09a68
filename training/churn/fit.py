"""How churn is fitted: a logistic regression, gradient-boosted trees, and the mean of both; the best is kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from types import MappingProxyType
from typing import Any

import pandas as pd

from training.churn.inputs import LABEL
from training.churn.spec import INPUTS, NAME
from training.classifiers.calibration import calibrated, with_calibration
from training.classifiers.linear import LogisticConfig, logistic
from training.classifiers.trees import TreesConfig, boosted, trees
from training.evaluation.fitted import FittedModel, better
from training.models.artifacts import Model
from training.models.blends import Blend, blend


@dataclass(frozen=True)
class ChurnConfig:
    """Everything that changes the fitted models."""

    logistic: LogisticConfig = field(default_factory=lambda: LogisticConfig(strength=0.01))
    trees: TreesConfig = field(
        default_factory=lambda: TreesConfig(
            leaves=6, learning_rate=0.025, rounds=600, min_rows=300, rows_share=0.7, inputs_share=0.2, l2=10.0
        )
    )


def fit(
    train: pd.DataFrame,
    validation: pd.DataFrame,
    recent: pd.DataFrame | None = None,
    config: ChurnConfig | None = None,
) -> FittedModel:
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


def members(train: pd.DataFrame, validation: pd.DataFrame, config: ChurnConfig) -> list[FittedModel]:
    """Return a logistic regression and gradient-boosted trees, whose number the validation window chooses."""
    return [
        FittedModel(logistic(NAME, train, INPUTS, LABEL, config.logistic), asdict(config.logistic)),
        boosted(NAME, train, validation, INPUTS, LABEL, config.trees),
    ]


def settle(
    fitted: Sequence[FittedModel],
    validation: pd.DataFrame,
    recent: pd.DataFrame | None,
    config: ChurnConfig,
    last: Mapping[str, Model] | None = None,
) -> FittedModel:
    """Keep the best of some models and the mean of them all, calibrate it, and fit it again on the newest rows.

    Args:
        fitted: models of different kinds.
        validation: chooses, and calibrates.
        recent: rows of the last fit; None: there is none.
        config: penalties and sizes.
        last: models that are fitted again already, by their family.
    """
    curves = {f"{e.model.meta.family}/{name}": curve for e in fitted for name, curve in e.curves.items()}
    params = {"blend": [dict(e.params) for e in fitted]}
    together = FittedModel(blend(NAME, [candidate.model for candidate in fitted]), params, curves)
    best = better([*fitted, together], validation, LABEL)
    settled = calibrated(best.model, validation, LABEL)
    if recent is None:
        return FittedModel(settled, best.params, best.curves)
    refitted = again(best.model, recent, config, last or {})
    calibration: Any = settled.meta.extra.get("calibration")
    return FittedModel(with_calibration(refitted, *calibration) if calibration else refitted, best.params, best.curves)


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
