"""The trials of what is offered: rankers, coupons, characteristics, and the next action."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Any

import pandas as pd

from conf.settings.schema import Models
from jobs.train.training_sets import TrainingSets
from jobs.train.trials import LEAST_HELD_OUT, LEAST_TRAINING, NotEnoughData, Task, Trial, enough
from scoring.offers.candidate_blocks import SOURCES
from scoring.offers.candidates import RANKER_INPUTS, SOURCE_RANKS
from scoring.offers.coupons import COUPON_INPUTS, RESPONSE_INPUTS
from training.characteristics import architectures, baselines, characteristics, evaluate
from training.evaluation.candidate_recall import source_recall
from training.evaluation.fitted import Candidate, Judged, judge_binary
from training.evaluation.leakage import split
from training.evaluation.metrics import split_truth
from training.models.artifacts import Model
from training.models.classifiers import calibrated
from training.networks.loop import Checkpoint
from training.next_action import next_action, visits
from training.rankers import coupon_response, discovery_ranker, offer_ranker, wide_deep
from training.rankers.wide_deep import WideDeepConfig


def _characteristics(sets: TrainingSets, models: Models, studied: bool = False) -> Trial:
    """Fit the configured network or, where architectures are ``studied``, the one that the study chooses."""
    train, validation, gate = (sets.read("customers", days) for days in _days(sets))
    dictionary = sets.read("types", sets.windows.training[0])["product_type"].tolist()
    if len(dictionary) < characteristics.K:
        raise NotEnoughData(
            f"{len(dictionary)} product type(s) have {models.characteristic_min_buyers} buyers or more; "
            f"{characteristics.K} are needed"
        )
    if characteristics.truth_of(gate)["customer_id"].nunique() < LEAST_HELD_OUT:
        raise NotEnoughData("hardly anyone buys a characteristic in the gate window")
    config = characteristics.CharacteristicsConfig(prior=tuple(models.prior.rules))
    config = config.configured(models.network, models.max_epochs, models.seed)
    start = baselines.baseline(train, validation, dictionary, models.seed)
    popular = baselines.popularity(validation, dictionary)
    given = characteristics.lessons(train, validation, dictionary, start, models.seed)
    checkpoint = Checkpoint(sets.checkpoints, characteristics.NAME, "")
    found = architectures.study(given, config, models.bootstrap_rounds, checkpoint) if studied else None
    if found:
        config = found.configs[found.chosen]
        fitted = characteristics.last_fit(given, config, found.fits[found.chosen], checkpoint)
    else:
        fitted = characteristics.fit(given, config, checkpoint)

    def judge(model: Model) -> Judged:
        return evaluate.judge(model, gate, dictionary, popular.model)

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
    if min(len(train), len(validation), len(gate)) < LEAST_TRAINING:
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


TASKS: tuple[Task, ...] = (
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
