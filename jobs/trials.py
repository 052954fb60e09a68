"""One trial per model: what it is trained on, its baseline, and how both are judged on the gate window."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from conf.schema import Models
from jobs.training_sets import TrainingSets
from scoring.candidates import RANKER_INPUTS
from scoring.coupons import COUPON_INPUTS
from training import characteristics, churn, coupon_response, discovery_ranker, offer_ranker
from training.artifacts import Model
from training.evaluation import binary_metrics, ranking_metrics, split_truth, top_ranks
from training.fitting import Candidate, Judged, judge_binary
from training.network import label_matrix

#: rows of either class without which nothing is learnt, in training and in each held-out window
_LEAST_TRAINING, _LEAST_HELD_OUT = 30, 3


class NotEnoughData(Exception):
    """There is too little to learn the model from; the message says what is missing."""


@dataclass(frozen=True)
class Trial:
    """A fitted baseline and a fitted challenger, and ``judge``, which scores any model on the gate window.

    ``others``: further baselines that the challenger has to beat, judged already; they never serve.
    """

    baseline: Candidate
    challenger: Candidate
    judge: Callable[[Model], Judged]
    others: Mapping[str, Judged] = field(default_factory=dict)


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
    """

    name: str
    set: str
    metric: str
    declared: tuple[str, ...]
    trial: Callable[[TrainingSets, Models], Trial]
    weekly: bool = False
    challenges: str | None = None

    @property
    def model(self) -> str:
        """Name of the model in the registry that this task trains a version of."""
        return self.challenges or self.name


def _churn(sets: TrainingSets, models: Models) -> Trial:
    def rows(days: Any) -> pd.DataFrame:
        return churn.rows(sets.rhythm(days), models.churn_active_days)

    weekly = sets.windows.weekly(models.churn_windows)
    train, validation, gate = (
        rows(days) for days in (sets.windows.before_validation(weekly), sets.windows.validation, sets.windows.gate)
    )
    _enough(churn.LABEL, train, validation, gate)
    recent = rows((sets.windows.validation, *weekly))
    fitted = churn.fit(train, validation, churn.ChurnConfig(), recent)
    return Trial(churn.baseline(train), fitted, lambda model: judge_binary(model, gate, churn.LABEL))


def _characteristics(sets: TrainingSets, models: Models) -> Trial:
    train, validation, gate = (sets.read("customers", days) for days in _days(sets))
    dictionary = sets.read("types", sets.windows.training[0])["product_type"].tolist()
    if len(dictionary) < characteristics.K:
        raise NotEnoughData(
            f"{len(dictionary)} product type(s) have {models.characteristic_min_buyers} buyers or more; "
            f"{characteristics.K} are needed"
        )
    truth, seen = characteristics.truth_of(gate), characteristics.seen_of(gate)
    if truth["customer_id"].nunique() < _LEAST_HELD_OUT:
        raise NotEnoughData("hardly anyone buys a characteristic in the gate window")
    config = characteristics.CharacteristicsConfig(epochs=models.max_epochs, seed=models.seed)
    start = characteristics.baseline(train, validation, dictionary, models.seed)
    fitted = characteristics.fit(train, validation, dictionary, start, config)
    happened = label_matrix(gate["bought"], None, pd.Index(dictionary)).toarray() > 0

    def judge(model: Model) -> Judged:
        probability = model.predict(gate)
        ranked = top_ranks(
            gate["customer_id"].to_numpy(), np.asarray(model.meta.outputs), probability, characteristics.K
        )
        each = ranking_metrics(ranked, truth, characteristics.K)["ndcg"]
        figures = offer_ranker.ranking_figures(ranked, truth, seen, characteristics.K)
        if list(model.meta.outputs) == dictionary:
            figures |= binary_metrics(happened.ravel(), probability.ravel())
        return Judged(each, figures, probability, happened)

    return Trial(start, fitted, judge)


def _offer_ranker(sets: TrainingSets, models: Models) -> Trial:
    training, validation_day, gate_day = _days(sets)
    ranked = training[: models.ranker_windows]
    train, validation, gate = (
        offer_ranker.rows(sets.read("pairs", days)) for days in (ranked, validation_day, gate_day)
    )
    _enough(offer_ranker.LABEL, train, validation, gate)
    customers = sets.read("customers", gate_day)
    customers = customers[customers["customer_id"].isin(gate["customer_id"].unique())]
    truth, seen = characteristics.truth_of(customers), characteristics.seen_of(customers)
    fitted = offer_ranker.fit(train, validation, RANKER_INPUTS, offer_ranker.OfferRankerConfig())
    others = {
        name: offer_ranker.judge_scores(gate[column].fillna(0).to_numpy(), gate, truth, seen)
        for name, column in offer_ranker.OTHERS.items()
    }
    start = offer_ranker.baseline(train)
    return Trial(start, fitted, lambda model: offer_ranker.judge(model, gate, truth, seen), others)


def _discovery_ranker(sets: TrainingSets, models: Models) -> Trial:
    training, validation_day, gate_day = _days(sets)
    ranked = training[: models.ranker_windows]
    train, validation, gate = (
        discovery_ranker.rows(sets.read("pairs", days)) for days in (ranked, validation_day, gate_day)
    )
    _enough(discovery_ranker.LABEL, train, validation, gate)
    customers = sets.read("customers", gate_day)
    customers = customers[customers["customer_id"].isin(gate["customer_id"].unique())]
    _, truth = split_truth(characteristics.truth_of(customers), characteristics.seen_of(customers))
    fitted = discovery_ranker.fit(train, validation, RANKER_INPUTS, discovery_ranker.DiscoveryConfig())
    others = {
        name: discovery_ranker.judge_scores(gate[column].fillna(0).to_numpy(), gate, truth)
        for name, column in discovery_ranker.OTHERS.items()
    }
    start = discovery_ranker.baseline(train)
    return Trial(start, fitted, lambda model: discovery_ranker.judge(model, gate, truth), others)


def _coupons(name: str) -> Callable[[TrainingSets, Models], Trial]:
    def trial(sets: TrainingSets, models: Models) -> Trial:
        train, validation, gate = (sets.read("coupons", days) for days in _days(sets))
        label = coupon_response.LABELS[name]
        _enough(label, train, validation, gate)
        fitted = coupon_response.fit(name, train, validation, COUPON_INPUTS, coupon_response.CouponConfig())
        return Trial(coupon_response.baseline(name, train), fitted, lambda model: judge_binary(model, gate, label))

    return trial


def _days(sets: TrainingSets) -> tuple[Any, Any, Any]:
    return sets.windows.training, sets.windows.validation, sets.windows.gate


def _enough(label: str, train: pd.DataFrame, validation: pd.DataFrame, gate: pd.DataFrame) -> None:
    """Refuse windows that hold next to none of one class.

    Raises:
        NotEnoughData: with the counts found.
    """
    counts = {
        name: (int(frame[label].sum()), int((~frame[label].astype(bool)).sum()))
        for name, frame in (("training", train), ("validation", validation), ("gate", gate))
    }
    least = {"training": _LEAST_TRAINING, "validation": _LEAST_HELD_OUT, "gate": _LEAST_HELD_OUT}
    if any(min(found) < least[name] for name, found in counts.items()):
        told = ", ".join(f"{name} {yes} of {yes + no}" for name, (yes, no) in counts.items())
        raise NotEnoughData(f"too few rows of either class to learn from; '{label}' holds for {told}")


TASKS: dict[str, Task] = {
    task.name: task
    for task in (
        Task(churn.NAME, "rhythm", "log_likelihood", churn.INPUTS, _churn),
        Task(offer_ranker.NAME, "pairs", "ndcg@5", (*RANKER_INPUTS, *offer_ranker.FREQUENCY), _offer_ranker),
        Task(discovery_ranker.NAME, "pairs", "ndcg@5", RANKER_INPUTS, _discovery_ranker),
        *(
            Task(name, "coupons", "log_likelihood", COUPON_INPUTS, _coupons(name))
            for name in (coupon_response.RESPONSE, coupon_response.SCOPE)
        ),
        Task(characteristics.NAME, "customers", "ndcg@5", characteristics.DECLARED, _characteristics),
    )
}
