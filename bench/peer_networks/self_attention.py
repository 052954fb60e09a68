"""Self-attention over a customer's baskets: what comes in the next one.

A basket is the mean of its products' embeddings plus embeddings of its age class and of its place. Causal blocks of
attention run over the last t baskets; from each place the products of the next basket are predicted by a softmax over
all products with the same embeddings (tied). Reference: Kang and McAuley (2018), "Self-Attentive Sequential
Recommendation", ICDM; with baskets in place of single items, and the full softmax in place of one negative.
b = customers of a step, t = baskets of a sequence, d = size, i = items.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
from scipy import sparse

from bench.peer_networks.examples import baskets_of, kept_users
from bench.peers.history import History
from bench.peers.recommender import Recommender
from conf.settings.schema import NetworkTraining
from training.networks.backend import keras_for
from training.networks.loop import Batch, Checkpoint, choice_losses, keyed, shuffled, train
from training.next_action.inputs import AGES


@dataclass(frozen=True)
class SelfAttentionConfig:
    """Everything that changes the fitted network; ``places`` baskets of a customer are learnt from in a step."""

    size: int = 64
    blocks: int = 2
    heads: int = 2
    baskets: int = 48
    width: int = 24
    places: int = 8
    dropout: float = 0.2
    training: NetworkTraining = field(default_factory=lambda: NetworkTraining(batch=128, epochs=12))

    def __post_init__(self) -> None:
        """Refuse heads that do not share the size out.

        Raises:
            ValueError: the numbers.
        """
        if self.size % self.heads:
            raise ValueError(f"size must be a multiple of heads; got {self.size} and {self.heads}")


def self_attention(
    past: History, config: SelfAttentionConfig, checkpoint: Checkpoint | None = None, name: str = "self-attention"
) -> tuple[Recommender, dict[str, list[float]]]:
    """Fit on the sequences of baskets; O(epochs x customers x (t^2 d + places x i x d)).

    Returns:
        The recommender of the basket after the last, and the curves of the training.
    """
    users = kept_users(past)
    baskets, ages = baskets_of(past, config.baskets + 1, config.width)
    several = users[(ages[users] > 0).sum(axis=1) > 1]
    model = build(config, past.shape[1])
    model({"baskets": baskets[users[:1], 1:], "ages": ages[users[:1], 1:]})
    checkpoint = keyed(checkpoint, config, past)
    curves = train(
        model,
        lambda epoch: _batches(baskets[several], ages[several], past.shape[1], config, epoch),
        partial(_loss, config.training),
        config.training,
        None,
        checkpoint,
    )
    left = np.zeros((past.shape[0], config.size + 1), dtype="float32")
    for start in range(0, len(users), 1024):
        part = users[start : start + 1024]
        outputs = model({"baskets": baskets[part, 1:], "ages": ages[part, 1:]})
        left[part, :-1] = np.asarray(outputs)[:, -1]
        left[part, -1] = 1
    right = np.vstack([model.items.embeddings.numpy()[1:].T, model.bias.numpy()[None]])
    return Recommender(name, left, right), curves


def build(config: SelfAttentionConfig, items: int) -> Any:
    """Return the untrained network: baskets (b, t, w) and ages (b, t) in, vectors (b, t, d) out."""
    keras = keras_for(config.training.seed)
    ops, layers = keras.ops, keras.layers

    class SelfAttention(keras.Model):  # type: ignore[name-defined]
        """See the module."""

        def __init__(self) -> None:
            super().__init__(name="self_attention")
            small = {"embeddings_initializer": keras.initializers.RandomNormal(stddev=0.05)}
            self.items = layers.Embedding(items + 1, config.size, **small)
            self.ages = layers.Embedding(AGES + 1, config.size, **small)
            self.places = layers.Embedding(config.baskets, config.size, **small)
            self.bias = self.add_weight(shape=(items,), initializer="zeros", name="bias")
            self.dropout = layers.Dropout(config.dropout)
            self.blocks = [
                (
                    layers.LayerNormalization(),
                    layers.MultiHeadAttention(config.heads, config.size // config.heads, dropout=config.dropout),
                    layers.LayerNormalization(),
                    layers.Dense(config.size, activation=config.training.activation),
                    layers.Dense(config.size),
                )
                for _ in range(config.blocks)
            ]
            self.last = layers.LayerNormalization()
            self.flat = [layer for block in self.blocks for layer in block]  # Keras looks into plain lists alone

        def call(self, batch: Batch, training: bool = False) -> Any:
            """Return (b, t, d)."""
            there = ops.cast(batch["baskets"] > 0, "float32")[..., None]
            mean = ops.sum(self.items(batch["baskets"]) * there, 2) / ops.maximum(ops.sum(there, 2), 1)
            steps = mean + self.ages(batch["ages"]) + self.places(ops.arange(config.baskets))[None]
            present = batch["ages"] > 0
            # a place without a basket may look at itself, so that no row of the attention is empty
            mask = present[:, None, :] | ops.eye(config.baskets, dtype="bool")[None]
            steps = self.dropout(steps, training=training)
            for before, attention, after, wide, narrow in self.blocks:
                layer = before(steps)
                seen = attention(layer, layer, attention_mask=mask, use_causal_mask=True, training=training)
                steps = steps + self.dropout(seen, training=training)
                steps = steps + self.dropout(narrow(wide(after(steps))), training=training)
            return self.last(steps)

    return SelfAttention()


def _loss(training: NetworkTraining, model: Any, batch: dict[str, Any]) -> Any:
    import keras

    ops = keras.ops
    outputs = model(batch, training=True)
    chosen = ops.take_along_axis(outputs, batch["places"][..., None], axis=1)
    scores = ops.matmul(chosen, ops.transpose(model.items.embeddings[1:])) + model.bias
    losses = choice_losses(training, batch["next"], scores)
    return ops.sum(losses) / ops.maximum(ops.sum(batch["next"]), 1)


def _batches(
    baskets: np.ndarray, ages: np.ndarray, items: int, config: SelfAttentionConfig, epoch: int
) -> Iterator[Batch]:
    """Yield sequences without their last basket, some of their places, and shares of the products that came next."""
    generator = np.random.default_rng([config.training.seed, epoch, 1])
    for part in shuffled(len(baskets), config.training.batch, config.training.seed, epoch):
        rows, present = baskets[part], ages[part] > 0
        draw = generator.random((len(part), config.baskets)) + present[:, :-1]  # known places first
        places = np.argsort(-draw, axis=1, kind="stable")[:, : config.places].astype("int32")
        after = np.take_along_axis(rows, (places + 1)[..., None], axis=1)
        after = after * np.take_along_axis(present[:, :-1], places, axis=1)[..., None]
        flat = after.reshape(-1, config.width)
        row, _ = np.nonzero(flat)
        size = (flat > 0).sum(axis=1)
        cells = ((1 / size[row]).astype("float32"), (row, flat[flat > 0] - 1))
        following = sparse.csr_matrix(cells, shape=(len(flat), items)).toarray()
        yield {
            "baskets": rows[:, :-1],
            "ages": ages[part, :-1],
            "places": places,
            "next": following.reshape(*places.shape, items),
        }
