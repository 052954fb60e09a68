"""Networks of churn over the series of a customer's baskets, for the weekly training."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import Any

import pandas as pd

from conf.settings.schema import NetworkTraining
from training.churn.fit import ChurnConfig, members, settle
from training.churn.inputs import LABEL
from training.churn.spec import INPUTS, NAME
from training.evaluation.fitted import FittedModel
from training.networks.convolution import packed
from training.networks.convolution_fit import ConvolutionConfig, Data, NetworkShape, fit
from training.networks.loop import Checkpoint, losses_of
from training.networks.series import CONVOLUTION, FORWARD, SERIES


def fit_with_networks(
    train: pd.DataFrame,
    validation: pd.DataFrame,
    recent: pd.DataFrame,
    network: NetworkTraining,
    checkpoint: Checkpoint | None = None,
    config: ChurnConfig | None = None,
) -> FittedModel:
    """Fit both networks and the models of every night, and keep the best of all and their mean.

    Args:
        train: rows whose labels end before the validation window begins.
        validation: chooses the epochs, the kind and the calibration.
        recent: rows of the last fit.
        network: names loss, optimiser and activation.
        checkpoint: where a killed training goes on from.
        config: of the models of every night.
    """
    config = config or ChurnConfig()
    fitted, last = members(train, validation, config), {}
    for family, sizes in (("feed-forward network", FORWARD), ("1-D convolution network", CONVOLUTION)):
        windows, kept = (train, validation, recent), checkpoint and replace(checkpoint, name=family.replace(" ", "_"))
        first, second = classifier(family, windows, INPUTS, LABEL, sizes.configured(network), kept)
        fitted.append(first)
        last[family] = second.model
    return settle(fitted, validation, recent, config, last)


def classifier(
    family: str,
    windows: Sequence[pd.DataFrame],
    inputs: Sequence[str],
    label: str,
    config: ConvolutionConfig,
    checkpoint: Checkpoint | None = None,
) -> tuple[FittedModel, FittedModel]:
    """Return a network fitted on the first of (training, validation, recent), and its last fit on the third."""
    data = [Data(frame, frame[label].to_numpy(dtype="float32")[:, None]) for frame in windows]

    def loss(truth: Any, outputs: Any) -> Any:
        return losses_of(config.training, truth, outputs)[:, 0]

    result = fit(data, NetworkShape(tuple(inputs), 1, SERIES), loss, config, checkpoint)
    first, last = (packed(NAME, family, "classifier", tuple(inputs), s) for s in (result.chosen, result.last))
    curves = result.curves
    return FittedModel(first, asdict(config), curves), FittedModel(last, asdict(config), curves)
