"""The next action of a customer: which department leads his next visit, or that there is none, and when.

An action is a value of ``ACTIONS.actions``, or no purchase within the horizon. Baselines are a Markov chain (the
chances of the next action given the last one and how long ago it was), the customer's own shares of actions, and the
shares of everybody. The network begins as what the chain says beyond the shares of everybody, times the customer's own
shares, and adds what a gated recurrent unit makes of his visits:

    log-odds = chain[last action, age] + weight x log(own share) + GRU(actions, gaps) . kernel

Days to the next visit are told by a second output, in classes, given the action. It predicts in NumPy.
n = customers, t = visits, a = actions without "no purchase".
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from conf.settings.schema import NetworkTraining
from training.characteristics.numpy_network import named_weights
from training.evaluation.fitted import Candidate, Judged
from training.evaluation.metrics import calibration_error
from training.models.artifacts import WEIGHTS, Meta, from_bytes, to_bytes
from training.networks.backend import keras_for
from training.networks.loop import Batch, Checkpoint, choice_losses, keyed, shuffled, train
from training.networks.numpy_layers import gru, softmax
from training.next_action.visits import AGES, INPUTS, MIDDLE, NOTHING, day_class, dictionary, labels, visits_of

NAME, ARCHITECTURE = "next_action", "next_action"
#: windows of a customer overlap, so rows count for less than they are: rows that the chain of an action is blended with
#: what is known without it by, and that again with what is known of all
_CHAIN, _OF_AGE = 60.0, 30.0
_BATCH = 8192


@dataclass(frozen=True)
class NextActionConfig:
    """Everything that changes the fitted network; an action rarer than ``least`` of the visits is "other"."""

    visits: int = 32
    size: int = 16
    units: int = 32
    dropout: float = 0.2
    least: float = 0.005
    training: NetworkTraining = field(
        default_factory=lambda: NetworkTraining(batch=512, epochs=6, patience=1, learning_rate=4e-3)
    )


def baselines(rows: pd.DataFrame, config: NextActionConfig) -> list[Candidate]:
    """Fit the Markov chain, own shares (shrunk to those of everybody) and the shares of everybody; O(rows).

    Args:
        rows: from :func:`windows`, of all training windows.
        config: what an action is.
    """
    known = dictionary(rows, config.least)
    label, base = labels(rows, known), _base(rows, known)
    coded = visits_of(rows, known, base, config.visits)
    model = build(NextActionConfig(config.visits, config.size, 0), len(known))
    recency, width = coded.gap[:, -1], len(known) + 1
    of_age = np.zeros((AGES + 1, width)) + base * _OF_AGE
    np.add.at(of_age, (recency, label), 1.0)
    of_age /= of_age.sum(axis=1, keepdims=True)
    cells = np.zeros(((width) * (AGES + 1), width))
    np.add.at(cells, (coded.state, label), 1.0)
    cells += _CHAIN * of_age[np.arange(len(cells)) % (AGES + 1)]
    chain = np.log(cells / cells.sum(axis=1, keepdims=True))
    forecasts = {
        "Markov chain": (chain, np.zeros(width)),
        "own shares": (np.zeros_like(chain), np.ones(width)),
        "shares of all": (np.zeros_like(chain) + np.log(base), np.zeros(width)),
    }
    days = np.zeros((len(known), len(MIDDLE))) + 0.1
    bought = label < len(known)
    total = np.bincount(day_class(rows["days"].to_numpy()[bought]), minlength=len(MIDDLE)) + 1.0
    np.add.at(days, (label[bought], day_class(rows["days"].to_numpy()[bought])), 1.0)
    days += 50 * total / total.sum()
    late = np.log(days / days.sum(axis=1, keepdims=True))
    model.get_layer("days_of_action").set_weights([late.reshape(1, -1).astype("float32")])
    found = []
    for family, (of_state, of_share) in forecasts.items():
        model.get_layer("chain").set_weights([of_state.astype("float32")])
        model.get_layer("own").set_weights([of_share.astype("float32")])
        found.append(Candidate(from_bytes(_files(model, family, known, base, config))))
    return found


def fit(
    rows: pd.DataFrame,
    validation: pd.DataFrame,
    start: Candidate,
    config: NextActionConfig,
    checkpoint: Checkpoint | None = None,
) -> Candidate:
    """Train the network from the chain on; the validation window says when to stop.

    Args:
        rows: from :func:`windows`, of all training windows.
        validation: the same of the validation window.
        start: the Markov chain of :func:`baselines`.
        config: sizes and seed.
        checkpoint: where a killed training goes on from.
    """
    begun = start.model
    known, base = list(begun.meta.outputs[:-1]), np.asarray(begun.meta.extra["base"])
    coded, held = (visits_of(frame, known, base, config.visits) for frame in (rows, validation))
    label, expected = labels(rows, known), labels(validation, known)
    days = day_class(rows["days"].to_numpy())
    model = build(config, len(known))
    chain, late = (begun.layers[name][0] for name in ("chain", "days_of_action"))  # type: ignore[attr-defined]
    model.get_layer("chain").set_weights([chain - np.log(base).astype("float32")])
    model.get_layer("own").set_weights([np.ones(len(base), dtype="float32")])
    model.get_layer("days_of_action").set_weights([late])
    checkpoint = keyed(checkpoint, config, known, base, chain, late, coded, label, days, held, expected)

    def batches(epoch: int) -> Iterator[Batch]:
        for part in shuffled(len(label), config.training.batch, config.training.seed, epoch):
            yield {**coded.batch(part), "label": label[part].astype("int32"), "days": days[part].astype("int32")}

    def loss(network: Any, batch: dict[str, Any]) -> Any:
        import keras

        ops = keras.ops
        given = {name: batch[name] for name in ("action", "gap", "state", "share")}
        found = network(given, training=True)
        odds, when = found[:, : len(known) + 1], ops.reshape(found[:, len(known) + 1 :], (-1, len(known), len(MIDDLE)))
        which = ops.one_hot(batch["label"], len(known) + 1)
        comes = which[:, :-1, None]
        days_of = ops.sum(comes, axis=1) * ops.one_hot(batch["days"], len(MIDDLE))
        late = choice_losses(config.training, days_of, ops.sum(comes * when, axis=1))
        return ops.mean(choice_losses(config.training, which, odds) + 0.3 * late)

    def score() -> float:
        found = [np.asarray(model(held.batch(slice(s, s + _BATCH)))) for s in range(0, len(expected), _BATCH)]
        odds = np.concatenate(found)[:, : len(known) + 1]
        return float(np.log(softmax(odds.astype("float64")))[np.arange(len(expected)), expected].mean())

    curves = train(model, batches, loss, config.training, score, checkpoint)
    told = {"visits": config.visits, "size": config.size, "units": config.units, **config.training.model_dump()}
    return Candidate(from_bytes(_files(model, "recurrent network", known, base, config)), told, curves)


def judge(rows: pd.DataFrame, outputs: Sequence[str], probability: np.ndarray) -> Judged:
    """Judge chances (n, a + 1) of the next action by the logarithm of what the right one got.

    Args:
        rows: from :func:`windows`.
        outputs: actions in the order of the columns, "no purchase" the last.
        probability: of each.
    """
    right = labels(rows, outputs[:-1])
    truth = np.arange(len(outputs)) == right[:, None]
    each = np.log(np.maximum(probability[truth], 1e-12))
    figures = {
        "accuracy": float((probability.argmax(axis=1) == right).mean()),
        "perplexity": float(np.exp(-each.mean())),
        "ece": calibration_error(truth.ravel(), probability.ravel()),
        "base_rate": float(np.bincount(right).max() / len(right)),
    }
    return Judged(pd.Series(each, index=rows["customer_id"]).sort_index(), figures, probability, truth)


def build(config: NextActionConfig, actions: int) -> Any:
    """Return the untrained network: :class:`Visits` in; log-odds of actions and of day classes (n, a + 1 + a c) out."""
    keras = keras_for(config.training.seed)
    layers, ops, classes = keras.layers, keras.ops, len(MIDDLE)
    action, gap = (keras.Input((config.visits,), dtype="int32", name=name) for name in ("action", "gap"))
    state = keras.Input((1,), dtype="int32", name="state")
    share = keras.Input((actions + 1,), name="share")
    zeros = {"kernel_initializer": "zeros"}
    odds = layers.Embedding((actions + 1) * (AGES + 1), actions + 1, name="chain")(state)[:, 0]
    odds = odds + layers.EinsumDense("ab,b->ab", (actions + 1,), name="own", **zeros)(share)
    one = ops.ones_like(share[:, :1])
    days = layers.Dense(actions * classes, use_bias=False, name="days_of_action")(one)
    days = layers.Reshape((actions, classes))(days)
    if config.units:
        small = {"embeddings_initializer": keras.initializers.RandomNormal(stddev=0.1)}
        steps = layers.Embedding(actions + 1, config.size, name="actions", **small)(action)
        steps = steps + layers.Embedding(AGES + 1, config.size, name="gaps", **small)(gap)
        told = layers.GRU(config.units, name="visits")(steps)
        told = layers.Dropout(config.dropout)(told)
        odds = odds + layers.Dense(actions + 1, name="of_visits", **zeros)(told)
        days = days + layers.Dense(classes, name="days_of_visits", **zeros)(told)[:, None, :]
    both = layers.Concatenate()([odds, layers.Reshape((actions * classes,))(days)])
    return keras.Model({"action": action, "gap": gap, "state": state, "share": share}, both, name=NAME)


def read(meta: Meta, files: dict[str, bytes]) -> NextAction:
    """Return the network whose files these are."""
    return NextAction(meta, files, files[WEIGHTS["keras"]])


class NextAction:
    """A trained chain or network whose weights lie in a ``.keras`` file; ``meta.outputs`` ends with "no purchase"."""

    def __init__(self, meta: Meta, files: dict[str, bytes], content: bytes) -> None:
        """Read the weights."""
        self.meta, self.files, self.layers = meta, files, named_weights(content)

    def predict(self, frame: pd.DataFrame) -> np.ndarray:
        """Return the probability of every action to be the next, float64 (n, a + 1)."""
        return self.forecast(frame)[0]

    def forecast(self, frame: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
        """Return the probabilities (n, a + 1), and the expected days (n, a) to a visit with each action."""
        extra, known = self.meta.extra, self.meta.outputs[:-1]
        odds, days = [np.zeros((0, len(known) + 1))], [np.zeros((0, len(known)))]
        for start in range(0, len(frame), _BATCH):
            rows = frame.iloc[start : start + _BATCH]
            coded = visits_of(rows, known, np.asarray(extra["base"]), extra["visits"])
            logits = self.layers["chain"][0][coded.state] + coded.share * self.layers["own"][0]
            late = self.layers["days_of_action"][0].reshape(1, len(known), -1)
            late = np.repeat(late, len(rows), axis=0)
            if "visits" in self.layers:
                steps = self.layers["actions"][0][coded.action] + self.layers["gaps"][0][coded.gap]
                told = gru(steps, *self.layers["visits"])
                kernel, bias = self.layers["of_visits"]
                logits = logits + told @ kernel + bias
                kernel, bias = self.layers["days_of_visits"]
                late = late + (told @ kernel + bias)[:, None, :]
            odds.append(softmax(logits.astype("float64")))
            days.append(softmax(late.astype("float64")) @ MIDDLE)
        return np.concatenate(odds), np.concatenate(days)

    def contributions(self, frame: pd.DataFrame) -> np.ndarray:
        """Refuse: it has no exact contributions.

        Raises:
            ValueError: always.
        """
        raise ValueError(f"model {self.meta.name} has no exact contributions")

    def to_bytes(self) -> dict[str, bytes]:
        """Return the files of the model by name."""
        return self.files


def _base(rows: pd.DataFrame, known: Sequence[str]) -> np.ndarray:
    """Return the shares of the actions that came next, "no purchase" among them (a + 1,), none of them zero."""
    count = np.bincount(labels(rows, known), minlength=len(known) + 1) + 0.5
    return np.round(count / count.sum(), 9)


def _files(
    model: Any, family: str, known: Sequence[str], base: np.ndarray, config: NextActionConfig
) -> dict[str, bytes]:
    extra = {"architecture": ARCHITECTURE, "base": base.tolist(), "visits": config.visits}
    return to_bytes(Meta(NAME, "keras", family, INPUTS, (*known, NOTHING), extra), model)
