"""Fits linear classifiers: logistic regression and naive Bayes.

n = rows, d = inputs. Training frames hold the inputs and the label as columns.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from training.models.artifacts import Meta, Model, from_bytes, matrix, to_bytes

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
    meta = Meta(name, "sklearn", family or "logistic regression", tuple(inputs), ("probability",))
    return from_bytes(to_bytes(meta, pipeline))


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
    meta = Meta(name, "sklearn", "naive Bayes", tuple(inputs), ("probability",))
    return from_bytes(to_bytes(meta, pipeline))


def prepared(missing: str, model: Any, transform: str = "arcsinh") -> Pipeline:
    """Return a linear model behind what all of them share: filled gaps, a transform, one scale."""
    strategy = {"median": "median", "zero": "constant"}[missing]
    imputer = SimpleImputer(strategy=strategy, fill_value=0, add_indicator=True, keep_empty_features=True)
    transformers = [FunctionTransformer(np.arcsinh)] if transform == "arcsinh" else []
    return make_pipeline(imputer, *transformers, StandardScaler(), model)
