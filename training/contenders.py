"""What comes to the gate: a fitted challenger, the fitted baselines, and how any model does on the gate window."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import pandas as pd

from training.evaluation.fitted import Evaluation, FittedModel
from training.evaluation.leakage import SplitDays

#: rows of either class without which nothing is learnt, in training and in a held-out window
LEAST_TRAINING, LEAST_HELD_OUT = 30, 3


class NotEnoughData(Exception):
    """There is too little to learn the model from; the message says what is missing."""


class ComparedArchitectures(Protocol):
    """Architectures that were compared, as a training logs them."""

    @property
    def configs(self) -> Mapping[str, Any]:
        """Name of an architecture -> its configuration, with ``params``."""

    @property
    def fits(self) -> Mapping[str, Any]:
        """Name of an architecture -> its fit, with ``curves``."""

    @property
    def table(self) -> pd.DataFrame:
        """A row per architecture: ``architecture`` and its figures."""

    @property
    def chosen(self) -> str:
        """Name of the architecture that is to be trained."""


@dataclass(frozen=True)
class Contenders:
    """A fitted challenger and the baselines that it has to beat on the gate window.

    Attributes:
        baseline: the first baseline.
        challenger: the model that wants to serve.
        evaluate: scores any model on the gate window; it takes the model that is served with it, too, where the
            declaration names one (:attr:`training.spec.ModelSpec.served_with`).
        further: further baselines; the challenger has to beat them all, and the best serves where none may.
        declared: columns a model may take beyond those of its declaration, such as only the data can name.
        recall: what the sources of candidates bring (:func:`training.evaluation.candidate_recall.source_recall`).
        study: architectures that were compared to choose the challenger.
        split: the days of its rows; without it the challenger is refused.
    """

    baseline: FittedModel
    challenger: FittedModel
    evaluate: Callable[..., Evaluation]
    further: Sequence[FittedModel] = ()
    declared: tuple[str, ...] = ()
    recall: pd.DataFrame | None = None
    study: ComparedArchitectures | None = None
    split: SplitDays | None = None


def require_both_classes(label: str, train: pd.DataFrame, *held_out: pd.DataFrame) -> None:
    """Refuse windows that hold next to none of one class: training, then validation and gate, or the gate alone.

    Raises:
        NotEnoughData: with the counts of the windows.
    """
    names = ("training", *("validation", "gate")[-len(held_out) :])
    counts = {
        name: (int(frame[label].sum()), int((~frame[label].astype(bool)).sum()))
        for name, frame in zip(names, (train, *held_out), strict=True)
    }
    if any(min(pair) < (LEAST_TRAINING if name == "training" else LEAST_HELD_OUT) for name, pair in counts.items()):
        listed = ", ".join(f"{name} {yes} of {yes + no}" for name, (yes, no) in counts.items())
        raise NotEnoughData(f"too few rows of either class to learn from; '{label}' holds for {listed}")
