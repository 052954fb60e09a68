"""Amounts: what a customer will spend in a scope, or a number that is recorded for some customers.

The candidates are a generalised linear model on the own history, one on everything, and gradient-boosted trees, all of
Tweedie's family (power 1.5: many nothings, and positive amounts that scatter the more the larger they are) with a
logarithmic link. Columns are those of :mod:`training.propensity.inputs`; n = customers.

References: Jørgensen (1987), "Exponential Dispersion Models"; Smyth and Jørgensen (2002), "Fitting Tweedie's Compound
Poisson Model to Insurance Claims Data".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd
from sklearn.linear_model import LinearRegression, TweedieRegressor

from conf.settings.propensities import Amount
from training.classifiers.linear import prepared
from training.classifiers.trees import TreesConfig
from training.evaluation.amounts import deviances, value_metrics
from training.evaluation.fitted import Evaluation, FittedModel
from training.models.artifacts import Meta, Model, from_bytes, matrix, to_bytes, with_extra
from training.propensity.fit import OWN, simplest
from training.propensity.inputs import LABEL

POWER = 1.5
_LINK = {"link": "log"}
#: what is expected of nobody less, as a share of the mean amount: a deviance needs it above zero
_LEAST = 1e-3
_GRID = np.geomspace(1e-3, 1e3, 121)


@dataclass(frozen=True)
class AmountConfig:
    """Everything that changes the fitted models; ``penalty`` is that of the squares of the coefficients."""

    penalty: float = 0.1
    trees: TreesConfig = field(
        default_factory=lambda: TreesConfig(
            leaves=6, learning_rate=0.05, rounds=300, min_rows=100, rows_share=0.7, inputs_share=0.3, l2=10.0, threads=1
        )
    )


def baseline(asked: Amount, train: pd.DataFrame) -> FittedModel:
    """Fit what an amount is held against: the spend of 84 days in the scope alone, or the mean of what is recorded."""
    if asked.scope is None:
        return FittedModel(linear(asked.model, train, ["tenure_days"], 1e9, "mean alone"))
    return FittedModel(linear(asked.model, train, [f"{asked.label}:spend_84"], 0.0, "own spend alone"))


def candidate_models(
    name: str, train: pd.DataFrame, validation: pd.DataFrame, columns: Sequence[str], config: AmountConfig
) -> dict[str, FittedModel]:
    """Fit every candidate, the simplest first; the validation window says how many trees there are."""
    own = [column for column in columns if column.startswith(f"{name.removeprefix('propensity_')}:")]
    penalty = {"penalty": config.penalty}
    candidates = {}
    if own:
        candidates[OWN] = FittedModel(linear(name, train, own, config.penalty, f"linear on the {OWN}"), penalty)
    return candidates | {
        "linear": FittedModel(linear(name, train, columns, config.penalty, "generalised linear model"), penalty),
        "trees": FittedModel(boosted(name, train, validation, columns, config.trees), asdict(config.trees)),
    }


def fit(
    name: str, train: pd.DataFrame, validation: pd.DataFrame, columns: Sequence[str], config: AmountConfig
) -> FittedModel:
    """Fit the candidates, keep the simplest within one standard error of the least deviance, and fit it again.

    Args:
        name: of the model.
        train: rows with the amount in :data:`training.propensity.inputs.LABEL`, not negative.
        validation: the same, later in time or of other customers; the last fit learns from it too.
        columns: inputs.
        config: penalty and sizes.
    """
    candidates = candidate_models(name, train, validation, columns, config)
    candidate = simplest(candidates, lambda model: judge(model, validation))
    chosen, both = candidates[candidate].model, pd.concat([train, validation], ignore_index=True)
    if chosen.meta.kind == "sklearn":
        again = linear(name, both, chosen.meta.inputs, config.penalty, chosen.meta.family)
    else:
        rounds = max(1, chosen.booster.num_trees())  # type: ignore[attr-defined]
        again = boosted(name, both, None, columns, replace(config.trees, rounds=rounds))
    scores = {
        f"validation {candidate}": float(judge(fitted.model, validation).by_customer.mean())
        for candidate, fitted in candidates.items()
    }
    return FittedModel(again, {"candidate": candidate, **candidates[candidate].params, **scores})


def linear(name: str, train: pd.DataFrame, inputs: Sequence[str], penalty: float, family: str) -> Model:
    """Fit a generalised linear model on scaled ``arcsinh`` of the inputs."""
    pipeline = prepared("median", TweedieRegressor(power=POWER, link="log", alpha=penalty, max_iter=1000))
    amounts = _amounts(train)
    pipeline.fit(matrix(train, inputs, name), amounts)
    fitted, kept = pipeline[-1], LinearRegression()  # numbers alone: what a Tweedie regressor holds besides is code
    kept.coef_, kept.intercept_, kept.n_features_in_ = (
        fitted.coef_[None, :],
        np.array([fitted.intercept_]),
        len(fitted.coef_),
    )
    pipeline.steps[-1] = ("linearregression", kept)
    return _settled(
        from_bytes(to_bytes(Meta(name, "sklearn", family, tuple(inputs), ("expected",), _LINK), pipeline)), train
    )


def boosted(
    name: str, train: pd.DataFrame, validation: pd.DataFrame | None, inputs: Sequence[str], config: TreesConfig
) -> Model:
    """Fit gradient-boosted trees; the validation window, where there is one, says when to stop."""
    import lightgbm

    sets = [lightgbm.Dataset(matrix(f, inputs, name), _amounts(f)) for f in (train, validation) if f is not None]
    stop: list[Any] = [] if validation is None else [lightgbm.early_stopping(config.patience, verbose=False)]
    how = config.parameters() | {"objective": "tweedie", "tweedie_variance_power": POWER}
    booster = lightgbm.train(how, sets[0], config.rounds, valid_sets=sets[1:], callbacks=stop)
    short = booster.model_to_string(num_iteration=booster.best_iteration if stop else config.rounds)
    meta = Meta(name, "lightgbm", "gradient-boosted trees", tuple(inputs), ("expected",), _LINK)
    return _settled(from_bytes(to_bytes(meta, lightgbm.Booster(model_str=short))), train)


def chance_of_any(model: Model, expected: np.ndarray) -> np.ndarray:
    """Return the probability that the amount is above zero (n,): what Tweedie's family says of an expectation."""
    return _chance(expected, float(model.meta.extra["dispersion"]))


def judge(model: Model, frame: pd.DataFrame) -> Evaluation:
    """Judge expectations: negative deviance of each customer, ``rmse`` and further figures of the window."""
    expected, truth = model.predict(frame), frame[LABEL].to_numpy(dtype="float64")
    floor = _LEAST * max(float(truth.mean()), _LEAST)
    by_customer = (
        pd.Series(-deviances(truth, expected, floor)).groupby(frame["customer_id"].to_numpy()).mean().sort_index()
    )
    rmse = float(np.sqrt(np.mean((truth - expected) ** 2)))
    figures = value_metrics(truth, expected) | {"deviance": -float(by_customer.mean()), "rmse": rmse}
    return Evaluation(by_customer, figures, expected, truth)


def _amounts(frame: pd.DataFrame) -> np.ndarray:
    return frame[LABEL].to_numpy(dtype="float64")


def _settled(model: Model, train: pd.DataFrame) -> Model:
    """Set the dispersion so that as many have an amount above zero as came."""
    expected, share = model.predict(train), float((_amounts(train) > 0).mean())
    misses = [abs(float(_chance(expected, scale).mean()) - share) for scale in _GRID * np.sqrt(expected.mean())]
    return with_extra(model, dispersion=float(_GRID[int(np.argmin(misses))] * np.sqrt(expected.mean())))


def _chance(expected: np.ndarray, dispersion: float) -> np.ndarray:
    return -np.expm1(-np.power(expected, 2 - POWER) / (dispersion * (2 - POWER)))
