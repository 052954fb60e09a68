"""The hybrid network: two embeddings, characteristics, text and a sequence, put together and judged by dense layers.

    customer id            -> Embedding                            |
    customer's numbers     -> Normalisation, Dense                 |
    baskets, the last t    -> mean of product embeddings, GRU      |  Concatenate -> Dense -> Dense -> P(buys)
    product id             -> Embedding                            |
    product's text         -> word2vec, 1-D convolution, maximum   |
    product's trend        -> its numbers                          |
    the pair               -> its own history, its linear score    |

The last two lines are not in the source's drawing. Each branch can be switched off. The first dense layer after the
concatenation is linear in each part, so it is computed once per customer and once per product and added for the pair:
the same result, and all pairs can be scored. b = customers of a step, s = products of a step, h = hidden units,
i = products.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from bench.peer_networks.examples import ExampleRows, ExampleWindows, Shape, Side, learnt, ndcg, rows_of
from bench.peer_networks.word2vec import Word2VecConfig, word_vectors
from bench.peers.history import History
from bench.peers.recommender import Recommender
from conf.settings.schema import NetworkTraining
from training.networks.backend import keras_for
from training.networks.loop import Batch, Checkpoint, keyed, losses_of, shuffled, train
from training.networks.numpy_layers import ACTIVATIONS
from training.next_action.inputs import AGES

DRAWN = ("user", "people", "sequence", "product", "text")
BRANCHES = (*DRAWN, "trend", "own", "linear")
#: pairs (b x i x h) that are scored at once
_CELLS = 20_000_000


@dataclass(frozen=True)
class HybridConfig:
    """Everything that changes the fitted network.

    ``popular`` products are in every step; of the others ``sampled`` are drawn and weighted for all of them.
    ``discoveries`` learns from products alone that the customer had not bought before the window.
    """

    branches: tuple[str, ...] = BRANCHES
    size: int = 32
    hidden: int = 64
    baskets: int = 16
    width: int = 24
    dropout: float = 0.2
    popular: int = 256
    sampled: int = 256
    discoveries: bool = False
    windows: ExampleWindows = field(default_factory=ExampleWindows)
    training: NetworkTraining = field(default_factory=lambda: NetworkTraining(batch=256, epochs=4))

    def __post_init__(self) -> None:
        """Refuse branches that do not exist, and a network without a customer or without a product.

        Raises:
            ValueError: which.
        """
        of_product = set(self.branches) - {"user", "people", "sequence"}
        if not set(self.branches) <= set(BRANCHES) or not of_product:
            raise ValueError(f"branches are some of {BRANCHES}, one of a product among them; got {self.branches}")

    @property
    def shape(self) -> Shape:
        """How its examples are cut."""
        return Shape(self.baskets, self.width, "linear" in self.branches)


def hybrid(
    past: History, side: Side, config: HybridConfig, checkpoint: Checkpoint | None = None, name: str = "hybrid network"
) -> tuple[Recommender, dict[str, list[float]]]:
    """Fit the network on the windows before the end of ``past``.

    O(epochs x windows x customers x (popular + sampled) x hidden).

    Returns:
        The recommender of the night on which the history ends, and the curves of the training.
    """
    rows, held = learnt(past, side, config.windows, config.shape)
    scales = Scales.of(rows)
    words = word_vectors(side.words, int(side.words.max(initial=0)), Word2VecConfig(config.size))
    model = build(config, past.shape, scales, words)
    popularity = np.asarray(rows.truth.sum(axis=0)).ravel()
    model(next(_batches(rows, side, popularity, config, 0)))
    checkpoint = keyed(checkpoint, config, past, side)

    def score() -> float:
        if held is None:
            raise ValueError("there is no held-out window")
        recommender = _recommender(model, held, side, past.shape, scales, config, name)
        return ndcg(recommender.scores(held.user), held.truth, held.own[2] if config.discoveries else None)

    curves = train(
        model,
        lambda epoch: _batches(rows, side, popularity, config, epoch),
        lambda network, batch: _loss(network, batch, config.training),
        config.training,
        score if held is not None else None,
        checkpoint,
    )
    return _recommender(model, rows_of(past, side, config.shape), side, past.shape, scales, config, name), curves


@dataclass(frozen=True)
class Scales:
    """Mean and deviation of the numbers of customers and of products, and the deviation of the linear score."""

    numbers: tuple[np.ndarray, np.ndarray]
    trend: tuple[np.ndarray, np.ndarray]
    linear: float

    @staticmethod
    def of(rows: ExampleRows) -> Scales:
        """Take them from the training examples."""
        trend = rows.trend.reshape(-1, rows.trend.shape[-1])
        linear = float(rows.linear.astype("float32").std()) if rows.linear.size else 1.0
        return Scales(
            (rows.numbers.mean(axis=0), rows.numbers.std(axis=0) + 1e-6),
            (trend.mean(axis=0), trend.std(axis=0) + 1e-6),
            linear + 1e-9,
        )


def build(config: HybridConfig, shape: tuple[int, int], scales: Scales, words: np.ndarray) -> Any:
    """Return the untrained network.

    Args:
        config: sizes and branches.
        shape: users and items.
        scales: of the numbers.
        words: vectors of words, row 0 for none.
    """
    keras = keras_for(config.training.seed)
    ops, layers, on = keras.ops, keras.layers, set(config.branches)

    class Hybrid(keras.Model):  # type: ignore[name-defined]
        """See the module; ``left`` and ``right`` are the two sides of the first dense layer."""

        def __init__(self) -> None:
            super().__init__(name="hybrid")
            small = {"embeddings_initializer": keras.initializers.RandomNormal(stddev=0.05)}
            self.items = layers.Embedding(shape[1] + 1, config.size, **small)
            self.users = layers.Embedding(shape[0], config.size // 2, **small)
            self.ages = layers.Embedding(AGES + 1, config.size, **small)
            self.people = layers.Dense(config.size, activation=config.training.activation)
            self.sequence = layers.GRU(config.size)
            self.words = layers.Embedding(
                len(words), config.size, embeddings_initializer=keras.initializers.Constant(words)
            )
            self.text = layers.Conv1D(config.size, 2, padding="same", activation=config.training.activation)
            self.dropout = layers.Dropout(config.dropout)
            self.of_user = layers.Dense(config.hidden)
            self.of_item = layers.Dense(config.hidden, use_bias=False)
            self.of_pair = layers.Dense(config.hidden, use_bias=False)
            self.of_linear = layers.Dense(config.hidden, use_bias=False)
            self.activation = layers.Activation(config.training.activation)
            self.out = layers.Dense(1, bias_initializer=keras.initializers.Constant(-4.0))

        def left(self, batch: Batch, training: bool = False) -> Any:
            """Return (b, h) of the customers."""
            parts = [ops.zeros((ops.shape(batch["user"])[0], 1))]
            if "user" in on:
                parts.append(self.users(batch["user"]))
            if "people" in on:
                parts.append(self.people(ops.clip((batch["numbers"] - scales.numbers[0]) / scales.numbers[1], -5, 5)))
            if "sequence" in on:
                there = ops.cast(batch["baskets"] > 0, "float32")[..., None]
                mean = ops.sum(self.items(batch["baskets"]) * there, 2) / ops.maximum(ops.sum(there, 2), 1)
                parts.append(self.sequence(mean + self.ages(batch["ages"])))
            return self.of_user(self.dropout(ops.concatenate(parts, -1), training=training))

        def right(self, batch: Batch, training: bool = False) -> Any:
            """Return (s, h) of the products."""
            parts = [ops.zeros((ops.shape(batch["items"])[0], 1))]
            if "product" in on:
                parts.append(self.items(batch["items"] + 1))
            if "text" in on:
                there = ops.cast(batch["words"] > 0, "float32")[..., None]
                parts.append(ops.max(self.text(self.words(batch["words"]) * there) * there, 1))
            if "trend" in on:
                parts.append(ops.clip((batch["trend"] - scales.trend[0]) / scales.trend[1], -5, 5))
            return self.of_item(self.dropout(ops.concatenate(parts, -1), training=training))

        def call(self, batch: Batch, training: bool = False) -> Any:
            """Return the log-odds (b, s)."""
            both = self.left(batch, training)[:, None, :] + self.right(batch, training)[None, :, :]
            if "own" in on:
                both = both + self.of_pair(batch["own"])
            if "linear" in on:
                both = both + self.of_linear(batch["linear"][..., None] / scales.linear)
            return self.out(self.activation(both))[..., 0]

    return Hybrid()


def _loss(model: Any, batch: dict[str, Any], training: NetworkTraining) -> Any:
    import keras

    losses = losses_of(training, batch["truth"], model(batch, training=True))
    return keras.ops.sum(losses * batch["weight"]) / keras.ops.sum(batch["weight"]) * 100


def _batches(
    rows: ExampleRows, side: Side, popularity: np.ndarray, config: HybridConfig, epoch: int
) -> Iterator[Batch]:
    """Yield the steps of an epoch: some examples, the popular products and a sample of the rest."""
    order = np.argsort(-popularity, kind="stable")
    popular, rest = order[: config.popular], order[config.popular :]
    generator = np.random.default_rng([config.training.seed, epoch, 1])
    few = min(config.sampled, len(rest))
    weight = np.concatenate([np.ones(len(popular)), np.full(few, len(rest) / max(few, 1))]).astype("float32")
    for part in _of_one_window(rows, config, epoch):
        items = np.concatenate([popular, generator.choice(rest, few, replace=False)]).astype("int32")
        own = np.stack([matrix[part][:, items].toarray() for matrix in rows.own], axis=-1)
        weights = np.broadcast_to(weight, own.shape[:2])
        yield {
            "user": rows.user[part].astype("int32"),
            "numbers": rows.numbers[part],
            "baskets": rows.baskets[part],
            "ages": rows.ages[part],
            "items": items,
            "words": side.words[items],
            "trend": rows.trend[rows.window[part[0]]][items],
            "linear": rows.linear[part][:, items].astype("float32") if rows.linear.size else weights,
            "own": own,
            "truth": rows.truth[part][:, items].toarray(),
            "weight": weights * (own[..., 2] == 0) if config.discoveries else weights.copy(),
        }


def _of_one_window(rows: ExampleRows, config: HybridConfig, epoch: int) -> Iterator[np.ndarray]:
    """Yield examples of a step; all are of one window, so that they share the products' trends."""
    training, parts = config.training, []
    for window in range(len(rows.trend)):
        start, end = np.searchsorted(rows.window, [window, window + 1])
        parts += [start + part for part in shuffled(end - start, training.batch, training.seed + window, epoch)]
    for place in np.random.default_rng([training.seed, epoch, 2]).permutation(len(parts)):
        yield parts[place]


def _recommender(
    model: Any, rows: ExampleRows, side: Side, shape: tuple[int, int], scales: Scales, config: HybridConfig, name: str
) -> Recommender:
    """Return what the network says, with both sides computed and the rest done in NumPy."""
    left = np.full((shape[0], config.hidden), -1e3, dtype="float32")
    for start in range(0, len(rows), 4096):
        part = slice(start, start + 4096)
        batch = {"user": rows.user[part].astype("int32"), "numbers": rows.numbers[part],
                 "baskets": rows.baskets[part], "ages": rows.ages[part]}  # fmt: skip
        left[rows.user[part]] = np.asarray(model.left(batch))
    items = {"items": np.arange(shape[1], dtype="int32"), "words": side.words, "trend": rows.trend[-1]}
    right = np.asarray(model.right(items)).T
    row_of = np.full(shape[0], -1)
    row_of[rows.user] = np.arange(len(rows))
    layers = {"own": "of_pair", "linear": "of_linear"}
    kernels = {name: getattr(model, layer).kernel.numpy() for name, layer in layers.items() if name in config.branches}
    if "linear" in kernels:
        kernels["linear"] = kernels["linear"] / scales.linear
    out = model.out.kernel.numpy()[:, 0]
    pairs = _PairInputs(rows, row_of, kernels, out, ACTIVATIONS[config.training.activation])
    return _PairNetwork(name, left, np.ascontiguousarray(right), pairs=pairs)


@dataclass(frozen=True)
class _PairInputs:
    """What of a pair enters the first dense layer besides its two sides: kernels by branch; and the rest of the net."""

    rows: ExampleRows
    row_of: np.ndarray
    kernels: dict[str, np.ndarray]
    out: np.ndarray
    activation: Any

    def add(self, both: np.ndarray, users: np.ndarray) -> None:
        """Add the pairs' own numbers to (b, i, h); a user without a purchase has none."""
        there = np.flatnonzero(self.row_of[users] >= 0)
        place = self.row_of[users][there]
        if "linear" in self.kernels:
            both[there] += self.rows.linear[place].astype("float32")[..., None] * self.kernels["linear"][0]
        for matrix, kernel in zip(self.rows.own, self.kernels.get("own", ()), strict=False):
            cells = matrix[place].tocoo()
            both[there[cells.row], cells.col] += cells.data[:, None] * kernel


@dataclass(frozen=True)
class _PairNetwork(Recommender):
    """Scores = activation(left + right + what the pair says) . out, a block of users at a time."""

    pairs: _PairInputs | None = None

    def scores(self, rows: slice | np.ndarray) -> np.ndarray:
        """Return the scores (b, i), float32, of some users."""
        if self.pairs is None:
            raise ValueError("the network has no pairs")
        users = np.arange(self.shape[0])[rows]
        items, hidden = self.right.T, self.right.shape[0]
        block = np.empty((len(users), len(items)), dtype="float32")
        step = max(1, _CELLS // (len(items) * hidden))
        for start in range(0, len(users), step):
            part = users[start : start + step]
            both = self.left[part][:, None, :] + items[None]
            self.pairs.add(both, part)
            block[start : start + step] = self.pairs.activation(both) @ self.pairs.out
        return block
