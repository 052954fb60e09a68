"""Fits gradient-boosted trees with LightGBM; the validation window says when to stop.

Training frames hold the inputs and the label as columns.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from training.classifiers.calibration import calibrated, with_calibration
from training.evaluation.fitted import FittedModel
from training.models.artifacts import Meta, Model, from_bytes, matrix, to_bytes

log = logging.getLogger(__name__)
#: most values of a curve that are kept
POINTS = 100


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
    meta = Meta(name, "lightgbm", "gradient-boosted trees", tuple(inputs), ("probability",))
    return from_bytes(to_bytes(meta, lightgbm.Booster(model_str=short)))


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


def _thinned(watched: dict[str, dict[str, list[float]]]) -> dict[str, list[float]]:
    """Return the first of what was watched, and its rounds from 1: at most :data:`POINTS`, the last among them."""
    for values in (losses for metrics in watched.values() for losses in metrics.values()):
        kept = np.unique(np.linspace(0, len(values) - 1, min(POINTS, len(values))).round().astype(int))
        return {"validation_loss": [values[place] for place in kept], "round": [float(place + 1) for place in kept]}
    return {}
