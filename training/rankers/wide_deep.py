"""Wide & deep: a linear part that remembers, a deep part that generalises, over the inputs of the offer ranker.

    quantile bin of every number, each bin a column of its own -> linear (wide)  |
    every number and whether it is missing -> linear                             |  sum -> sigmoid
    every number and whether it is missing -> Dense -> Dense -> Dense (deep)     |

Trained with Keras on large batches; it predicts from the weights of the ``.keras`` file in NumPy, so that the workers
of a night start no TensorFlow. n = rows, d = inputs, q = borders of an input's bins.

Reference: Cheng et al. (2016), "Wide & Deep Learning for Recommender Systems", DLRS.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from conf.settings.schema import NetworkTraining
from training.evaluation.fitted import FittedModel
from training.evaluation.metrics import log_likelihoods
from training.formats import KERAS_FILE
from training.models.artifacts import Meta, from_bytes, matrix, to_bytes
from training.networks.backend import keras_for
from training.networks.keras_files import named_weights
from training.networks.loop import Batch, Checkpoint, keyed, losses_of, shuffled, train
from training.networks.numpy_layers import ACTIVATIONS, sigmoid

FAMILY, ARCHITECTURE = "wide and deep network", "wide_deep"
#: rows that are predicted at once
_BATCH = 16_384


@dataclass(frozen=True)
class WideDeepConfig:
    """Everything that changes the fitted network."""

    hidden: tuple[int, ...] = (128, 64)
    borders: int = 15
    dropout: float = 0.1
    training: NetworkTraining = field(
        default_factory=lambda: NetworkTraining(batch=4096, epochs=20, learning_rate=3e-3)
    )


def fit(
    name: str,
    train_rows: pd.DataFrame,
    validation: pd.DataFrame,
    inputs: Sequence[str],
    label: str,
    config: WideDeepConfig,
    checkpoint: Checkpoint | None = None,
) -> FittedModel:
    """Fit the network; the validation window says when to stop.

    Args:
        name: of the model in the registry.
        train_rows: training rows.
        validation: rows of the validation window.
        inputs: numeric columns.
        label: boolean column.
        config: sizes and seed.
        checkpoint: where a killed training goes on from.
    """
    values, held = matrix(train_rows, inputs, name), matrix(validation, inputs, name)
    truth, happened = (frame[label].to_numpy(dtype="float32") for frame in (train_rows, validation))
    files, curves = fit_matrix(name, (values, truth), (held, happened), inputs, config, checkpoint)
    sizes = {key: value for key, value in asdict(config).items() if key != "training"}
    return FittedModel(from_bytes(files), sizes | config.training.model_dump(), curves)


def fit_matrix(
    name: str,
    learnt: tuple[np.ndarray, np.ndarray],
    held: tuple[np.ndarray, np.ndarray] | None,
    inputs: Sequence[str],
    config: WideDeepConfig,
    checkpoint: Checkpoint | None = None,
) -> tuple[dict[str, bytes], dict[str, list[float]]]:
    """Fit on matrices (n, d) and labels (n,) and return the model's files and the curves of its training.

    Without ``held`` rows all epochs are run.
    """
    values, truth = learnt
    scaling = _scaling(values, config.borders)
    encoded = encode(values, scaling)
    model = build(config, len(inputs))
    share = float(np.clip(truth.mean(), 1e-6, 1 - 1e-6))
    model.get_layer("deep").bias.assign([np.log(share / (1 - share))])
    given, happened = held or (np.zeros((0, len(inputs))), np.zeros(0))
    held_batches = [encode(given[start : start + _BATCH], scaling) for start in range(0, len(given), _BATCH)]
    checkpoint = keyed(checkpoint, config, list(inputs), values, truth, given, happened)

    def batches(epoch: int) -> Iterator[Batch]:
        for part in shuffled(len(truth), config.training.batch, config.training.seed, epoch):
            yield {**{key: values[part] for key, values in encoded.items()}, "truth": truth[part]}

    def loss(network: Any, batch: dict[str, Any]) -> Any:
        import keras

        log_odds = network({"numbers": batch["numbers"], "bins": batch["bins"]}, training=True)[:, 0]
        return keras.ops.mean(losses_of(config.training, batch["truth"], log_odds))

    def score() -> float:
        odds = np.concatenate([np.asarray(model(batch))[:, 0] for batch in held_batches])
        return float(log_likelihoods(happened, sigmoid(odds.astype("float64"))).mean())

    curves = train(model, batches, loss, config.training, score if held else None, checkpoint)
    extra = {"architecture": ARCHITECTURE, "activation": config.training.activation, **scaling}
    meta = Meta(name, "keras", FAMILY, tuple(inputs), ("probability",), extra)
    return to_bytes(meta, model), curves


def build(config: WideDeepConfig, inputs: int) -> Any:
    """Return the untrained network: the results of :func:`encode` in, log-odds (n, 1) out."""
    keras = keras_for(config.training.seed)
    layers = keras.layers
    numbers = keras.Input((2 * inputs,), name="numbers")
    bins = keras.Input((inputs,), dtype="int32", name="bins")
    cells = inputs * (config.borders + 2)
    wide = keras.ops.sum(layers.Embedding(cells, 1, embeddings_initializer="zeros", name="wide")(bins), axis=1)
    hidden = numbers
    for number, units in enumerate(config.hidden):
        hidden = layers.Dense(units, activation=config.training.activation, name=f"hidden_{number}")(hidden)
        hidden = layers.Dropout(config.dropout)(hidden)
    deep = layers.Dense(1, name="deep")(hidden)
    linear = layers.Dense(1, use_bias=False, kernel_initializer="zeros", name="linear")(numbers)
    return keras.Model({"numbers": numbers, "bins": bins}, wide + deep + linear, name="wide_deep")


def encode(values: np.ndarray, scaling: dict[str, list[Any]]) -> Batch:
    """Return what the network takes of numbers (n, d), NaN where there is none; an infinite one counts as none.

    Args:
        values: (n, d).
        scaling: ``mean`` and ``deviation`` (d) of the arcsinh, ``borders`` (d, q) of the bins.

    Returns:
        ``numbers`` (n, 2 d) float32: standardised arcsinh, 0 for missing, then 1 for missing; ``bins`` (n, d) int32:
        the place of each input's bin among all of them, its first for missing.
    """
    values = _finite(values)
    missing = np.isnan(values)
    scaled = (np.arcsinh(values) - np.asarray(scaling["mean"])) / np.asarray(scaling["deviation"])
    numbers = np.concatenate([np.clip(np.where(missing, 0, scaled), -5, 5), missing], axis=1).astype("float32")
    borders = np.asarray(scaling["borders"])
    bins = np.empty(values.shape, dtype="int32")
    for column, edges in enumerate(borders):
        place = 1 + np.searchsorted(edges, values[:, column], side="right")
        bins[:, column] = np.where(missing[:, column], 0, np.minimum(place, len(edges) + 1))
    return {"numbers": numbers, "bins": bins + np.arange(len(borders), dtype="int32") * (borders.shape[1] + 2)}


def read(meta: Meta, files: dict[str, bytes]) -> WideDeep:
    """Return the network whose files these are."""
    return WideDeep(meta, files, files[KERAS_FILE])


class WideDeep:
    """A trained network whose weights lie in a ``.keras`` file; see the module."""

    def __init__(self, meta: Meta, files: dict[str, bytes], content: bytes) -> None:
        """Read the weights."""
        self.meta, self.files = meta, files
        layers = named_weights(content)
        self.bins, self.linear, self.deep = layers["wide"][0][:, 0], layers["linear"][0], layers["deep"]
        self.hidden = [layers[name] for name in sorted(layers) if name.startswith("hidden_")]
        self.activation = ACTIVATIONS[meta.extra["activation"]]
        self.slope, self.intercept = meta.extra.get("calibration", (1.0, 0.0))

    def predict(self, frame: pd.DataFrame) -> np.ndarray:
        """Return probabilities (n,), float64."""
        return self.probabilities(matrix(frame, self.meta.inputs, self.meta.name))

    def probabilities(self, values: np.ndarray) -> np.ndarray:
        """Return probabilities (n,) of numbers (n, d)."""
        outputs = [np.zeros(0)]
        for start in range(0, len(values), _BATCH):
            batch = encode(values[start : start + _BATCH], self.meta.extra)
            hidden = batch["numbers"]
            for kernel, bias in self.hidden:
                hidden = self.activation(hidden @ kernel + bias)
            odds = hidden @ self.deep[0] + self.deep[1] + batch["numbers"] @ self.linear
            odds = odds[:, 0] + self.bins[batch["bins"]].sum(axis=1)
            outputs.append(sigmoid(self.slope * odds.astype("float64") + self.intercept))
        return np.concatenate(outputs)

    def contributions(self, frame: pd.DataFrame) -> np.ndarray:
        """Refuse: a network has no exact contributions.

        Raises:
            ValueError: always.
        """
        raise ValueError(f"model {self.meta.name} is a network; it has no exact contributions")

    def to_bytes(self) -> dict[str, bytes]:
        """Return the files of the model by name."""
        return self.files


def _scaling(values: np.ndarray, borders: int) -> dict[str, list[Any]]:
    """Return mean, deviation and borders of each input, from the training rows."""
    values = _finite(values)
    spread = np.arcsinh(values)
    there = ~np.isnan(spread)
    count = np.maximum(there.sum(axis=0), 1)
    mean = np.where(there, spread, 0).sum(axis=0) / count
    deviation = np.sqrt(np.where(there, (spread - mean) ** 2, 0).sum(axis=0) / count)
    shares = np.linspace(0, 1, borders + 2)[1:-1]
    edges = [
        np.quantile(column[present], shares) if present.any() else np.zeros(borders)
        for column, present in zip(values.T, there.T, strict=True)
    ]
    return {
        "mean": mean.tolist(),
        "deviation": np.maximum(deviation, 1e-6).tolist(),
        "borders": np.array(edges).tolist(),
    }


def _finite(values: np.ndarray) -> np.ndarray:
    """Return the numbers with NaN in place of infinite ones."""
    return np.where(np.isfinite(values), values, np.nan)
