"""A network of what a customer will spend, for the weekly training: a zero-inflated log-normal distribution."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from conf.errors import ConfigError
from conf.settings.schema import NetworkTraining
from training.evaluation.fitted import FittedModel
from training.networks.convolution import SPREADS, packed
from training.networks.convolution_fit import ConvolutionConfig, Data, NetworkShape, fit
from training.networks.loop import Checkpoint
from training.value.inputs import LABEL
from training.value.spec import INPUTS, NAME

LOG_NORMAL = ConvolutionConfig(hidden=(64, 32), dropout=0.1, epochs=60, patience=8, batch=128)
#: share of the customers that choose the epochs where no window is left for it
_ASIDE = 5
#: the loss that is a likelihood
_LIKELIHOOD = "binary_crossentropy"


def fit_network(
    train: pd.DataFrame,
    weeks: float,
    network: NetworkTraining | None = None,
    checkpoint: Checkpoint | None = None,
    inputs: Sequence[str] = INPUTS,
) -> FittedModel:
    """Fit the zero-inflated log-normal network; a fifth of the customers choose the epochs.

    Args:
        train: a row per customer and window.
        weeks: weeks of the label; the network learns them from the label alone.
        network: names optimiser and activation; the loss is the likelihood.
        checkpoint: where a killed training goes on from.
        inputs: numeric columns.

    Raises:
        ConfigError: the configured loss is another than cross-entropy, which is the likelihood of a chance.

    Reference: Wang, Liu and Miao (2019), "A Deep Probabilistic Model for Customer Lifetime Value Prediction".
    """
    network = network or NetworkTraining()
    if network.loss != _LIKELIHOOD:
        raise ConfigError(
            f"models.network.loss {network.loss} does not fit the value network, whose outputs are the parameters of a "
            f"distribution; allowed: {_LIKELIHOOD}"
        )
    config = LOG_NORMAL.configured(network)
    truth = np.maximum(train[LABEL].to_numpy(dtype="float32"), 0)[:, None]
    who = pd.factorize(train["customer_id"].to_numpy(), sort=True)[0] % _ASIDE == 0
    parts = [Data(train[rows], truth[rows]) for rows in (~who, who, np.full(len(train), True))]
    middle = float(np.log(np.maximum(truth[truth > 0], 0.01)).mean())
    loss = partial(_log_normal, middle=middle)
    fitted = fit(parts, NetworkShape(tuple(inputs), 3), loss, config, checkpoint)
    kernel, bias = fitted.last.dense[-1]
    settled = replace(fitted.last, dense=(*fitted.last.dense[:-1], (kernel, bias + np.array([0, middle, 0]))))
    model = packed(NAME, "zero-inflated log-normal network", "log_normal", tuple(inputs), settled)
    return FittedModel(model, asdict(config) | {"weeks": weeks}, fitted.curves)


def _log_normal(truth: Any, outputs: Any, middle: float) -> Any:
    """Return the negative log-likelihood of each row: whether anything is spent, and how much if so.

    The network's mean is counted from ``middle``, so that training starts near the truth.
    """
    from keras import ops

    some = ops.cast(truth > 0, "float32")[:, 0]
    log = ops.log(ops.maximum(truth[:, 0], 0.01)) - middle
    spread = ops.clip(ops.softplus(outputs[:, 2]), *SPREADS)
    chance = ops.softplus(outputs[:, 0]) - some * outputs[:, 0]
    money = ops.square((log - outputs[:, 1]) / spread) / 2 + ops.log(spread)
    return chance + some * money
