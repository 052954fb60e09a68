"""The product-characteristic network in Keras, and what follows its training; see ``numpy_network``.

n = customers, l = characteristics, r = inner size of the item-to-item model.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from scipy import sparse

from conf.settings.schema import Activation, NetworkTraining
from training.characteristics.first_purchases import first_time_log_odds, item_factors, weights
from training.characteristics.numpy_network import Encoded, standardised
from training.networks.backend import keras_for
from training.networks.loop import Batch, Checkpoint, losses_of, shuffled, train

_BATCH = 4096


@dataclass(frozen=True)
class Rows:
    """Examples as numbers, and what they bought (n, l)."""

    coded: Encoded
    bought: sparse.csr_matrix


@dataclass(frozen=True)
class CharacteristicShape:
    """Sizes of the layers.

    Attributes:
        labels: characteristics.
        numbers: numeric inputs.
        categories: one-hot inputs.
        hidden: units of the hidden layers; none: a logistic regression per characteristic, or without numbers and
            categories own history alone.
        dropout: share.
        activation: of the hidden layers.
        seed: of the weights.
        items: inner size of the item-to-item model; 0 for none.
    """

    labels: int
    numbers: int = 0
    categories: int = 0
    hidden: tuple[int, ...] = ()
    dropout: float = 0.0
    activation: Activation = "relu"
    seed: int = 0
    items: int = 0


def build(shape: CharacteristicShape) -> Any:
    """Return the untrained model of log-odds; its inputs are the four of ``Encoded``."""
    keras = keras_for(shape.seed)
    ops, layers, labels = keras.ops, keras.layers, shape.labels
    sizes = {"numbers": shape.numbers, "categories": shape.categories, "recent": labels, "total": labels}
    inputs = {name: keras.Input((size,), name=name) for name, size in sizes.items()}
    recent, total = ops.log1p(inputs["recent"]), ops.log1p(inputs["total"])
    owned = ops.cast(inputs["total"] > 0, "float32")
    history = ops.stack([recent, total, ops.log1p(2.0 * inputs["recent"] + inputs["total"]), 1.0 - owned], axis=-1)
    odds = layers.EinsumDense("abc,bc->ab", output_shape=labels, bias_axes="b", name="own_history")(history)
    if shape.numbers or shape.categories:
        scaled = layers.Normalization(name="scaled")(ops.arcsinh(inputs["numbers"]))
        scaled = ops.clip(ops.where(ops.isnan(scaled), 0.0, scaled), -5.0, 5.0)
        given = layers.Concatenate()([scaled, inputs["categories"]])
        odds = odds + layers.Dense(labels, use_bias=False, kernel_initializer="zeros", name="wide")(given)
    if shape.hidden:
        hidden = layers.Concatenate()([given, recent, total])
        for number, units in enumerate(shape.hidden):
            hidden = layers.Dropout(shape.dropout, seed=shape.seed + number)(hidden)
            hidden = layers.Dense(units, activation=shape.activation)(hidden)
        hidden = layers.Dropout(shape.dropout, seed=shape.seed + len(shape.hidden))(hidden)
        odds = odds + layers.Dense(labels, kernel_initializer="zeros")(hidden)
    if shape.items:
        score = layers.Dense(shape.items, use_bias=False, name="items_in")(owned)
        score = layers.Dense(labels, use_bias=False, name="items_out")(score)
        both = ops.stack([odds, ops.sqrt(ops.maximum(score, 0.0))], axis=-1)
        both = layers.Dense(1, name="first_purchase")(both)
        odds = ops.where(owned > 0, odds, ops.squeeze(both, axis=-1))
    return keras.Model(inputs, odds, name="characteristics")


def served(model: Any) -> Any:
    """Return a model of log-odds as one of probabilities, which is what a file holds."""
    import keras

    return keras.Model(model.input, keras.ops.sigmoid(model.output), name=model.name)


@dataclass(frozen=True)
class Linear:
    """The weights that need no hidden layer: own history (l, 4), constants (l,), and the inputs' (d + c, l).

    ``mean`` and ``variance`` (d,) are those of the numbers' ``arcsinh``. All three are empty for own history alone.
    """

    own: np.ndarray
    bias: np.ndarray
    wide: np.ndarray = field(default_factory=lambda: np.zeros((0, 0)))
    mean: np.ndarray = field(default_factory=lambda: np.zeros(0))
    variance: np.ndarray = field(default_factory=lambda: np.zeros(0))

    def put(self, model: Any) -> None:
        """Give a built model these weights."""
        model.get_layer("own_history").set_weights([self.own, self.bias])
        if len(self.wide):
            model.get_layer("wide").set_weights([self.wide])
            scaled = model.get_layer("scaled")
            scaled.set_weights([self.mean, self.variance, np.zeros(())])
            scaled.finalize_state()

    def model(self) -> Any:
        """Return the model without hidden layers."""
        model = build(CharacteristicShape(len(self.bias), len(self.mean), len(self.wide) - len(self.mean)))
        self.put(model)
        return model


def item_weights(model: Any, seed: int, valid: Rows) -> tuple[float, float, float]:
    """Return what :func:`with_items` weighs a model's log-odds and the item-to-item score by, and the constant.

    Args:
        model: trained on windows before the validation window.
        seed: of the item-to-item model.
        valid: rows of the validation window; the score knows what was owned before it.
    """
    owned = valid.coded.owned
    left, right = item_factors(owned, seed)
    score = np.sqrt(np.maximum(owned @ left @ right, 0))
    return weights(log_odds(model, valid.coded).astype("float64"), score, owned, valid.bought, seed)


def with_items(
    model: Any, shape: CharacteristicShape, weights: tuple[float, float, float], owned: sparse.csr_matrix
) -> Any:
    """Return a trained model with the item-to-item model added.

    Args:
        model: of ``shape``, trained.
        shape: sizes.
        weights: result of :func:`item_weights`.
        owned: (n, l) ones, what the item-to-item model learns from.
    """
    left, right = item_factors(owned, shape.seed)
    learnt = {layer.name: layer.get_weights() for layer in model.layers if layer.weights}
    learnt |= {"items_in": [left], "items_out": [right]}
    learnt["first_purchase"] = [np.array(weights[:2], dtype="float32")[:, None], np.array(weights[2:], dtype="float32")]
    whole = build(replace(shape, items=left.shape[1]))
    for name, values in learnt.items():
        whole.get_layer(name).set_weights(values)
    return whole


def trained(
    rows: Rows,
    shape: CharacteristicShape,
    begun: Linear,
    config: NetworkTraining,
    watched: tuple[Rows, Callable[[np.ndarray], float]] | None = None,
    checkpoint: Checkpoint | None = None,
) -> tuple[Any, dict[str, list[float]]]:
    """Train the hidden layers on top of logistic regressions, which are held still.

    For what was never bought it begins with the odds of first purchases, in the mean over all customers.

    Args:
        rows: to learn from.
        shape: sizes.
        begun: the logistic regressions.
        config: loss, optimiser, batch, epochs.
        watched: held-out rows and what log-odds (n, l) of them are worth; the best epoch is kept. None: the last is.
        checkpoint: where a killed training goes on from; its key is of all that is given here.

    Returns:
        The network, and a value per epoch of what :func:`training.networks.loop.train` watches; none without hidden
        layers.
    """
    model = build(shape)
    inputs = np.column_stack([standardised(rows.coded.numbers, begun.mean, begun.variance), rows.coded.categories])
    never = first_time_log_odds(rows.coded.owned, rows.bought) - begun.bias - inputs.mean(axis=0) @ begun.wide
    replace(begun, own=np.column_stack([begun.own[:, :-1], never])).put(model)
    if not shape.hidden:
        return model, {}
    for name in ("own_history", "wide"):
        model.get_layer(name).trainable = False

    def batches(epoch: int) -> Iterator[Batch]:
        for part in shuffled(rows.bought.shape[0], config.batch, config.seed, epoch):
            yield {**rows.coded.batch(part), "truth": rows.bought[part].toarray()}

    def loss(network: Any, batch: dict[str, Any]) -> Any:
        import keras

        given = {name: value for name, value in batch.items() if name != "truth"}
        return keras.ops.mean(losses_of(config, batch["truth"], network(given, training=True)))

    def score() -> float:
        held, worth = watched  # type: ignore[misc]
        return float(worth(log_odds(model, held.coded)))

    return model, train(model, batches, loss, config, score if watched else None, checkpoint)


def filled(values: np.ndarray) -> np.ndarray:
    """Put each column's mean where there is no value; 0 where there is none at all."""
    there = ~np.isnan(values)
    mean = np.where(there, values, 0).sum(axis=0) / np.maximum(there.sum(axis=0), 1)
    return np.where(there, values, mean).astype("float32")


def log_odds(model: Any, coded: Encoded) -> np.ndarray:
    """Return the log-odds of every characteristic, float32 (n, l)."""
    starts = range(0, coded.numbers.shape[0], _BATCH)
    return np.concatenate([np.asarray(model(coded.batch(slice(s, s + _BATCH)), training=False)) for s in starts])
