"""How the next action is evaluated, and against what.

Baselines are a Markov chain (the chances of the next action given the last one and how long ago it was), the customer's
own shares of actions, and the shares of everybody. n = customers, a = actions without "no purchase".
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

import numpy as np
import pandas as pd

from conf.settings.schema import Models
from training.contenders import LEAST_TRAINING, Contenders, NotEnoughData
from training.evaluation.fitted import Evaluation, FittedModel
from training.evaluation.leakage import split
from training.evaluation.metrics import calibration_error
from training.models.artifacts import from_bytes
from training.networks.loop import Checkpoint
from training.next_action.fit import NextActionConfig, build, files_of, fit
from training.next_action.inputs import AGES, MIDDLE, day_class, dictionary, labels, visits_of, windows
from training.next_action.spec import NAME
from training.sets import TrainingSets

#: windows of a customer overlap, so rows count for less than they are: rows that the chain of an action is blended with
#: what is known without it by, and that again with what is known of all
_CHAIN, _OF_AGE = 60.0, 30.0


def baselines(rows: pd.DataFrame, config: NextActionConfig) -> list[FittedModel]:
    """Fit the Markov chain, own shares (shrunk to those of everybody) and the shares of everybody; O(rows).

    Args:
        rows: from :func:`windows`, of all training windows.
        config: what an action is.
    """
    actions = dictionary(rows, config.least)
    label, base = labels(rows, actions), _base(rows, actions)
    coded = visits_of(rows, actions, base, config.visits)
    model = build(NextActionConfig(config.visits, config.size, 0), len(actions))
    recency, width = coded.gap[:, -1], len(actions) + 1
    of_age = np.zeros((AGES + 1, width)) + base * _OF_AGE
    np.add.at(of_age, (recency, label), 1.0)
    of_age /= of_age.sum(axis=1, keepdims=True)
    cells = np.zeros(((width) * (AGES + 1), width))
    np.add.at(cells, (coded.state, label), 1.0)
    cells += _CHAIN * of_age[np.arange(len(cells)) % (AGES + 1)]
    chain = np.log(cells / cells.sum(axis=1, keepdims=True))
    forecasts = {
        "Markov chain": (chain, np.zeros(width)),
        "own shares": (np.zeros_like(chain), np.ones(width)),
        "shares of all": (np.zeros_like(chain) + np.log(base), np.zeros(width)),
    }
    days = np.zeros((len(actions), len(MIDDLE))) + 0.1
    bought = label < len(actions)
    total = np.bincount(day_class(rows["days"].to_numpy()[bought]), minlength=len(MIDDLE)) + 1.0
    np.add.at(days, (label[bought], day_class(rows["days"].to_numpy()[bought])), 1.0)
    days += 50 * total / total.sum()
    late = np.log(days / days.sum(axis=1, keepdims=True))
    model.get_layer("days_of_action").set_weights([late.reshape(1, -1).astype("float32")])
    fitted = []
    for family, (of_state, of_share) in forecasts.items():
        model.get_layer("chain").set_weights([of_state.astype("float32")])
        model.get_layer("own").set_weights([of_share.astype("float32")])
        fitted.append(FittedModel(from_bytes(files_of(model, family, actions, base, config))))
    return fitted


def evaluate(rows: pd.DataFrame, outputs: Sequence[str], probability: np.ndarray) -> Evaluation:
    """Evaluate chances (n, a + 1) of the next action by the logarithm of what the right one got.

    Args:
        rows: from :func:`windows`.
        outputs: actions in the order of the columns, "no purchase" the last.
        probability: of each.
    """
    right = labels(rows, outputs[:-1])
    truth = np.arange(len(outputs)) == right[:, None]
    log_losses = np.log(np.maximum(probability[truth], 1e-12))
    figures = {
        "accuracy": float((probability.argmax(axis=1) == right).mean()),
        "perplexity": float(np.exp(-log_losses.mean())),
        "ece": calibration_error(truth.ravel(), probability.ravel()),
        "base_rate": float(np.bincount(right).max() / len(right)),
    }
    return Evaluation(pd.Series(log_losses, index=rows["customer_id"]).sort_index(), figures, probability, truth)


def _base(rows: pd.DataFrame, actions: Sequence[str]) -> np.ndarray:
    """Return the shares of the actions that came next, "no purchase" among them (a + 1,), none of them zero."""
    count = np.bincount(labels(rows, actions), minlength=len(actions) + 1) + 0.5
    return np.round(count / count.sum(), 9)


def contenders(sets: TrainingSets, models: Models) -> Contenders:
    """Fit the network and its baselines on windows of the visits a week apart.

    Raises:
        NotEnoughData: too few customers have visits.
    """
    series, gate_day, validation_day = sets.visits(), sets.windows.gate, sets.windows.validation
    horizon = (sets.night - gate_day).days
    days = sets.windows.before_validation(sets.windows.weekly(models.action_windows))
    train, validation, gate = (
        pd.concat([_as_of(series, sets.night - day, horizon) for day in part], ignore_index=True)
        for part in (days, (validation_day,), (gate_day,))
    )
    if min(len(train), len(validation), len(gate)) < LEAST_TRAINING:
        raise NotEnoughData(f"{len(train)} customers have visits to learn from, {len(gate)} to be judged on")
    # a sequence counts for many rows of a ranker
    training = models.network.model_copy(update={"batch": max(1, models.network.batch // 8)})
    config = NextActionConfig(training=training)
    start, *further = baselines(train, config)
    fitted = fit(train, validation, start, config, Checkpoint(sets.checkpoints, NAME, ""))
    return Contenders(
        start,
        fitted,
        lambda model: evaluate(gate, model.meta.outputs, model.predict(gate)),
        further,
        split=split(train, gate, horizon, validation),
    )


def _as_of(series: pd.DataFrame, back: timedelta, horizon: int) -> pd.DataFrame:
    """Cut the series ``back`` before the day that they end on."""
    as_of = pd.to_datetime(series["as_of"]).max() - back
    return windows(series, back.days, horizon).assign(as_of=as_of)
