"""Trains the networks of ``convolution`` with Keras: which epoch is best, a held-out window says."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from conf.settings.schema import Activation, Loss, NetworkTraining, Optimizer
from training.models.artifacts import matrix
from training.models.logistic import Scaler
from training.networks.backend import keras_for
from training.networks.convolution import CLIP, ConvolutionNetwork
from training.networks.loop import SCORE, Batch, Checkpoint, keyed, shuffled, train

#: rows that are scored at once
_BATCH = 8192


@dataclass(frozen=True)
class ConvolutionConfig:
    """Everything that changes the fitted network."""

    convolutions: tuple[int, ...] = ()
    width: int = 3
    hidden: tuple[int, ...] = (32,)
    dropout: float = 0.3
    l2: float = 1e-4
    learning_rate: float = 1e-3
    epochs: int = 30
    patience: int = 4
    batch: int = 512
    seed: int = 20260101
    loss: Loss = "binary_crossentropy"
    optimizer: Optimizer = "adam"
    activation: Activation = "relu"

    @property
    def training(self) -> NetworkTraining:
        """The same as the training loop takes it."""
        return NetworkTraining(
            loss=self.loss,
            optimizer=self.optimizer,
            activation=self.activation,
            learning_rate=self.learning_rate,
            batch=self.batch,
            epochs=self.epochs,
            patience=self.patience,
            seed=self.seed,
        )

    def configured(self, network: NetworkTraining) -> ConvolutionConfig:
        """Return these sizes with the loss, the optimiser and the activation of the configuration."""
        return replace(self, loss=network.loss, optimizer=network.optimizer, activation=network.activation)


@dataclass(frozen=True)
class Data:
    """Rows to train on: inputs by name, and what the loss compares the outputs with (n, y)."""

    frame: pd.DataFrame
    truth: np.ndarray


@dataclass(frozen=True)
class FittedNetwork:
    """A network fitted on the training rows, which can be compared on the validation window, and its last fit.

    ``curves`` holds a value per epoch of what :func:`training.networks.loop.train` watches; the score is minus the loss
    of the validation rows.
    """

    chosen: ConvolutionNetwork
    last: ConvolutionNetwork
    curves: dict[str, list[float]]


@dataclass(frozen=True)
class NetworkShape:
    """What goes in and comes out: numeric ``inputs``, the weekly ones among them (oldest week first), and ``outputs``.

    ``weeks`` are taken only by a network with convolutions.
    """

    inputs: tuple[str, ...]
    outputs: int
    weeks: tuple[tuple[str, ...], ...] = ()


def fit(
    data: Sequence[Data],
    shape: NetworkShape,
    loss: Callable[[Any, Any], Any],
    config: ConvolutionConfig,
    checkpoint: Checkpoint | None = None,
) -> FittedNetwork:
    """Train on the first rows until the second get no better, then again as long on the third.

    Args:
        data: rows whose labels end before the validation window, those of that window, and rows of the last fit.
        shape: inputs and outputs.
        loss: (truth, outputs) to a loss a row.
        config: sizes.
        checkpoint: where a killed training goes on from.
    """
    place = {name: number for number, name in enumerate(shape.inputs)}
    weekly = shape.weeks if config.convolutions else ()
    of_week = np.array([[place[name] for name in week] for week in weekly], dtype="int64")
    scaler = Scaler.of(matrix(data[0].frame, shape.inputs, "network"))
    x = [_scaled(scaler, part.frame, shape.inputs) for part in data]
    truth = [part.truth for part in data]
    checkpoint = keyed(checkpoint, config, shape, x, truth)
    network = _built(x[0].shape[1], of_week, shape.outputs, config)

    def score() -> float:
        parts = (slice(start, start + _BATCH) for start in range(0, len(x[1]), _BATCH))
        return -float(np.concatenate([np.asarray(loss(truth[1][part], network(x[1][part]))) for part in parts]).mean())

    curves = train(network, _batches(x[0], truth[0], config), _whole(loss), config.training, score, checkpoint)
    chosen = _as_arrays(network, scaler, of_week, config.activation)
    network = _built(x[0].shape[1], of_week, shape.outputs, config)
    as_long = config.training.model_copy(update={"epochs": int(np.argmax(curves[SCORE])) + 1})
    last = checkpoint and replace(checkpoint, name=f"{checkpoint.name}-last")
    train(network, _batches(x[2], truth[2], config), _whole(loss), as_long, None, last)
    return FittedNetwork(chosen, _as_arrays(network, scaler, of_week, config.activation), curves)


def _batches(x: np.ndarray, truth: np.ndarray, config: ConvolutionConfig) -> Callable[[int], Iterator[Batch]]:
    def batches(epoch: int) -> Iterator[Batch]:
        for part in shuffled(len(x), config.batch, config.seed, epoch):
            yield {"x": x[part], "truth": truth[part]}

    return batches


def _whole(loss: Callable[[Any, Any], Any]) -> Callable[[Any, dict[str, Any]], Any]:
    """Return the mean loss of a batch with the penalties of the layers."""

    def whole(network: Any, batch: dict[str, Any]) -> Any:
        import keras

        losses = loss(batch["truth"], network(batch["x"], training=True))
        return keras.ops.mean(losses) + sum(network.losses)

    return whole


def _as_arrays(network: Any, scaler: Scaler, weeks: np.ndarray, activation: str) -> ConvolutionNetwork:
    """Take the weights out of a network of Keras."""
    layers: dict[str, list[tuple[np.ndarray, np.ndarray]]] = {"convolution": [], "dense": []}
    for layer in network.layers:
        kind = layer.name.split("-")[0]
        if kind in layers:
            kernel, bias = (np.asarray(value, dtype="float64") for value in layer.get_weights())
            layers[kind].append((kernel, bias))
    return ConvolutionNetwork(scaler, weeks, tuple(layers["convolution"]), tuple(layers["dense"]), activation)


def _scaled(scaler: Scaler, frame: pd.DataFrame, inputs: Sequence[str]) -> np.ndarray:
    return np.clip(scaler.scaled(matrix(frame, inputs, "network")), -CLIP, CLIP).astype("float32")


def _built(width: int, weeks: np.ndarray, outputs: int, config: ConvolutionConfig) -> Any:
    keras = keras_for(config.seed)
    kept = keras.regularizers.L2(config.l2)
    inputs = keras.Input((width,))
    row: Any = inputs
    if len(weeks):
        flow = keras.ops.reshape(keras.ops.take(inputs, weeks.ravel(), axis=1), (-1, *weeks.shape))
        for number, size in enumerate(config.convolutions):
            flow = keras.layers.Conv1D(size, config.width, activation=config.activation, name=f"convolution-{number}")(
                flow
            )
        row = keras.layers.Concatenate()([inputs, keras.layers.Flatten()(flow)])
    for number, size in enumerate(config.hidden):
        row = keras.layers.Dense(size, activation=config.activation, kernel_regularizer=kept, name=f"dense-{number}")(
            row
        )
        row = keras.layers.Dropout(config.dropout, seed=config.seed + number)(row)
    row = keras.layers.Dense(outputs, name=f"dense-{len(config.hidden)}")(row)
    return keras.Model(inputs, row, name="convolution")
