"""How the overdue model is evaluated, and against what: the absence over the customer's mean interval alone."""

from __future__ import annotations

import pandas as pd

from conf.settings.schema import Models
from features.customers.series_labels import MOST_LIMIT
from training.classifiers.linear import LogisticConfig, logistic
from training.contenders import Contenders, NotEnoughData, require_both_classes
from training.evaluation.coverage import evaluate_with_coverage
from training.evaluation.fitted import FittedModel
from training.evaluation.leakage import split
from training.overdue.fit import fit
from training.overdue.inputs import LABEL, rows
from training.overdue.spec import NAME
from training.sets import TrainingSets


def baseline(train: pd.DataFrame) -> FittedModel:
    """Fit a logistic regression on the absence so far over the customer's mean interval alone."""
    config = LogisticConfig(strength=1e6)
    return FittedModel(logistic(NAME, train, ["overdue_ratio"], LABEL, config, "absence over interval alone"))


def contenders(sets: TrainingSets, models: Models) -> Contenders:
    """Fit the model and its baseline.

    Raises:
        NotEnoughData: the history does not reach far enough, or too few customers have a limit.
    """
    gate_day, days = sets.windows.longer(MOST_LIMIT, models.churn_windows)
    if not days:
        raise NotEnoughData(f"overdue: two times {MOST_LIMIT} days after {models.min_history_days} are needed")
    train, gate = rows(sets.purchase_series(days)), rows(sets.purchase_series(gate_day))
    require_both_classes(LABEL, train, gate)
    return Contenders(
        baseline(train),
        fit(train),
        lambda model: evaluate_with_coverage(model, gate, LABEL),
        split=split(train, gate, MOST_LIMIT),
    )
