"""What a trial of a model is: what it is trained on, its baseline, and how both are judged on the gate window."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import pandas as pd

from conf.settings.schema import Models
from jobs.train.training_sets import TrainingSets
from training.characteristics.architectures import Study
from training.evaluation.fitted import Candidate, Judged
from training.evaluation.leakage import Split

#: rows of either class without which nothing is learnt, in training and in each held-out window
LEAST_TRAINING, LEAST_HELD_OUT = 30, 3


class NotEnoughData(Exception):
    """There is too little to learn the model from; the message says what is missing."""


@dataclass(frozen=True)
class Trial:
    """A fitted baseline and a fitted challenger, and ``judge``, which scores any model on the gate window.

    ``judge`` takes the model that serves beside it, too, where the task names one (:attr:`Task.beside`).
    ``others``: further baselines; the challenger has to beat them all, and the best serves where none may.
    ``declared`` holds columns a model may take beyond those of its task: such as only the data can name.
    ``recall``: what each source of candidates brings (:func:`training.evaluation.candidate_recall.source_recall`).
    ``study``: architectures that were compared to choose the challenger.
    ``split`` tells of which days its rows are; without it the challenger is refused.
    """

    baseline: Candidate
    challenger: Candidate
    judge: Callable[..., Judged]
    others: Sequence[Candidate] = ()
    declared: tuple[str, ...] = ()
    recall: pd.DataFrame | None = None
    study: Study | None = None
    split: Split | None = None


@dataclass(frozen=True)
class Task:
    """A model of the pipeline: the set it needs, the columns it may take, and its trial.

    Attributes:
        name: of the task, and of the model in the registry where ``challenges`` names no other.
        set: of the training sets.
        metric: of the gate.
        declared: columns the model may take.
        trial: fits baseline and challenger.
        weekly: too costly for a first night: only the weekly training fits it, and a night without it goes on.
        challenges: the model whose champion this one wants to replace: the same inputs, another method.
        beside: the model that serves a part of the same lists: it is decided first, and the lists that both would serve
            are judged (:mod:`jobs.train.gate_evaluation`); without a champion of it this one serves alone.
        studied: the trial of the weekly training, where it compares architectures first.
    """

    name: str
    set: str
    metric: str
    declared: tuple[str, ...]
    trial: Callable[[TrainingSets, Models], Trial]
    weekly: bool = False
    challenges: str | None = None
    beside: str | None = None
    studied: Callable[[TrainingSets, Models], Trial] | None = None

    @property
    def model(self) -> str:
        """Name of the model in the registry that this task trains a version of."""
        return self.challenges or self.name


def enough(label: str, train: pd.DataFrame, *held_out: pd.DataFrame) -> None:
    """Refuse windows that hold next to none of one class: training, then validation and gate, or the gate alone.

    Raises:
        NotEnoughData: with the counts found.
    """
    counts = {
        name: (int(frame[label].sum()), int((~frame[label].astype(bool)).sum()))
        for name, frame in zip(("training", *("validation", "gate")[-len(held_out) :]), (train, *held_out), strict=True)
    }
    if any(min(found) < (LEAST_TRAINING if name == "training" else LEAST_HELD_OUT) for name, found in counts.items()):
        told = ", ".join(f"{name} {yes} of {yes + no}" for name, (yes, no) in counts.items())
        raise NotEnoughData(f"too few rows of either class to learn from; '{label}' holds for {told}")
