"""How a propensity is fitted: the simplest of several models that is as good as the best.

Reference: Breiman et al. (1984), "Classification and Regression Trees" (the one-standard-error rule).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from training.classifiers.calibration import calibrated, with_calibration
from training.classifiers.linear import LogisticConfig, logistic, naive_bayes
from training.classifiers.trees import TreesConfig, boosted, trees
from training.evaluation.fitted import Evaluation, FittedModel, better, evaluate_binary
from training.models.artifacts import Model, with_extra
from training.propensity.inputs import LABEL

#: the model of the history in the label's own scope alone
OWN = "own history"
#: shares of the customers below the bands "middle" and "high"
BANDS = (0.7, 0.9)


#: small trees on few inputs at a time for noisy labels with many columns, and larger ones for labels that a few
#: columns settle together; early stopping ends both
SMALL_TREES = TreesConfig(
    leaves=6, learning_rate=0.05, rounds=3000, patience=50, min_rows=100, rows_share=0.7, inputs_share=0.3, l2=10.0,
    threads=1,
)  # fmt: skip
LARGE_TREES = TreesConfig(leaves=31, learning_rate=0.05, rounds=3000, patience=50, min_rows=20, l2=1.0, threads=1)


@dataclass(frozen=True)
class PropensityConfig:
    """Everything that changes the fitted models; of the alternatives of a candidate the validation window chooses."""

    logistic: tuple[LogisticConfig, ...] = (
        LogisticConfig(strength=0.01),
        LogisticConfig(strength=0.1),
        LogisticConfig(strength=0.01, transform="none"),
        LogisticConfig(strength=0.1, transform="none"),
    )
    trees: tuple[TreesConfig, ...] = (SMALL_TREES, LARGE_TREES)


def candidate_models(
    name: str, train: pd.DataFrame, validation: pd.DataFrame, columns: Sequence[str], config: PropensityConfig
) -> dict[str, FittedModel]:
    """Fit every candidate, all calibrated on validation, the simplest first.

    They are logistic regression on the history in the own scope (where there is one), naive Bayes and logistic
    regression on everything, and trees.
    """
    own = [column for column in columns if column.startswith(f"{name.removeprefix('propensity_')}:")]

    def line(taken: Sequence[str], family: str) -> FittedModel:
        fitted = [logistic(name, train, taken, LABEL, settings, family) for settings in config.logistic]
        tried = [FittedModel(m, asdict(settings)) for m, settings in zip(fitted, config.logistic, strict=True)]
        return better(tried, validation, LABEL)

    candidates = {OWN: line(own, f"logistic regression on the {OWN}")} if own else {}
    candidates |= {
        "naive Bayes": FittedModel(naive_bayes(name, train, columns, LABEL)),
        "logistic regression": line(columns, "logistic regression"),
        "trees": better(
            [boosted(name, train, validation, columns, LABEL, sizes) for sizes in config.trees], validation, LABEL
        ),
    }
    return {
        candidate: replace(fitted, model=calibrated(fitted.model, validation, LABEL))
        for candidate, fitted in candidates.items()
    }


def simplest(candidates: dict[str, FittedModel], judge: Callable[[Model], Evaluation]) -> str:
    """Return the first candidate that ``judge`` finds within one standard error of the best, paired by customer."""
    by_customer = {candidate: judge(fitted.model).by_customer for candidate, fitted in candidates.items()}
    best = by_customer[max(by_customer, key=lambda candidate: float(by_customer[candidate].mean()))]

    def is_as_good(values: pd.Series) -> bool:
        behind = best - values
        return float(behind.mean()) <= float(behind.std(ddof=0)) / np.sqrt(len(behind))

    return next(candidate for candidate, values in by_customer.items() if is_as_good(values))


def fit(
    name: str, train: pd.DataFrame, validation: pd.DataFrame, columns: Sequence[str], config: PropensityConfig
) -> FittedModel:
    """Fit the candidates, keep the simplest as good as the best, and fit it again with the validation window.

    Args:
        name: of the model.
        train: rows with :data:`LABEL`.
        validation: the same, later in time or of other customers.
        columns: inputs.
        config: penalties and sizes.
    """
    candidates = candidate_models(name, train, validation, columns, config)
    candidate = simplest(candidates, lambda model: evaluate_binary(model, validation, LABEL))
    again = _again(candidates[candidate], pd.concat([train, validation], ignore_index=True))
    calibration: Any = candidates[candidate].model.meta.extra.get("calibration")
    scores = {
        f"validation {candidate}": float(evaluate_binary(fitted.model, validation, LABEL).by_customer.mean())
        for candidate, fitted in candidates.items()
    }
    params = {"candidate": candidate, **candidates[candidate].params, **scores}
    model = with_calibration(again, *calibration) if calibration else again
    return FittedModel(model, params, candidates[candidate].curves)


def with_bands(fitted: FittedModel, frame: pd.DataFrame) -> FittedModel:
    """Fix the borders of the bands, so that they hold still from night to night: by the shares of ``frame``."""
    borders = np.quantile(fitted.model.predict(frame), BANDS)
    return replace(fitted, model=with_extra(fitted.model, bands=[float(border) for border in borders]))


def _again(chosen: FittedModel, both: pd.DataFrame) -> Model:
    model, columns = chosen.model, chosen.model.meta.inputs
    if model.meta.family == "naive Bayes":
        return naive_bayes(model.meta.name, both, columns, LABEL)
    if model.meta.kind == "sklearn":
        return logistic(model.meta.name, both, columns, LABEL, LogisticConfig(**chosen.params), model.meta.family)
    rounds = max(1, model.booster.num_trees())  # type: ignore[attr-defined]
    return trees(model.meta.name, both, None, columns, LABEL, TreesConfig(**{**chosen.params, "rounds": rounds}))
