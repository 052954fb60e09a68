"""What comes to the gate of the rankers and the coupon models: challengers, baselines, and the rows they are judged on.

How lists and probabilities are evaluated stands with each model: ``offer_ranker``, ``discovery_ranker``,
``coupon_response``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pandas as pd

from conf.settings.schema import Models
from training.characteristics.examples import seen_of, truth_of
from training.classifiers.calibration import calibrated
from training.contenders import Contenders, require_both_classes
from training.evaluation.candidate_recall import source_recall
from training.evaluation.fitted import FittedModel, evaluate_binary
from training.evaluation.leakage import split
from training.evaluation.metrics import split_truth
from training.networks.loop import Checkpoint
from training.rankers import coupon_response, discovery_ranker, offer_ranker
from training.rankers.inputs import COUPON_INPUTS, RANKER_INPUTS, RESPONSE_INPUTS, SOURCE_RANKS, SOURCES
from training.sets import TrainingSets


def offer_contenders(sets: TrainingSets, models: Models) -> Contenders:
    """Fit the trees of the offer ranker and its baselines."""
    config = offer_ranker.OfferRankerConfig()
    return _offer_contenders(
        sets, models, lambda train, validation: offer_ranker.fit(train, validation, RANKER_INPUTS, config)
    )


def wide_deep_contenders(sets: TrainingSets, models: Models) -> Contenders:
    """Fit the wide & deep network as the offer ranker, and the same baselines."""
    from training.rankers import wide_deep

    config = wide_deep.WideDeepConfig(training=models.network)
    checkpoint = Checkpoint(sets.checkpoints, "wide_deep", "")

    def fit(train: pd.DataFrame, validation: pd.DataFrame) -> FittedModel:
        name, label = offer_ranker.NAME, offer_ranker.LABEL
        fitted = wide_deep.fit(name, train, validation, RANKER_INPUTS, label, config, checkpoint)
        return replace(fitted, model=calibrated(fitted.model, validation, label))

    return _offer_contenders(sets, models, fit)


def discovery_contenders(sets: TrainingSets, models: Models) -> Contenders:
    """Fit the ranker of what customers never bought, and its baselines."""
    train, validation, gate, customers = _pairs(sets, models, discovery_ranker.rows, discovery_ranker.LABEL)
    seen, items = seen_of(customers), _items(sets)
    _, truth = split_truth(truth_of(customers), seen)
    inputs = [name for name in RANKER_INPUTS if name not in discovery_ranker.LEFT_OUT]
    fitted = discovery_ranker.fit(train, validation, inputs, discovery_ranker.DiscoveryConfig())
    start, *further = discovery_ranker.baselines(train)
    return Contenders(
        start,
        fitted,
        lambda model: discovery_ranker.judge(model, gate, truth, seen, items),
        further,
        split=split(train, gate, sets.windows.horizon.days, validation),
    )


def response_contenders(sets: TrainingSets, models: Models) -> Contenders:
    """Fit the model of redemptions and its baselines: one in a thousand, so it learns from many windows."""
    windows, label = sets.windows, coupon_response.LABELS[coupon_response.RESPONSE]
    days = (windows.validation, *windows.back(models.coupon_windows))
    columns = ["customer_id", "offer_id", "as_of", *RESPONSE_INPUTS, label]
    train = pd.concat([sets.read("coupons", day)[columns] for day in days], ignore_index=True)
    gate = sets.read("coupons", windows.gate)
    require_both_classes(label, train, gate)
    fitted = coupon_response.fit_response(train, RESPONSE_INPUTS, coupon_response.ResponseConfig())
    start, *further = coupon_response.baselines(coupon_response.RESPONSE, train)
    return Contenders(
        start,
        fitted,
        lambda model: coupon_response.judge_response(model, gate),
        further,
        split=split(train, gate, windows.horizon.days),
    )


def scope_contenders(sets: TrainingSets, models: Models) -> Contenders:
    """Fit the model of purchases in a coupon's scope and its baselines."""
    windows, name, label = sets.windows, coupon_response.SCOPE, coupon_response.LABELS[coupon_response.SCOPE]
    days = (windows.training, windows.validation, windows.gate)
    train, validation, gate = (sets.read("coupons", part) for part in days)
    require_both_classes(label, train, validation, gate)
    fitted = coupon_response.fit(name, train, validation, COUPON_INPUTS, coupon_response.CouponConfig())
    start, *further = coupon_response.baselines(name, train)
    return Contenders(
        start,
        fitted,
        lambda model: evaluate_binary(model, gate, label),
        further,
        split=split(train, gate, windows.horizon.days, validation),
    )


def _offer_contenders(
    sets: TrainingSets, models: Models, fit: Callable[[pd.DataFrame, pd.DataFrame], FittedModel]
) -> Contenders:
    train, validation, gate, customers = _pairs(sets, models, offer_ranker.rows, offer_ranker.LABEL)
    truth, seen = truth_of(customers), seen_of(customers)
    fitted = fit(train, validation)
    start, *further = offer_ranker.baselines(train)
    items, sources = _items(sets), dict(zip(SOURCES, SOURCE_RANKS, strict=True))
    return Contenders(
        start,
        fitted,
        lambda model, companion=None: offer_ranker.judge(model, gate, truth, seen, items, companion),
        further,
        recall=source_recall(gate, truth, seen, sources),
        split=split(train, gate, sets.windows.horizon.days, validation),
    )


def _items(sets: TrainingSets) -> pd.DataFrame:
    return sets.read("items", sets.windows.gate).rename(columns={"product_type": "item"})


def _pairs(
    sets: TrainingSets, models: Models, rows: Callable[[pd.DataFrame], pd.DataFrame], label: str
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Return a ranker's rows of training, validation and gate, and the customers of the gate."""
    windows = sets.windows
    days = (windows.training[: models.ranker_windows], windows.validation, windows.gate)
    train, validation, gate = (rows(sets.read("pairs", part)) for part in days)
    require_both_classes(label, train, validation, gate)
    customers = sets.read("customers", windows.gate)
    return train, validation, gate, customers[customers["customer_id"].isin(gate["customer_id"].unique())]
