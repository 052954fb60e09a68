"""Trains the networks of :mod:`training.stack` with Keras: which epoch is best, a held-out window says."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from training.artifacts import matrix
from training.logits import Scaler
from training.networks.backend import keras_for
from training.stack import CLIP, Stack


@dataclass(frozen=True)
class StackConfig:
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


@dataclass(frozen=True)
class Data:
    """Rows to train on: inputs by name, and what the loss takes beside the outputs (n, y)."""

    frame: pd.DataFrame
    truth: np.ndarray


@dataclass(frozen=True)
class Fitted:
    """A network fitted on the training rows, which can be compared on the validation window, and its last fit.

    ``curve`` is the validation loss of each epoch.
    """

    chosen: Stack
    last: Stack
    curve: list[float]


@dataclass(frozen=True)
class Shape:
    """What goes in and comes out: numeric ``inputs``, the weekly ones among them (oldest week first), and ``outputs``.

    ``weeks`` are taken only by a network with convolutions.
    """

    inputs: tuple[str, ...]
    outputs: int
    weeks: tuple[tuple[str, ...], ...] = ()


def fit(data: Sequence[Data], shape: Shape, loss: Callable[[Any, Any], Any], config: StackConfig) -> Fitted:
    """Train on the first rows until the second get no better, then again as long on the third.

    Args:
        data: rows whose labels end before the validation window, those of that window, and rows of the last fit.
        shape: inputs and outputs.
        loss: of Keras: (truth, outputs) to a loss a row.
        config: sizes.
    """
    import keras

    place = {name: number for number, name in enumerate(shape.inputs)}
    weekly = shape.weeks if config.convolutions else ()
    of_week = np.array([[place[name] for name in week] for week in weekly], dtype="int64")
    train, validation, recent = data
    scaler = Scaler.of(matrix(train.frame, shape.inputs, "network"))
    x = [_scaled(scaler, each.frame, shape.inputs) for each in data]
    network = _built(x[0].shape[1], of_week, shape.outputs, loss, config)
    stop = keras.callbacks.EarlyStopping(patience=config.patience, restore_best_weights=True)
    told = network.fit(
        x[0], train.truth, batch_size=config.batch, epochs=config.epochs, verbose=0, callbacks=[stop],
        validation_data=(x[1], validation.truth),
    ).history["val_loss"]  # fmt: skip
    chosen = _stack(network, scaler, of_week)
    network = _built(x[0].shape[1], of_week, shape.outputs, loss, config)
    network.fit(x[2], recent.truth, batch_size=config.batch, epochs=int(np.argmin(told)) + 1, verbose=0)
    return Fitted(chosen, _stack(network, scaler, of_week), [float(value) for value in told])


def _stack(network: Any, scaler: Scaler, weeks: np.ndarray) -> Stack:
    """Take the weights out of a network of Keras."""
    layers: dict[str, list[tuple[np.ndarray, np.ndarray]]] = {"convolution": [], "dense": []}
    for layer in network.layers:
        kind = layer.name.split("-")[0]
        if kind in layers:
            kernel, bias = (np.asarray(value, dtype="float64") for value in layer.get_weights())
            layers[kind].append((kernel, bias))
    return Stack(scaler, weeks, tuple(layers["convolution"]), tuple(layers["dense"]))


def _scaled(scaler: Scaler, frame: pd.DataFrame, inputs: Sequence[str]) -> np.ndarray:
    return np.clip(scaler.scaled(matrix(frame, inputs, "network")), -CLIP, CLIP).astype("float32")


def _built(width: int, weeks: np.ndarray, outputs: int, loss: Callable[[Any, Any], Any], config: StackConfig) -> Any:
    keras = keras_for(config.seed)
    kept = keras.regularizers.L2(config.l2)
    inputs = keras.Input((width,))
    row: Any = inputs
    if len(weeks):
        flow = keras.ops.reshape(keras.ops.take(inputs, weeks.ravel(), axis=1), (-1, *weeks.shape))
        for number, size in enumerate(config.convolutions):
            flow = keras.layers.Conv1D(size, config.width, activation="relu", name=f"convolution-{number}")(flow)
        row = keras.layers.Concatenate()([inputs, keras.layers.Flatten()(flow)])
    for number, size in enumerate(config.hidden):
        row = keras.layers.Dense(size, activation="relu", kernel_regularizer=kept, name=f"dense-{number}")(row)
        row = keras.layers.Dropout(config.dropout, seed=config.seed + number)(row)
    row = keras.layers.Dense(outputs, name=f"dense-{len(config.hidden)}")(row)
    network = keras.Model(inputs, row)
    network.compile(optimizer=keras.optimizers.Adam(config.learning_rate), loss=loss)
    return network
