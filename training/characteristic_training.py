"""The product-characteristic network in Keras, and what follows its training; see :mod:`training.network`.

n = customers, l = characteristics, r = inner size of the item-to-item model.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from scipy import sparse

from training.evaluation import log_likelihoods, ranking_metrics, top_ranks
from training.first_purchases import item_factors, weights
from training.network import Encoded
from training.networks.backend import keras_for

log = logging.getLogger(__name__)
_BATCH = 4096


@dataclass(frozen=True)
class Shape:
    """Sizes of the layers.

    Attributes:
        labels: characteristics.
        numbers: numeric inputs.
        categories: one-hot inputs.
        hidden: units of the hidden layers; none: own history alone.
        dropout: share.
        seed: of the weights.
        items: inner size of the item-to-item model; 0 for none.
    """

    labels: int
    numbers: int = 0
    categories: int = 0
    hidden: tuple[int, ...] = ()
    dropout: float = 0.0
    seed: int = 0
    items: int = 0


def build(shape: Shape) -> Any:
    """Return the untrained model; its four inputs are those of :class:`training.network.Encoded`."""
    keras = keras_for(shape.seed)
    ops, layers, labels = keras.ops, keras.layers, shape.labels
    sizes = {"numbers": shape.numbers, "categories": shape.categories, "recent": labels, "total": labels}
    inputs = {name: keras.Input((size,), name=name) for name, size in sizes.items()}
    recent, total = ops.log1p(inputs["recent"]), ops.log1p(inputs["total"])
    owned = ops.cast(inputs["total"] > 0, "float32")
    history = ops.stack([recent, total, ops.log1p(2.0 * inputs["recent"] + inputs["total"]), 1.0 - owned], axis=-1)
    log_odds = layers.EinsumDense("abc,bc->ab", output_shape=labels, bias_axes="b", name="own_history")(history)
    if shape.hidden:
        scaled = layers.Normalization(name="scaled")(ops.arcsinh(inputs["numbers"]))
        scaled = ops.clip(ops.where(ops.isnan(scaled), 0.0, scaled), -5.0, 5.0)
        hidden = layers.Concatenate()([scaled, inputs["categories"], recent, total])
        for units in shape.hidden:
            hidden = layers.Dense(units, activation="relu")(layers.Dropout(shape.dropout)(hidden))
        hidden = layers.Dropout(shape.dropout)(hidden)
        log_odds = log_odds + layers.Dense(labels, kernel_initializer="zeros")(hidden)
    if shape.items:
        score = layers.Dense(shape.items, use_bias=False, name="items_in")(owned)
        score = layers.Dense(labels, use_bias=False, name="items_out")(score)
        both = ops.stack([log_odds, ops.sqrt(ops.maximum(score, 0.0))], axis=-1)
        both = layers.Dense(1, name="first_purchase")(both)
        log_odds = ops.where(owned > 0, log_odds, ops.squeeze(both, axis=-1))
    return keras.Model(inputs, ops.sigmoid(log_odds))


def by_frequency(slope: float, bias: np.ndarray) -> Any:
    """Return the model without hidden layers: ``slope`` x personal frequency + ``bias`` (l,)."""
    model = build(Shape(len(bias)))
    kernel, constant = model.get_layer("own_history").get_weights()
    kernel[:], constant[:] = 0, bias
    kernel[:, 2] = slope
    model.get_layer("own_history").set_weights([kernel, constant])
    return model


def item_weights(model: Any, shape: Shape, valid: Encoded, bought: sparse.csr_matrix) -> tuple[float, float, float]:
    """Return what :func:`with_items` weighs a model's log-odds and the item-to-item score by, and the constant.

    Args:
        model: of ``shape``, trained on windows before the validation window.
        shape: sizes.
        valid: rows of the validation window.
        bought: (n, l) ones for what they bought in it; the score knows what was owned before it.
    """
    probability = np.clip(predict(model, valid), 1e-7, 1 - 1e-7)
    left, right = item_factors(valid.owned, shape.seed)
    log_odds, score = np.log(probability / (1 - probability)), np.sqrt(np.maximum(valid.owned @ left @ right, 0))
    return weights(log_odds, score, valid.owned, bought, shape.seed)


def with_items(model: Any, shape: Shape, told: tuple[float, float, float], owned: sparse.csr_matrix) -> Any:
    """Return a trained model with the item-to-item model beside it.

    Args:
        model: of ``shape``, trained.
        shape: sizes.
        told: result of :func:`item_weights`.
        owned: (n, l) ones, what the item-to-item model learns from.
    """
    left, right = item_factors(owned, shape.seed)
    learnt = {layer.name: layer.get_weights() for layer in model.layers if layer.weights}
    learnt |= {"items_in": [left], "items_out": [right]}
    learnt["first_purchase"] = [np.array(told[:2], dtype="float32")[:, None], np.array(told[2:], dtype="float32")]
    whole = build(replace(shape, items=left.shape[1]))
    for name, values in learnt.items():
        whole.get_layer(name).set_weights(values)
    return whole


@dataclass(frozen=True)
class Rows:
    """Examples as numbers, and what they bought (n, l)."""

    coded: Encoded
    bought: sparse.csr_matrix


class Watch:
    """Follows a training on the validation window, and keeps the weights of the epoch that ranks it best.

    Attributes:
        curves: a value per epoch.
        epochs: until the best one.
        kept: its weights, None before the first.
    """

    def __init__(
        self, valid: Rows, customers: np.ndarray, names: np.ndarray, truth: pd.DataFrame, k: int, patience: int
    ) -> None:
        """Follow by the first ``k`` of ``names`` (l,) of each customer (n,), beside ``truth``: customer_id, item."""
        self.valid, self.customers, self.names, self.truth = valid, customers, names, truth
        self.k, self.patience, self.epochs, self.kept = k, patience, 0, None
        self.curves: dict[str, list[float]] = {"loss": [], "validation_loss": [], "validation_ndcg": []}

    def __call__(self, model: Any, loss: float) -> bool:
        """Take note of an epoch; tell whether it was the last."""
        probability = predict(model, self.valid.coded)
        ranked = top_ranks(self.customers, self.names, probability, self.k)
        ndcg = float(ranking_metrics(ranked, self.truth, self.k)["ndcg"].mean())
        told = loss, -float(log_likelihoods(self.valid.bought.toarray(), probability).mean()), ndcg
        best = max(self.curves["validation_ndcg"], default=-1.0)
        for curve, value in zip(self.curves.values(), told, strict=True):
            curve.append(value)
        epoch = len(self.curves["loss"])
        log.info("characteristics epoch %d: loss %.5f, validation %.5f, ndcg@%d %.4f", epoch, *told[:2], self.k, ndcg)
        if ndcg > best:
            self.epochs, self.kept = epoch, model.get_weights()
        return epoch - self.epochs >= self.patience


def filled(values: np.ndarray) -> np.ndarray:
    """Put each column's mean where there is no value; 0 where there is none at all."""
    there = ~np.isnan(values)
    mean = np.where(there, values, 0).sum(axis=0) / np.maximum(there.sum(axis=0), 1)
    return np.where(there, values, mean).astype("float32")


def predict(model: Any, coded: Encoded) -> np.ndarray:
    """Return the probability of every characteristic (n, l)."""
    starts = range(0, coded.numbers.shape[0], _BATCH)
    parts = [np.asarray(model(coded.batch(slice(start, start + _BATCH)), training=False)) for start in starts]
    return np.concatenate(parts).astype("float64")
