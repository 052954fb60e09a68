"""How propensities are evaluated, and against what: personal or shopping frequency, recency or the base rate."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pandas as pd

from conf.settings.propensities import Amount, Propensity, Purchase, Return, is_recorded
from conf.settings.schema import Models
from training.classifiers.linear import LogisticConfig, logistic
from training.contenders import Contenders, require_both_classes
from training.evaluation.coverage import coverage
from training.evaluation.fitted import Evaluation, FittedModel, evaluate_binary
from training.evaluation.leakage import SplitDays, split
from training.propensity import amounts
from training.propensity.fit import PropensityConfig, fit, with_bands
from training.propensity.frames import WideFrames
from training.propensity.inputs import LABEL, folds, inputs, rows
from training.sets import TrainingSets

#: precisions at which the customers that can be named are counted
PRECISIONS = (0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)


def baseline(propensity: Propensity, train: pd.DataFrame) -> FittedModel:
    """Fit what a label is held against: personal frequency, shopping frequency, recency or the base rate alone."""
    name, label = propensity.model, propensity.label
    if isinstance(propensity, Purchase) and propensity.kind == "buys":
        columns, family = [f"{label}:visits_total", f"{label}:visits_decay_56"], "personal frequency"
    elif isinstance(propensity, Purchase):
        columns, family = ["visits_decay_28"], "shopping frequency"
    elif isinstance(propensity, Return):
        columns, family = ["recency_days"], "recency alone"
    else:
        columns, family = ["tenure_days"], "base rate"
    strength = 1e-9 if family == "base rate" else 1e6
    return FittedModel(logistic(name, train, columns, LABEL, LogisticConfig(strength=strength), family))


def figures(judged: Evaluation) -> Evaluation:
    """Add how many of the customers can be named at a precision to what is known of a model."""
    table = coverage(judged.truth, judged.probability, PRECISIONS)
    named = {
        f"coverage_at_precision_{precision:g}": float(share)
        for precision, share in zip(table["precision"], table["coverage"], strict=True)
    }
    return replace(judged, metrics={**judged.metrics, **named})


def contenders(frames: WideFrames, asked: Propensity, sets: TrainingSets, models: Models) -> Contenders:
    """Fit the label's model of every night, and its baseline."""
    if isinstance(asked, Amount):
        return _amount_contenders(frames, asked, sets)

    def fit_propensity(train: pd.DataFrame, validation: pd.DataFrame) -> FittedModel:
        columns = inputs(asked, frames.hints, frames.liked(sets))
        return fit(asked.model, train, validation, columns, PropensityConfig())

    return _contenders(frames, asked, sets, fit_propensity)


def network_contenders(frames: WideFrames, asked: Propensity, sets: TrainingSets, models: Models) -> Contenders:
    """Fit the network of all labels, of which this label has one output, and the label's baseline."""
    return _contenders(frames, asked, sets, lambda train, validation: frames.heads(sets, models.network)[asked.label])


def windows_of(
    frames: WideFrames, sets: TrainingSets, asked: Propensity
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Return the label's rows to train on, to choose on and to judge on; without a horizon, of different customers."""
    days = sets.windows
    if is_recorded(asked):
        return folds(rows(frames.of(sets, days.gate), asked))
    gate, validation, *training = (rows(frames.of(sets, day), asked) for day in days.all)
    return pd.concat(training, ignore_index=True), validation, gate


def _contenders(
    frames: WideFrames,
    asked: Propensity,
    sets: TrainingSets,
    fit_on: Callable[[pd.DataFrame, pd.DataFrame], FittedModel],
) -> Contenders:
    """Return what ``fit_on`` makes of training and validation rows, and the label's baseline."""
    train, validation, gate = windows_of(frames, sets, asked)
    require_both_classes(LABEL, train, validation, gate)
    return Contenders(
        with_bands(baseline(asked, train), validation),
        with_bands(fit_on(train, validation), validation),
        lambda model: figures(evaluate_binary(model, gate, LABEL)),
        declared=_of_departments(frames, sets),
        split=_split(sets, asked, train, validation, gate),
    )


def _amount_contenders(frames: WideFrames, asked: Amount, sets: TrainingSets) -> Contenders:
    train, validation, gate = windows_of(frames, sets, asked)
    require_both_classes("anything", *(part.assign(anything=part[LABEL] > 0) for part in (train, validation, gate)))
    columns = inputs(asked, frames.hints, frames.liked(sets))
    fitted = amounts.fit(asked.model, train, validation, columns, amounts.AmountConfig())
    return Contenders(
        with_bands(amounts.baseline(asked, train), validation),
        with_bands(fitted, validation),
        lambda model: amounts.judge(model, gate),
        declared=_of_departments(frames, sets),
        split=_split(sets, asked, train, validation, gate),
    )


def _of_departments(frames: WideFrames, sets: TrainingSets) -> tuple[str, ...]:
    return tuple(f"likes:{department}" for department in frames.liked(sets))


def _split(
    sets: TrainingSets, asked: Propensity, train: pd.DataFrame, validation: pd.DataFrame, gate: pd.DataFrame
) -> SplitDays:
    """Return the days of the parts, or of a label without a horizon that their customers differ."""
    return split(train, gate, sets.windows.horizon.days, validation, by_customer=is_recorded(asked))
