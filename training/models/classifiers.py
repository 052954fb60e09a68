"""Fits the two kinds of classifiers that tabular models are chosen from, and keeps the better on held-out time.

n = rows, d = inputs. Training frames hold the inputs and the label as columns.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

import numpy as np
import pandas as pd
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from training.evaluation.fitted import FittedModel
from training.evaluation.metrics import calibration_error
from training.models.artifacts import Meta, Model, from_bytes, matrix, to_bytes

log = logging.getLogger(__name__)
#: from this calibration error on, probabilities are recalibrated on the validation window
_UNCALIBRATED = 0.02
_BINS = 10
#: most values of a curve that are kept
POINTS = 100
_NO_VARIANCE = 1e-9


@dataclass(frozen=True)
class LogisticConfig:
    """Everything that changes a logistic regression; ``strength`` is the inverse of the penalty.

    ``transform`` is what inputs go through before they are scaled: ``arcsinh`` is a logarithm for large values and
    bears zeros and negative ones, which suits amounts and counts; ``none`` suits scores, ages and shares.
    """

    strength: float = 0.1
    iterations: int = 1000
    missing: Literal["median", "zero"] = "median"
    transform: Literal["arcsinh", "none"] = "arcsinh"


@dataclass(frozen=True)
class TreesConfig:
    """Everything that changes gradient-boosted trees."""

    leaves: int = 15
    rounds: int = 400
    patience: int = 30
    learning_rate: float = 0.05
    min_rows: int = 50
    rows_share: float = 0.8
    inputs_share: float = 0.8
    l2: float = 5.0
    threads: int = 2
    seed: int = 20260101

    def parameters(self) -> dict[str, Any]:
        """Return them as LightGBM calls them, for probabilities that come out the same every time."""
        return {
            "objective": "binary",
            "num_leaves": self.leaves,
            "learning_rate": self.learning_rate,
            "min_data_in_leaf": self.min_rows,
            "bagging_fraction": self.rows_share,
            "bagging_freq": 1,
            "feature_fraction": self.inputs_share,
            "lambda_l2": self.l2,
            "num_threads": self.threads,
            "seed": self.seed,
            "deterministic": True,
            "force_row_wise": True,
            "verbose": -1,
        }


def logistic(
    name: str, frame: pd.DataFrame, inputs: Sequence[str], label: str, config: LogisticConfig, family: str = ""
) -> Model:
    """Fit a regularised logistic regression on the scaled inputs, or on scaled ``arcsinh`` of them.

    A missing value becomes the median (or zero) and an indicator of its own.

    Args:
        name: of the model in the registry.
        frame: training rows.
        inputs: numeric columns.
        label: boolean column.
        config: penalty and transform.
        family: what sort of model it is, in words.
    """
    pipeline = prepared(
        config.missing, LogisticRegression(C=config.strength, max_iter=config.iterations), config.transform
    )
    pipeline.fit(matrix(frame, inputs, name), frame[label].to_numpy(dtype=bool))
    return _model(name, "sklearn", family or "logistic regression", inputs, pipeline)


def naive_bayes(name: str, frame: pd.DataFrame, inputs: Sequence[str], label: str) -> Model:
    """Fit a naive Bayes classifier on scaled ``arcsinh`` of the inputs, each normal with one variance for both classes.

    With shared variances its log-odds are linear, sum of x (m1 - m0) / v, so it is kept as the linear model it is. Its
    inputs are taken for independent, which they are not, and the log-odds come out far too large: one slope and one
    intercept, fitted on the same rows, set them right.

    Reference: Bickel and Levina (2004), "Some theory for Fisher's linear discriminant function, 'naive Bayes', and some
    alternatives when there are many more variables than observations".

    Args:
        name: of the model in the registry.
        frame: training rows of both classes.
        inputs: numeric columns.
        label: boolean column.
    """
    pipeline, truth = prepared("median", LogisticRegression()), frame[label].to_numpy(dtype=bool)
    x = pipeline[:-1].fit_transform(matrix(frame, inputs, name))
    yes, no = x[truth].mean(axis=0), x[~truth].mean(axis=0)
    variance = np.where(truth[:, None], x - yes, x - no).var(axis=0)
    weights = np.divide(yes - no, variance, out=np.zeros_like(variance), where=variance > _NO_VARIANCE)
    line = LogisticRegression(C=1e6).fit((x @ weights)[:, None], truth)
    line.coef_, line.n_features_in_ = line.coef_ * weights[None, :], x.shape[1]
    pipeline.steps[-1] = (pipeline.steps[-1][0], line)
    return _model(name, "sklearn", "naive Bayes", inputs, pipeline)


def trees(
    name: str,
    train: pd.DataFrame,
    validation: pd.DataFrame | None,
    inputs: Sequence[str],
    label: str,
    config: TreesConfig,
    curves: dict[str, list[float]] | None = None,
) -> Model:
    """Fit gradient-boosted trees; the validation window says when to stop.

    Args:
        name: of the model in the registry.
        train: training rows.
        validation: rows of the validation window; None: all ``config.rounds`` are run.
        inputs: numeric columns.
        label: boolean column.
        config: sizes and seed.
        curves: where the validation loss by round goes, for ``Candidate.curves``; thinned to at
            most :data:`POINTS` values, and ``round`` has their numbers.
    """
    import lightgbm

    sets = [
        lightgbm.Dataset(matrix(frame, inputs, name), frame[label].to_numpy(dtype=float))  # names of ours it refuses
        for frame in (train, validation)
        if frame is not None
    ]
    watched: dict[str, Any] = {}
    stop: list[Any] = [] if validation is None else [lightgbm.early_stopping(config.patience, verbose=False)]
    watch = [*stop, lightgbm.record_evaluation(watched)] if stop else []
    booster = lightgbm.train(config.parameters(), sets[0], config.rounds, valid_sets=sets[1:], callbacks=watch)
    if stop and booster.current_iteration() >= config.rounds:
        log.warning("%s: trees stopped at the cap of %d rounds while they still improved", name, config.rounds)
    if curves is not None:
        curves |= _thinned(watched)
    short = booster.model_to_string(num_iteration=booster.best_iteration if stop else config.rounds)
    return _model(name, "lightgbm", "gradient-boosted trees", inputs, lightgbm.Booster(model_str=short))


def _thinned(watched: dict[str, dict[str, list[float]]]) -> dict[str, list[float]]:
    """Return the first of what was watched, and its rounds from 1: at most :data:`POINTS`, the last among them."""
    for values in (losses for metrics in watched.values() for losses in metrics.values()):
        kept = np.unique(np.linspace(0, len(values) - 1, min(POINTS, len(values))).round().astype(int))
        return {"validation_loss": [values[place] for place in kept], "round": [float(place + 1) for place in kept]}
    return {}


def boosted(
    name: str,
    train: pd.DataFrame,
    validation: pd.DataFrame,
    inputs: Sequence[str],
    label: str,
    config: TreesConfig,
    fit: Callable[..., Model] = trees,
) -> FittedModel:
    """Fit gradient-boosted trees with ``fit``, and keep its sizes and curves.

    Arguments are those of :func:`trees`.
    """
    curves: dict[str, list[float]] = {}
    return FittedModel(fit(name, train, validation, inputs, label, config, curves), asdict(config), curves)


def trees_again(
    name: str,
    train: pd.DataFrame,
    validation: pd.DataFrame,
    inputs: Sequence[str],
    label: str,
    config: TreesConfig,
    curves: dict[str, list[float]] | None = None,
) -> Model:
    """Fit gradient-boosted trees twice: the last fit learns from the validation window too, the newest there is.

    The first fit is judged on the validation window, which says how many trees there are and how they are calibrated.
    Arguments are those of :func:`trees`.
    """
    first = trees(name, train, validation, inputs, label, config, curves)
    calibration: Any = calibrated(first, validation, label).meta.extra.get("calibration")
    rounds = first.booster.num_trees()  # type: ignore[attr-defined]
    rows = pd.concat([validation, train], ignore_index=True)
    last = trees(name, rows, None, inputs, label, replace(config, rounds=rounds))
    return with_calibration(last, *calibration) if calibration else last


def calibrated(model: Model, validation: pd.DataFrame, label: str) -> Model:
    """Recalibrate on the validation window where probabilities and shares differ by more than chance explains.

    Reference: Platt (1999), "Probabilistic Outputs for Support Vector Machines".
    """
    probability, truth = model.predict(validation), validation[label].to_numpy(dtype=bool)
    share, size = truth.mean(), len(truth)
    chance = np.sqrt(share * (1 - share) * _BINS / size)  # standard deviation of a bin's share
    if not 0 < share < 1 or calibration_error(truth, probability, _BINS) < max(_UNCALIBRATED, 1.5 * chance):
        return model
    clipped = np.clip(probability, 1e-7, 1 - 1e-7)
    log_odds = np.log(clipped / (1 - clipped))
    fitted = LogisticRegression(C=1e6).fit(log_odds[:, None], truth)
    slope, intercept = float(fitted.coef_[0, 0]), float(fitted.intercept_[0])
    if slope <= 0:  # a model that ranks upside down is not mended by turning it
        return model
    before = model.meta.extra.get("calibration", (1.0, 0.0))
    return with_calibration(model, slope * before[0], slope * before[1] + intercept)


def with_calibration(model: Model, slope: float, intercept: float) -> Model:
    """Return the model with this slope and intercept on its log-odds, in place of any it had."""
    return with_extra(model, calibration=[slope, intercept])


def with_extra(model: Model, **more: Any) -> Model:
    """Return the model with ``more`` in its ``meta.extra``."""
    meta = model.meta
    changed = Meta(meta.name, meta.kind, meta.family, meta.inputs, meta.outputs, {**meta.extra, **more})
    return from_bytes({**model.to_bytes(), "meta.json": changed.to_json().encode()})


def prepared(missing: str, model: Any, transform: str = "arcsinh") -> Pipeline:
    """Return a linear model behind what all of them share: filled gaps, a transform, one scale."""
    strategy = {"median": "median", "zero": "constant"}[missing]
    imputer = SimpleImputer(strategy=strategy, fill_value=0, add_indicator=True, keep_empty_features=True)
    transformers = [FunctionTransformer(np.arcsinh)] if transform == "arcsinh" else []
    return make_pipeline(imputer, *transformers, StandardScaler(), model)


def _model(name: str, kind: str, family: str, inputs: Sequence[str], weights: Pipeline | object) -> Model:
    meta = Meta(name, kind, family, tuple(inputs), ("probability",))  # type: ignore[arg-type]
    return from_bytes(to_bytes(meta, weights))
