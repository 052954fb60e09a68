"""How churn is evaluated, and against what: the days since the last purchase alone."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pandas as pd

from conf.settings.schema import Models
from training.churn.fit import fit
from training.churn.inputs import LABEL, rows
from training.churn.spec import NAME
from training.classifiers.linear import LogisticConfig, logistic
from training.contenders import Contenders, require_both_classes
from training.evaluation.coverage import evaluate_with_coverage
from training.evaluation.fitted import Evaluation, FittedModel
from training.evaluation.leakage import split
from training.models.artifacts import Model
from training.networks.loop import Checkpoint
from training.sets import TrainingSets


def baseline(train: pd.DataFrame) -> FittedModel:
    """Fit a logistic regression on the days since the last purchase alone."""
    return FittedModel(logistic(NAME, train, ["recency_days"], LABEL, LogisticConfig(strength=1e6), "recency alone"))


def evaluate(model: Model, frame: pd.DataFrame) -> Evaluation:
    """Evaluate probabilities: log-likelihood per customer, and how many can be named at three precisions."""
    return evaluate_with_coverage(model, frame, LABEL)


def contenders(sets: TrainingSets, models: Models) -> Contenders:
    """Fit the models of every night and the baseline."""
    return _contenders(sets, models, fit)


def network_contenders(sets: TrainingSets, models: Models) -> Contenders:
    """Fit the networks and the models of every night, and the baseline."""
    from training.churn.networks import fit_with_networks

    checkpoint = Checkpoint(sets.checkpoints, "churn", "")
    return _contenders(sets, models, partial(fit_with_networks, network=models.network, checkpoint=checkpoint))


def _contenders(sets: TrainingSets, models: Models, fit_on: Callable[..., FittedModel]) -> Contenders:
    windows, active = sets.windows, models.churn_active_days
    weekly = windows.weekly(models.churn_windows)
    train, validation, gate = (
        rows(sets.purchase_series(days), active)
        for days in (windows.before_validation(weekly), windows.validation, windows.gate)
    )
    require_both_classes(LABEL, train, validation, gate)
    recent = rows(sets.purchase_series((windows.validation, *weekly)), active)
    return Contenders(
        baseline(train),
        fit_on(train, validation, recent),
        lambda model: evaluate(model, gate),
        split=split(train, gate, windows.horizon.days, validation, recent),
    )
