"""How value is evaluated, and against what: the spend of the last 84 days alone.

The gate's metric is :func:`training.evaluation.amounts.deviances`; mean absolute error, correlation, total and the
interval's coverage are figures of the window.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from functools import partial

import numpy as np
import pandas as pd
from scipy.optimize import minimize

from conf.settings.schema import Models
from training.contenders import LEAST_HELD_OUT, LEAST_TRAINING, Contenders, NotEnoughData
from training.evaluation.amounts import deviances, value_metrics
from training.evaluation.fitted import Evaluation, FittedModel
from training.evaluation.leakage import split
from training.models.artifacts import Model, matrix
from training.networks.loop import Checkpoint
from training.sets import TrainingSets
from training.value.fit import fit_purchases, fit_steps
from training.value.inputs import LABEL, spend_of
from training.value.models import LEAST, OF_SPEND, Bands, interval, value_model
from training.value.spec import NAME


def baseline(train: pd.DataFrame) -> FittedModel:
    """Fit the spend of the last 84 days, scaled, and something for everybody; both by the gate's own metric."""
    spend, truth = np.maximum(matrix(train, OF_SPEND, NAME)[:, 0], 0), spend_of(train)
    start = [max(float(truth.mean()) / 10, LEAST), float(truth.sum() / max(spend.sum(), LEAST))]

    def loss(logs: np.ndarray) -> float:
        base, share = np.exp(logs)
        return float(deviances(truth, base + share * spend).mean())

    base, share = np.exp(minimize(loss, np.log(np.maximum(start, LEAST)), method="Nelder-Mead").x)
    form = {"base": float(base), "share": float(share), "mean": float(spend.mean())}
    bands = Bands.of(base + share * spend, truth)
    return FittedModel(
        value_model("spend", "spend of the last 84 days alone", OF_SPEND, form | {"bands": asdict(bands)})
    )


def evaluate(model: Model, frame: pd.DataFrame) -> Evaluation:
    """Evaluate expectations: negative deviance of each customer, and further figures of the window."""
    expected, truth = model.predict(frame), spend_of(frame)
    by_customer = pd.Series(-deviances(truth, expected)).groupby(frame["customer_id"].to_numpy()).mean().sort_index()
    return Evaluation(by_customer, value_metrics(truth, expected, interval(model, frame)), expected, truth)


def contenders(sets: TrainingSets, models: Models) -> Contenders:
    """Fit the ordered steps and the baseline."""
    return _contenders(sets, models, fit_steps)


def purchase_contenders(sets: TrainingSets, models: Models) -> Contenders:
    """Fit BG/NBD times Gamma-Gamma and the baseline."""
    return _contenders(sets, models, fit_purchases)


def network_contenders(sets: TrainingSets, models: Models) -> Contenders:
    """Fit the network and the baseline."""
    from training.value.networks import fit_network

    checkpoint = Checkpoint(sets.checkpoints, "value_network", "")
    return _contenders(sets, models, partial(fit_network, network=models.network, checkpoint=checkpoint))


def _contenders(sets: TrainingSets, models: Models, fit: Callable[[pd.DataFrame, float], FittedModel]) -> Contenders:
    gate_day, days = sets.windows.longer(models.value_days, models.churn_windows)
    if not days:
        raise NotEnoughData(f"value: two times {models.value_days} days after {models.min_history_days} are needed")
    train, gate = sets.purchase_series(days), sets.purchase_series(gate_day)
    spenders = train.loc[train[LABEL] > 0, "customer_id"].nunique()
    if spenders < LEAST_TRAINING or (gate[LABEL] > 0).sum() < LEAST_HELD_OUT:
        raise NotEnoughData(f"value: {spenders} customers who spent something are too few to learn from")
    return Contenders(
        baseline(train),
        fit(train, models.value_days / 7),
        lambda model: evaluate(model, gate),
        split=split(train, gate, models.value_days),
    )
