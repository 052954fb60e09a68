"""The trials of what is foretold of each customer: churn, survival and value."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import pandas as pd

from conf.settings.schema import Models
from features.customers.series_labels import MOST_LIMIT
from jobs.train.training_sets import TrainingSets
from jobs.train.trials import LEAST_HELD_OUT, LEAST_TRAINING, NotEnoughData, Task, Trial, enough
from training.churn import churn
from training.evaluation.fitted import Candidate
from training.evaluation.leakage import Split, part, split
from training.networks import series_networks
from training.networks.loop import Checkpoint
from training.survival import survival
from training.value import value


def _churn(fit: Callable[..., Candidate]) -> Callable[[TrainingSets, Models], Trial]:
    return lambda sets, models: _churn_trial(sets, models, fit)


def _churn_networks(sets: TrainingSets, models: Models) -> Trial:
    checkpoint = Checkpoint(sets.checkpoints, "churn", "")
    fit = partial(series_networks.churn_networks, network=models.network, checkpoint=checkpoint)
    return _churn_trial(sets, models, fit)


def _value_network(sets: TrainingSets, models: Models) -> Trial:
    checkpoint = Checkpoint(sets.checkpoints, "value_network", "")
    fit = partial(series_networks.value_network, network=models.network, checkpoint=checkpoint)
    return _value(fit)(sets, models)


def _churn_trial(sets: TrainingSets, models: Models, fit: Callable[..., Candidate]) -> Trial:
    def rows(days: Any) -> pd.DataFrame:
        return churn.rows(sets.purchase_series(days), models.churn_active_days)

    weekly = sets.windows.weekly(models.churn_windows)
    train, validation, gate = (
        rows(days) for days in (sets.windows.before_validation(weekly), sets.windows.validation, sets.windows.gate)
    )
    enough(churn.LABEL, train, validation, gate)
    recent = rows((sets.windows.validation, *weekly))
    fitted = fit(train, validation, recent)
    days = split(train, gate, sets.windows.horizon.days, validation, recent)
    return Trial(churn.baseline(train), fitted, lambda model: churn.judge(model, gate), split=days)


def _survival(sets: TrainingSets, models: Models) -> Trial:
    """Judge all weeks: the gate day lies so far back that they are known, and training knows nothing after it."""
    windows, weeks = sets.windows, survival.SURVIVAL_WEEKS
    gate_day, days = windows.surviving(weeks, models.churn_windows // 2)
    horizon = windows.horizon.days
    if not days:
        raise NotEnoughData(f"survival: {weeks} weeks more than the other models need")
    gate, train = (
        survival.rows(sets.purchase_series(found), models.churn_active_days, horizon, until)
        for found, until in (((gate_day,), windows.until), (days, gate_day))
    )
    enough("an absence", *(rows.assign(**{"an absence": rows["leaves_in_week"] > 0}) for rows in (train, gate)))
    learnt, judged = (part(rows, horizon + 7 * (rows["weeks_known"] - 1)) for rows in (train, gate))
    return Trial(
        survival.baseline(train),
        survival.fit(train),
        lambda model: survival.judge(model, gate),
        split=Split(learnt, judged),
    )


def _own_rhythm(sets: TrainingSets, models: Models) -> Trial:
    gate_day, days = sets.windows.longer(MOST_LIMIT, models.churn_windows)
    if not days:
        raise NotEnoughData(f"own rhythm: two times {MOST_LIMIT} days after {models.min_history_days} are needed")
    train, gate = churn.own_rows(sets.purchase_series(days)), churn.own_rows(sets.purchase_series(gate_day))
    enough(churn.OWN_LABEL, train, gate)
    fitted = churn.own_fit(train)
    return Trial(
        churn.own_baseline(train),
        fitted,
        lambda model: churn.judge(model, gate, churn.OWN_LABEL),
        split=split(train, gate, MOST_LIMIT),
    )


def _value(fit: Callable[[pd.DataFrame, float], Candidate]) -> Callable[[TrainingSets, Models], Trial]:
    def trial(sets: TrainingSets, models: Models) -> Trial:
        gate_day, days = sets.windows.longer(models.value_days, models.churn_windows)
        if not days:
            raise NotEnoughData(f"value: two times {models.value_days} days after {models.min_history_days} are needed")
        train, gate = sets.purchase_series(days), sets.purchase_series(gate_day)
        spenders = train.loc[train[value.LABEL] > 0, "customer_id"].nunique()
        if spenders < LEAST_TRAINING or (gate[value.LABEL] > 0).sum() < LEAST_HELD_OUT:
            raise NotEnoughData(f"value: {spenders} customers who spent something are too few to learn from")
        fitted = fit(train, models.value_days / 7)
        told = split(train, gate, models.value_days)
        return Trial(value.baseline(train), fitted, lambda model: value.judge(model, gate), split=told)

    return trial


TASKS: tuple[Task, ...] = (
    Task(churn.NAME, "purchase_series", "log_likelihood", churn.INPUTS, _churn(churn.fit)),
    Task(
        "churn_networks",
        "purchase_series",
        "log_likelihood",
        churn.INPUTS,
        _churn_networks,
        weekly=True,
        challenges=churn.NAME,
    ),
    Task(
        "value_network",
        "purchase_series",
        "minus_deviance",
        value.DECLARED,
        _value_network,
        weekly=True,
        challenges=value.NAME,
    ),
    Task(churn.OWN_NAME, "purchase_series", "log_likelihood", churn.INPUTS, _own_rhythm),
    Task(survival.NAME, "purchase_series", "log_likelihood", survival.INPUTS, _survival),
    Task(value.NAME, "purchase_series", "minus_deviance", value.DECLARED, _value(value.steps)),
    Task(
        "value_purchases",
        "purchase_series",
        "minus_deviance",
        value.DECLARED,
        _value(value.purchases),
        challenges=value.NAME,
    ),
)
