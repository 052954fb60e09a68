"""What every model's fit returns, and how its predictions are held against a window."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from training.evaluation.metrics import binary_metrics, log_likelihoods
from training.models.artifacts import Model


@dataclass(frozen=True)
class FittedModel:
    """A fitted model with the parameters it was fitted with, and a value per epoch of what was watched."""

    model: Model
    params: Mapping[str, Any] = field(default_factory=dict)
    curves: Mapping[str, list[float]] = field(default_factory=dict)


@dataclass(frozen=True)
class Evaluation:
    """A model's figures on a window.

    Attributes:
        by_customer: the gate's metric per customer (index), higher is better.
        metrics: further figures of the whole window.
        probability: what it predicted, of any shape; of amounts what it expects.
        truth: what happened, of the same shape.
        slices: slice -> metrics per customer (index), for the table that compares models; empty: ``by_customer`` alone.
        guards: further metrics per customer (index) in which a model that goes live must not lose to a baseline.
    """

    by_customer: pd.Series
    metrics: Mapping[str, float]
    probability: np.ndarray
    truth: np.ndarray
    slices: Mapping[str, pd.DataFrame] = field(default_factory=dict)
    guards: Mapping[str, pd.Series] = field(default_factory=dict)


def evaluate_binary(model: Model, frame: pd.DataFrame, label: str) -> Evaluation:
    """Judge probabilities of one event: log-likelihood, the mean over a customer's rows."""
    probability, truth = model.predict(frame), frame[label].to_numpy(dtype=bool)
    return Evaluation(likelihood(probability, frame, label), binary_metrics(truth, probability), probability, truth)


def likelihood(probability: np.ndarray, frame: pd.DataFrame, label: str) -> pd.Series:
    """Return the log-likelihood of each customer (sorted index): the mean over their rows."""
    by_row = log_likelihoods(frame[label].to_numpy(dtype=bool), probability)
    return pd.Series(by_row).groupby(frame["customer_id"].to_numpy()).mean().sort_index()


def better(candidates: Sequence[FittedModel], validation: pd.DataFrame, label: str) -> FittedModel:
    """Return the candidate with the higher log-likelihood on the validation window; the first wins a tie."""
    values = [float(evaluate_binary(candidate.model, validation, label).by_customer.mean()) for candidate in candidates]
    return candidates[int(np.argmax(values))]
