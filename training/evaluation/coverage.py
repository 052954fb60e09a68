"""How many customers can be named at a precision."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd

from training.evaluation.fitted import Evaluation, evaluate_binary
from training.models.artifacts import Model


def evaluate_with_coverage(model: Model, frame: pd.DataFrame, label: str) -> Evaluation:
    """Evaluate probabilities of one event: log-likelihood per customer, and how many can be named at a precision.

    The further metrics are ``named_at_50`` (share of all customers) and ``found_at_50`` (share of those it is true
    of), and the same at 70 and 90 percent.
    """
    evaluation = evaluate_binary(model, frame, label)
    table = coverage(evaluation.truth, evaluation.probability)
    figures = {
        f"{name}_at_{precision:.0f}": value
        for name, column in (("named", "coverage"), ("found", "found"))
        for precision, value in zip(100 * table["precision"], table[column].tolist(), strict=True)
    }
    return replace(evaluation, metrics={**evaluation.metrics, **figures})


def coverage(
    truth: np.ndarray, probability: np.ndarray, precisions: tuple[float, ...] = (0.5, 0.7, 0.9)
) -> pd.DataFrame:
    """Count the customers that can be named at a precision: the longest list, by falling probability, that holds it.

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
        share_right = right[named - 1] / max(right[-1], 1) if named else 0.0
        rows.append((precision, named, named / len(order), float(share_right)))
    return pd.DataFrame(rows, columns=["precision", "named", "coverage", "found"])
