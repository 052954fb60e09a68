"""Two towers for retrieval: a vector of the customer and a vector of the product, whose product is the score.

    bag of bought products, weighted by how often and how lately; the customer's numbers -> Dense -> Dense -> (b, d)
    product id, its groups, the words of its text                                       -> Dense          -> (i, d)

Trained by sampled softmax over the batch: the products of the other pairs are the negatives, and the logarithm of how
often a product is drawn is taken off its score, so that popular negatives are not punished for being drawn.

Reference: Yi et al. (2019), "Sampling-Bias-Corrected Neural Modeling for Large Corpus Item Recommendations", RecSys.
n = pairs of a step, d = size, i = items.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
from scipy import sparse

from bench.peer_networks.examples import ExampleWindows, Side, bags_of, habits, held_out, kept_users, ndcg, rewound
from bench.peers.history import History
from bench.peers.recommender import Recommender
from conf.settings.schema import NetworkTraining
from training.networks.backend import keras_for
from training.networks.loop import Batch, Checkpoint, choice_losses, keyed, shuffled, train

_NEVER = -1e9


@dataclass(frozen=True)
class TwoTowerConfig:
    """Everything that changes the fitted network.

    ``pairs`` of customer and product are drawn for an epoch. ``discoveries`` learns from products alone that the
    customer had not bought before the window, and holds them against such products alone.
    """

    size: int = 64
    hidden: int = 128
    bag: int = 100
    dropout: float = 0.2
    pairs: int = 60_000
    discoveries: bool = False
    windows: ExampleWindows = field(default_factory=ExampleWindows)
    training: NetworkTraining = field(default_factory=lambda: NetworkTraining(batch=1024, epochs=4))


@dataclass(frozen=True)
class _Examples:
    """Users at the beginning of windows (n): bags, numbers, what they had (n, i), and pairs (p,) of what they bought.

    ``drawn`` (i,) is the logarithm of the share of pairs that hold each product.
    """

    bag: np.ndarray
    described: np.ndarray
    numbers: np.ndarray
    seen: sparse.csr_matrix
    truth: sparse.csr_matrix
    row: np.ndarray
    item: np.ndarray
    drawn: np.ndarray


def two_tower(
    past: History, side: Side, config: TwoTowerConfig, checkpoint: Checkpoint | None = None, name: str = "two towers"
) -> tuple[Recommender, dict[str, list[float]]]:
    """Fit on the windows before the end of ``past``; O(epochs x pairs x (bag x size + batch x size)).

    Returns:
        The recommender of the night on which the history ends, and the curves of the training.
    """
    examples = _examples(past, side, config)
    numbers = examples.numbers
    model = build(config, side, past.shape[1], (numbers.mean(axis=0), numbers.std(axis=0) + 1e-6))
    model(next(_batches(examples, side, config, 0)))
    checkpoint = keyed(checkpoint, config, past, side)
    held = held_out(past, config.windows)
    score = None if held is None else partial(_reached, model, *held, side, config)
    loss, training = partial(_loss, config.training), config.training
    curves = train(model, lambda epoch: _batches(examples, side, config, epoch), loss, training, score, checkpoint)
    return _recommender(model, past, side, config, name), curves


def build(config: TwoTowerConfig, side: Side, items: int, scale: tuple[np.ndarray, np.ndarray]) -> Any:
    """Return the untrained network; ``scale`` is mean and deviation of the customers' numbers (d,)."""
    keras = keras_for(config.training.seed)
    ops, layers = keras.ops, keras.layers
    sizes = side.groups.max(axis=0, initial=0) + 1

    class TwoTower(keras.Model):  # type: ignore[name-defined]
        """See the module."""

        def __init__(self) -> None:
            super().__init__(name="two_tower")
            small = {"embeddings_initializer": keras.initializers.RandomNormal(stddev=0.05)}
            self.bought = layers.Embedding(items + 1, config.size, **small)
            self.weight = layers.Dense(1, use_bias=False, kernel_initializer="ones")
            self.dropout = layers.Dropout(config.dropout)
            self.hidden = layers.Dense(config.hidden, activation=config.training.activation)
            self.customer = layers.Dense(config.size)
            self.item = layers.Embedding(items, config.size, **small)
            self.bias = layers.Embedding(items, 1, embeddings_initializer="zeros")
            self.groups = [layers.Embedding(int(size), config.size, **small) for size in sizes]
            self.words = layers.Embedding(int(side.words.max(initial=0)) + 1, config.size, **small)

        def left(self, batch: Batch, training: bool = False) -> Any:
            """Return (b, d) of the customers."""
            there = ops.cast(batch["bag"] > 0, "float32")[..., None]
            weight = ops.exp(ops.clip(self.weight(batch["described"]) - 1.0, -5, 5)) * there
            bag = ops.sum(self.bought(batch["bag"]) * weight, 1) / ops.sqrt(ops.sum(weight, 1) + 1.0)
            numbers = ops.clip((batch["numbers"] - scale[0]) / scale[1], -5, 5)
            both = self.dropout(ops.concatenate([bag, numbers], -1), training=training)
            return self.customer(self.dropout(self.hidden(both), training=training))

        def right(self, batch: Batch) -> Any:
            """Return (n, d) of the products, and their biases (n,)."""
            vector = self.item(batch["items"])
            for number, embedding in enumerate(self.groups):
                vector = vector + embedding(batch["groups"][:, number])
            there = ops.cast(batch["words"] > 0, "float32")[..., None]
            vector = vector + ops.sum(self.words(batch["words"]) * there, 1) / ops.maximum(ops.sum(there, 1), 1)
            return vector, self.bias(batch["items"])[:, 0]

        def call(self, batch: Batch, training: bool = False) -> Any:
            """Return the scores (n, n) of every customer of the step with every product of it."""
            vectors, bias = self.right(batch)
            return ops.matmul(self.left(batch, training), ops.transpose(vectors)) + bias[None, :]

    return TwoTower()


def _loss(training: NetworkTraining, model: Any, batch: dict[str, Any]) -> Any:
    import keras

    scores = model(batch, training=True) - batch["drawn"][None, :] + batch["barred"]
    return keras.ops.mean(choice_losses(training, batch["own"], scores))


def _examples(past: History, side: Side, config: TwoTowerConfig) -> _Examples:
    bags, seens, truths = [], [], []
    for days in config.windows.days():
        before, truth = rewound(past, days, config.windows.horizon)
        users = kept_users(before)
        bags.append([values[users] for values in (*bags_of(before, config.bag), habits(before, side))])
        seens.append((before.counts() > 0).astype("float32").tocsr()[users])
        truths.append(truth[users])
    seen, truth = sparse.vstack(seens).tocsr(), sparse.vstack(truths).tocsr()
    wanted = (truth - truth.multiply(seen) if config.discoveries else truth).tocoo()
    row, item = wanted.row[wanted.data > 0], wanted.col[wanted.data > 0]
    drawn = np.log(np.bincount(item, minlength=past.shape[1]) / max(len(item), 1) + 1e-9).astype("float32")
    bag, described, numbers = (np.concatenate(values) for values in zip(*bags, strict=True))
    return _Examples(bag, described, numbers, seen, truth, row, item, drawn)


def _batches(examples: _Examples, side: Side, config: TwoTowerConfig, epoch: int) -> Iterator[Batch]:
    """Yield pairs of a customer and a product; what a customer buys is never drawn as their negative."""
    training = config.training
    for part in shuffled(len(examples.row), training.batch, training.seed, epoch, config.pairs):
        rows, items = examples.row[part], examples.item[part]
        barred = examples.truth[rows][:, items].toarray()
        if config.discoveries:
            barred += examples.seen[rows][:, items].toarray()
        barred = np.where(barred > 0, _NEVER, 0).astype("float32")
        np.fill_diagonal(barred, 0)
        yield {
            "bag": examples.bag[rows],
            "described": examples.described[rows],
            "numbers": examples.numbers[rows],
            "drawn": examples.drawn[items],
            "barred": barred,
            "own": np.eye(len(rows), dtype="float32"),
            "items": items.astype("int32"),
            "words": side.words[items],
            "groups": side.groups[items],
        }


def _reached(model: Any, before: History, truth: sparse.csr_matrix, side: Side, config: TwoTowerConfig) -> float:
    """Return the NDCG on the held-out window."""
    users = kept_users(before)
    scores = _recommender(model, before, side, config, "").scores(users)
    return ndcg(scores, truth[users], before.counts()[users] if config.discoveries else None)


def _recommender(model: Any, past: History, side: Side, config: TwoTowerConfig, name: str) -> Recommender:
    """Return both towers' vectors; the bias is one more component."""
    bag, described = bags_of(past, config.bag)
    numbers = habits(past, side)
    parts = []
    for start in range(0, past.shape[0], 8192):
        part = slice(start, start + 8192)
        parts.append(np.asarray(model.left({"bag": bag[part], "described": described[part], "numbers": numbers[part]})))
    vectors, bias = model.right(
        {"items": np.arange(past.shape[1], dtype="int32"), "words": side.words, "groups": side.groups}
    )
    left = np.hstack([np.concatenate(parts), np.ones((past.shape[0], 1), "float32")])
    return Recommender(name, left, np.vstack([np.asarray(vectors).T, np.asarray(bias)[None]]))
