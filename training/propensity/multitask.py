"""One network for all propensities with a horizon: what they have in common is learnt once, each has a head of its own.

Keras trains it on the rows of all labels; a label whose question cannot be asked of a customer is left out of the loss.
A head with the shared layers below it is a model like any other, served as ``convolution``. n = rows, l = labels.

Reference: Caruana (1997), "Multitask Learning", Machine Learning 28.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from conf.settings.propensities import Propensity
from training.classifiers.calibration import calibrated, with_calibration
from training.evaluation.fitted import FittedModel
from training.networks.convolution import ConvolutionNetwork, packed
from training.networks.convolution_fit import ConvolutionConfig, Data, NetworkShape, fit
from training.networks.loop import Checkpoint, losses_of
from training.propensity.inputs import LABEL, rows

FAMILY = "multi-task network"
SIZES = ConvolutionConfig(hidden=(64, 32))


def heads(
    train: pd.DataFrame,
    validation: pd.DataFrame,
    asked: Sequence[Propensity],
    columns: Sequence[str],
    config: ConvolutionConfig = SIZES,
    checkpoint: Checkpoint | None = None,
) -> dict[str, FittedModel]:
    """Fit the network and return the model of each label.

    Args:
        train: wide frames of the training windows, with what came of them; see ``rows``.
        validation: the same of the validation window: epochs and calibration; the last fit learns from it too.
        asked: labels with a horizon (l).
        columns: inputs.
        config: sizes, and the loss of each label.
        checkpoint: where a killed training goes on from.
    """
    both = pd.concat([train, validation], ignore_index=True)
    data = [Data(frame, targets(frame, asked)) for frame in (train, validation, both)]
    network = fit(data, NetworkShape(tuple(columns), len(asked)), partial(masked_loss, config), config, checkpoint)
    made = {}
    for place, label in enumerate(asked):
        first, last = (
            packed(label.model, FAMILY, "classifier", tuple(columns), _head(whole, place))
            for whole in (network.chosen, network.last)
        )
        settled = calibrated(first, rows(validation, label), LABEL).meta.extra.get("calibration")
        model = with_calibration(last, *settled) if settled else last
        made[label.label] = FittedModel(model, asdict(config), network.curves)
    return made


def targets(frame: pd.DataFrame, asked: Sequence[Propensity]) -> np.ndarray:
    """Return what came of each label, and of whom it can be asked, side by side (n, 2 l)."""
    truth, observed = np.zeros((2, len(frame), len(asked)), dtype="float32")
    position = pd.Series(np.arange(len(frame)), index=frame.index)
    for place, label in enumerate(asked):
        happened = rows(frame, label)[LABEL]
        where = position[happened.index].to_numpy()
        truth[where, place], observed[where, place] = happened.to_numpy(dtype="float32"), 1
    return np.concatenate([truth, observed], axis=1)


def masked_loss(config: ConvolutionConfig, truth: Any, outputs: Any) -> Any:
    """Return each row's mean loss over the labels that can be asked of it; 0 where none can.

    Args:
        config: names the loss.
        truth: result of :func:`targets`.
        outputs: log-odds (n, l).
    """
    from keras import ops

    size = outputs.shape[1]
    happened, observed = truth[:, :size], truth[:, size:]
    losses = observed * losses_of(config.training, happened, outputs)
    return ops.sum(losses, axis=1) / ops.maximum(ops.sum(observed, axis=1), 1)


def _head(network: ConvolutionNetwork, place: int) -> ConvolutionNetwork:
    kernel, bias = network.dense[-1]
    return replace(network, dense=(*network.dense[:-1], (kernel[:, place : place + 1], bias[place : place + 1])))
