"""One trial per model: what it is trained on, its baseline, and how both are judged on the gate window."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from typing import Any

import pandas as pd

from conf.schema import Models
from features.series_labels import MOST_LIMIT
from jobs.training_sets import TrainingSets
from scoring.candidate_blocks import SOURCES
from scoring.candidates import RANKER_INPUTS, SOURCE_RANKS
from scoring.coupons import COUPON_INPUTS, RESPONSE_INPUTS
from training import (
    characteristic_architectures,
    characteristic_baselines,
    characteristic_figures,
    characteristics,
    churn,
    coupon_response,
    discovery_ranker,
    offer_ranker,
    rhythm_networks,
    survival,
    value,
)
from training.artifacts import Model
from training.characteristic_architectures import Study
from training.classifiers import calibrated
from training.evaluation import split_truth
from training.fitting import Candidate, Judged, judge_binary
from training.leaks import Split, part, split
from training.networks import next_action, visits, wide_deep
from training.networks.loop import Checkpoint
from training.networks.wide_deep import WideDeepConfig
from training.source_recall import source_recall

#: rows of either class without which nothing is learnt, in training and in each held-out window
_LEAST_TRAINING, _LEAST_HELD_OUT = 30, 3


class NotEnoughData(Exception):
    """There is too little to learn the model from; the message says what is missing."""


@dataclass(frozen=True)
class Trial:
    """A fitted baseline and a fitted challenger, and ``judge``, which scores any model on the gate window.

    ``judge`` takes the model that serves beside it, too, where the task names one (:attr:`Task.beside`).
    ``others``: further baselines; the challenger has to beat them all, and the best serves where none may.
    ``declared`` holds columns a model may take beyond those of its task: such as only the data can name.
    ``recall``: what each source of candidates brings (:func:`training.source_recall.source_recall`).
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
            are judged (:mod:`jobs.contests`); without a champion of it this one serves alone.
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


def _churn(fit: Callable[..., Candidate]) -> Callable[[TrainingSets, Models], Trial]:
    return lambda sets, models: _churn_trial(sets, models, fit)


def _churn_networks(sets: TrainingSets, models: Models) -> Trial:
    checkpoint = Checkpoint(sets.checkpoints, "churn", "")
    fit = partial(rhythm_networks.churn_networks, network=models.network, checkpoint=checkpoint)
    return _churn_trial(sets, models, fit)


def _value_network(sets: TrainingSets, models: Models) -> Trial:
    checkpoint = Checkpoint(sets.checkpoints, "value_network", "")
    fit = partial(rhythm_networks.value_network, network=models.network, checkpoint=checkpoint)
    return _value(fit)(sets, models)


def _churn_trial(sets: TrainingSets, models: Models, fit: Callable[..., Candidate]) -> Trial:
    def rows(days: Any) -> pd.DataFrame:
        return churn.rows(sets.rhythm(days), models.churn_active_days)

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
        survival.rows(sets.rhythm(found), models.churn_active_days, horizon, until)
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
    train, gate = churn.own_rows(sets.rhythm(days)), churn.own_rows(sets.rhythm(gate_day))
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
        train, gate = sets.rhythm(days), sets.rhythm(gate_day)
        spenders = train.loc[train[value.LABEL] > 0, "customer_id"].nunique()
        if spenders < _LEAST_TRAINING or (gate[value.LABEL] > 0).sum() < _LEAST_HELD_OUT:
            raise NotEnoughData(f"value: {spenders} customers who spent something are too few to learn from")
        fitted = fit(train, models.value_days / 7)
        told = split(train, gate, models.value_days)
        return Trial(value.baseline(train), fitted, lambda model: value.judge(model, gate), split=told)

    return trial


def _characteristics(sets: TrainingSets, models: Models, studied: bool = False) -> Trial:
    """Fit the configured network or, where architectures are ``studied``, the one that the study chooses."""
    train, validation, gate = (sets.read("customers", days) for days in _days(sets))
    dictionary = sets.read("types", sets.windows.training[0])["product_type"].tolist()
    if len(dictionary) < characteristics.K:
        raise NotEnoughData(
            f"{len(dictionary)} product type(s) have {models.characteristic_min_buyers} buyers or more; "
            f"{characteristics.K} are needed"
        )
    if characteristics.truth_of(gate)["customer_id"].nunique() < _LEAST_HELD_OUT:
        raise NotEnoughData("hardly anyone buys a characteristic in the gate window")
    config = characteristics.CharacteristicsConfig(prior=tuple(models.prior.rules))
    config = config.configured(models.network, models.max_epochs, models.seed)
    start = characteristic_baselines.baseline(train, validation, dictionary, models.seed)
    popular = characteristic_baselines.popularity(validation, dictionary)
    given = characteristics.lessons(train, validation, dictionary, start, models.seed)
    checkpoint = Checkpoint(sets.checkpoints, characteristics.NAME, "")
    found = characteristic_architectures.study(given, config, models.bootstrap_rounds, checkpoint) if studied else None
    if found:
        config = found.configs[found.chosen]
        fitted = characteristics.last_fit(given, config, found.fits[found.chosen], checkpoint)
    else:
        fitted = characteristics.fit(given, config, checkpoint)

    def judge(model: Model) -> Judged:
        return characteristic_figures.judge(model, gate, dictionary, popular.model)

    told = split(train, gate, sets.windows.horizon.days, validation)
    return Trial(start, fitted, judge, [popular], study=found, split=told)


def _offer_ranker(sets: TrainingSets, models: Models) -> Trial:
    return _ranker(sets, models, lambda train, validation: offer_ranker.fit(
        train, validation, RANKER_INPUTS, offer_ranker.OfferRankerConfig()
    ))  # fmt: skip


def _wide_deep_ranker(sets: TrainingSets, models: Models) -> Trial:
    config = WideDeepConfig(training=models.network)

    def fit(train: pd.DataFrame, validation: pd.DataFrame) -> Candidate:
        checkpoint = Checkpoint(sets.checkpoints, "wide_deep", "")
        fitted = wide_deep.fit(
            offer_ranker.NAME, train, validation, RANKER_INPUTS, offer_ranker.LABEL, config, checkpoint
        )
        return replace(fitted, model=calibrated(fitted.model, validation, offer_ranker.LABEL))

    return _ranker(sets, models, fit)


def _ranker(sets: TrainingSets, models: Models, fit: Callable[[pd.DataFrame, pd.DataFrame], Candidate]) -> Trial:
    train, validation, gate, customers = _pairs(sets, models, offer_ranker.rows, offer_ranker.LABEL)
    truth, seen = characteristics.truth_of(customers), characteristics.seen_of(customers)
    fitted = fit(train, validation)
    start, *others = offer_ranker.baselines(train)
    items, sources = _items(sets), dict(zip(SOURCES, SOURCE_RANKS, strict=True))
    return Trial(
        start,
        fitted,
        lambda model, beside=None: offer_ranker.judge(model, gate, truth, seen, items, beside),
        others,
        recall=source_recall(gate, truth, seen, sources),
        split=split(train, gate, sets.windows.horizon.days, validation),
    )


def _items(sets: TrainingSets) -> pd.DataFrame:
    return sets.read("items", sets.windows.gate).rename(columns={"product_type": "item"})


def _pairs(
    sets: TrainingSets, models: Models, rows: Callable[[pd.DataFrame], pd.DataFrame], label: str
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Return a ranker's rows of training, validation and gate, and the customers that the gate asks about."""
    training, validation_day, gate_day = _days(sets)
    train, validation, gate = (
        rows(sets.read("pairs", days)) for days in (training[: models.ranker_windows], validation_day, gate_day)
    )
    enough(label, train, validation, gate)
    customers = sets.read("customers", gate_day)
    return train, validation, gate, customers[customers["customer_id"].isin(gate["customer_id"].unique())]


def _discovery_ranker(sets: TrainingSets, models: Models) -> Trial:
    train, validation, gate, customers = _pairs(sets, models, discovery_ranker.rows, discovery_ranker.LABEL)
    seen, items = characteristics.seen_of(customers), _items(sets)
    _, truth = split_truth(characteristics.truth_of(customers), seen)
    inputs = [name for name in RANKER_INPUTS if name not in discovery_ranker.LEFT_OUT]
    fitted = discovery_ranker.fit(train, validation, inputs, discovery_ranker.DiscoveryConfig())
    start, *others = discovery_ranker.baselines(train)
    told = split(train, gate, sets.windows.horizon.days, validation)
    return Trial(
        start, fitted, lambda model: discovery_ranker.judge(model, gate, truth, seen, items), others, split=told
    )


def _next_action(sets: TrainingSets, models: Models) -> Trial:
    series, (_, validation_day, gate_day) = sets.actions(), _days(sets)
    horizon = (sets.night - gate_day).days
    days = sets.windows.before_validation(sets.windows.weekly(models.action_windows))
    train, validation, gate = (
        pd.concat([_visits(series, sets.night - day, horizon) for day in some], ignore_index=True)
        for some in (days, (validation_day,), (gate_day,))
    )
    if min(len(train), len(validation), len(gate)) < _LEAST_TRAINING:
        raise NotEnoughData(f"{len(train)} customers have visits to learn from, {len(gate)} to be judged on")
    # a sequence counts for many rows of a ranker
    training = models.network.model_copy(update={"batch": max(1, models.network.batch // 8)})
    config = next_action.NextActionConfig(training=training)
    start, *others = next_action.baselines(train, config)
    fitted = next_action.fit(train, validation, start, config, Checkpoint(sets.checkpoints, next_action.NAME, ""))

    def judge(model: Model) -> Judged:
        return next_action.judge(gate, model.meta.outputs, model.predict(gate))

    return Trial(start, fitted, judge, others, split=split(train, gate, horizon, validation))


def _visits(series: pd.DataFrame, back: timedelta, horizon: int) -> pd.DataFrame:
    """Cut the series ``back`` before the day that they bear."""
    as_of = pd.to_datetime(series["as_of"]).max() - back
    return visits.windows(series, back.days, horizon).assign(as_of=as_of)


def _coupon_response(sets: TrainingSets, models: Models) -> Trial:
    windows, label = sets.windows, coupon_response.LABELS[coupon_response.RESPONSE]
    days = (windows.validation, *windows.back(models.coupon_windows))
    columns = ["customer_id", "offer_id", "as_of", *RESPONSE_INPUTS, label]
    train = pd.concat([sets.read("coupons", day)[columns] for day in days], ignore_index=True)
    gate = sets.read("coupons", windows.gate)
    enough(label, train, gate)
    fitted = coupon_response.fit_response(train, RESPONSE_INPUTS, coupon_response.ResponseConfig())
    start, *others = coupon_response.baselines(coupon_response.RESPONSE, train)
    told = split(train, gate, sets.windows.horizon.days)
    return Trial(start, fitted, lambda model: coupon_response.judge_response(model, gate), others, split=told)


def _coupon_scope(sets: TrainingSets, models: Models) -> Trial:
    train, validation, gate = (sets.read("coupons", days) for days in _days(sets))
    name, label = coupon_response.SCOPE, coupon_response.LABELS[coupon_response.SCOPE]
    enough(label, train, validation, gate)
    fitted = coupon_response.fit(name, train, validation, COUPON_INPUTS, coupon_response.CouponConfig())
    start, *others = coupon_response.baselines(name, train)
    told = split(train, gate, sets.windows.horizon.days, validation)
    return Trial(start, fitted, lambda model: judge_binary(model, gate, label), others, split=told)


def _days(sets: TrainingSets) -> tuple[Any, Any, Any]:
    return sets.windows.training, sets.windows.validation, sets.windows.gate


def enough(label: str, train: pd.DataFrame, *held_out: pd.DataFrame) -> None:
    """Refuse windows that hold next to none of one class: training, then validation and gate, or the gate alone.

    Raises:
        NotEnoughData: with the counts found.
    """
    counts = {
        name: (int(frame[label].sum()), int((~frame[label].astype(bool)).sum()))
        for name, frame in zip(("training", *("validation", "gate")[-len(held_out) :]), (train, *held_out), strict=True)
    }
    if any(min(found) < (_LEAST_TRAINING if name == "training" else _LEAST_HELD_OUT) for name, found in counts.items()):
        told = ", ".join(f"{name} {yes} of {yes + no}" for name, (yes, no) in counts.items())
        raise NotEnoughData(f"too few rows of either class to learn from; '{label}' holds for {told}")


TASKS: dict[str, Task] = {
    task.name: task
    for task in (
        Task(churn.NAME, "rhythm", "log_likelihood", churn.INPUTS, _churn(churn.fit)),
        Task(
            "churn_networks",
            "rhythm",
            "log_likelihood",
            churn.INPUTS,
            _churn_networks,
            weekly=True,
            challenges=churn.NAME,
        ),
        Task(
            "value_network",
            "rhythm",
            "minus_deviance",
            value.DECLARED,
            _value_network,
            weekly=True,
            challenges=value.NAME,
        ),
        Task(churn.OWN_NAME, "rhythm", "log_likelihood", churn.INPUTS, _own_rhythm),
        Task(survival.NAME, "rhythm", "log_likelihood", survival.INPUTS, _survival),
        Task(value.NAME, "rhythm", "minus_deviance", value.DECLARED, _value(value.steps)),
        Task(
            "value_purchases",
            "rhythm",
            "minus_deviance",
            value.DECLARED,
            _value(value.purchases),
            challenges=value.NAME,
        ),
        Task(
            offer_ranker.NAME,
            "pairs",
            "ndcg@5",
            (*RANKER_INPUTS, *offer_ranker.FREQUENCY),
            _offer_ranker,
            beside=discovery_ranker.NAME,
        ),
        Task(discovery_ranker.NAME, "pairs", "ndcg@5", RANKER_INPUTS, _discovery_ranker),
        Task(
            "offer_ranker_wide_deep",
            "pairs",
            "ndcg@5",
            (*RANKER_INPUTS, *offer_ranker.FREQUENCY),
            _wide_deep_ranker,
            weekly=True,
            challenges=offer_ranker.NAME,
            beside=discovery_ranker.NAME,
        ),
        Task(next_action.NAME, "actions", "log_likelihood", visits.INPUTS, _next_action),
        Task(coupon_response.RESPONSE, "coupons", "log_likelihood", RESPONSE_INPUTS, _coupon_response),
        Task(coupon_response.SCOPE, "coupons", "log_likelihood", COUPON_INPUTS, _coupon_scope),
        Task(
            characteristics.NAME,
            "customers",
            "ndcg@5",
            characteristics.DECLARED,
            _characteristics,
            studied=partial(_characteristics, studied=True),
        ),
    )
}
