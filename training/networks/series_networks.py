"""Networks over the series of a customer's baskets: who leaves, and what a customer will spend.

Feed-forward over all inputs, or with convolutions over the weekly series beside them. Keras trains them; they serve as
:mod:`training.networks.convolution`. n = rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from conf.errors import ConfigError
from conf.settings.schema import NetworkTraining
from conf.tables.features import WEEKS
from training.churn import churn
from training.evaluation.fitted import Candidate
from training.networks.convolution import SPREADS, packed
from training.networks.convolution_fit import Data, Shape, StackConfig, fit
from training.networks.loop import Checkpoint, losses_of
from training.value import value

#: weekly inputs, the oldest week first
SERIES = tuple(tuple(f"{kind}_week_{n}" for kind in ("visits", "spend")) for n in range(WEEKS, 0, -1))
FORWARD = StackConfig()
CONVOLUTION = replace(FORWARD, convolutions=(16, 16))
LOG_NORMAL = StackConfig(hidden=(64, 32), dropout=0.1, epochs=60, patience=8, batch=128)
#: share of the customers that choose the epochs where no window is left for it
_ASIDE = 5
#: the loss that is a likelihood
_LIKELIHOOD = "binary_crossentropy"


def churn_networks(
    train: pd.DataFrame,
    validation: pd.DataFrame,
    recent: pd.DataFrame,
    network: NetworkTraining,
    checkpoint: Checkpoint | None = None,
    config: churn.ChurnConfig | None = None,
) -> Candidate:
    """Fit both networks beside the models of every night, and keep the best of all and their mean.

    Args:
        train: rows whose labels end before the validation window begins.
        validation: chooses the epochs, the kind and the calibration.
        recent: rows of the last fit.
        network: names loss, optimiser and activation.
        checkpoint: where a killed training goes on from.
        config: of the models of every night.
    """
    config = config or churn.ChurnConfig()
    fitted, last = churn.members(train, validation, config), {}
    for family, sizes in (("feed-forward network", FORWARD), ("1-D convolution network", CONVOLUTION)):
        windows, kept = (train, validation, recent), checkpoint and replace(checkpoint, name=family.replace(" ", "_"))
        first, second = classifier(family, windows, churn.INPUTS, churn.LABEL, sizes.configured(network), kept)
        fitted.append(first)
        last[family] = second.model
    return churn.settle(fitted, validation, recent, config, last)


def classifier(
    family: str,
    windows: Sequence[pd.DataFrame],
    inputs: Sequence[str],
    label: str,
    config: StackConfig,
    checkpoint: Checkpoint | None = None,
) -> tuple[Candidate, Candidate]:
    """Return a network fitted on the first of (training, validation, recent), and its last fit on the third."""
    data = [Data(frame, frame[label].to_numpy(dtype="float32")[:, None]) for frame in windows]

    def loss(truth: Any, outputs: Any) -> Any:
        return losses_of(config.training, truth, outputs)[:, 0]

    found = fit(data, Shape(tuple(inputs), 1, SERIES), loss, config, checkpoint)
    first, last = (packed(churn.NAME, family, "classifier", tuple(inputs), s) for s in (found.chosen, found.last))
    curves = found.curves
    return Candidate(first, asdict(config), curves), Candidate(last, asdict(config), curves)


def value_network(
    train: pd.DataFrame,
    weeks: float,
    network: NetworkTraining | None = None,
    checkpoint: Checkpoint | None = None,
    inputs: Sequence[str] = value.INPUTS,
) -> Candidate:
    """Fit the zero-inflated log-normal network; a fifth of the customers choose the epochs.

    Args:
        train: a row per customer and window.
        weeks: weeks of the label; the network learns them from the label alone.
        network: names optimiser and activation; the loss is the likelihood.
        checkpoint: where a killed training goes on from.
        inputs: numeric columns.

    Raises:
        ConfigError: the configured loss is another than cross-entropy, which this likelihood is of what is a chance.

    Reference: Wang, Liu and Miao (2019), "A Deep Probabilistic Model for Customer Lifetime Value Prediction".
    """
    network = network or NetworkTraining()
    if network.loss != _LIKELIHOOD:
        raise ConfigError(
            f"models.network.loss {network.loss} does not fit the value network, whose outputs are the parameters of a "
            f"distribution; allowed: {_LIKELIHOOD}"
        )
    config = LOG_NORMAL.configured(network)
    truth = np.maximum(train[value.LABEL].to_numpy(dtype="float32"), 0)[:, None]
    who = pd.factorize(train["customer_id"].to_numpy(), sort=True)[0] % _ASIDE == 0
    parts = [Data(train[rows], truth[rows]) for rows in (~who, who, np.full(len(train), True))]
    middle = float(np.log(np.maximum(truth[truth > 0], 0.01)).mean())
    loss = partial(_log_normal, middle=middle)
    found = fit(parts, Shape(tuple(inputs), 3), loss, config, checkpoint)
    kernel, bias = found.last.dense[-1]
    settled = replace(found.last, dense=(*found.last.dense[:-1], (kernel, bias + np.array([0, middle, 0]))))
    model = packed(value.NAME, "zero-inflated log-normal network", "log_normal", tuple(inputs), settled)
    return Candidate(model, asdict(config) | {"weeks": weeks}, found.curves)


def _log_normal(truth: Any, outputs: Any, middle: float) -> Any:
    """Return the negative log-likelihood of each row: whether anything is spent, and how much if so.

    The network's mean is told from ``middle``, so that training starts near the truth.
    """
    from keras import ops

    some = ops.cast(truth > 0, "float32")[:, 0]
    log = ops.log(ops.maximum(truth[:, 0], 0.01)) - middle
    spread = ops.clip(ops.softplus(outputs[:, 2]), *SPREADS)
    chance = ops.softplus(outputs[:, 0]) - some * outputs[:, 0]
    money = ops.square((log - outputs[:, 1]) / spread) / 2 + ops.log(spread)
    return chance + some * money
