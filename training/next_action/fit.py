"""How the next action is fitted: a network that begins as a Markov chain and adds a recurrent unit over the visits.

An action is a value of ``ACTIONS.actions``, or no purchase within the horizon. The network begins as what the chain
says beyond the shares of everybody, times the customer's own shares, and adds what a gated recurrent unit makes of the
visits:

    log-odds = chain[last action, age] + weight x log(own share) + GRU(actions, gaps) . kernel

A second output gives the days to the next visit, in classes, given the action. It predicts in NumPy.
n = customers, t = visits, a = actions without "no purchase".
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from conf.settings.schema import NetworkTraining
from training.evaluation.fitted import FittedModel
from training.models.artifacts import Meta, from_bytes, to_bytes
from training.networks.backend import keras_for
from training.networks.loop import Batch, Checkpoint, choice_losses, keyed, shuffled, train
from training.networks.numpy_layers import softmax
from training.next_action.inputs import AGES, MIDDLE, NOTHING, day_class, labels, visits_of
from training.next_action.spec import INPUTS, NAME

ARCHITECTURE = "next_action"
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


def fit(
    rows: pd.DataFrame,
    validation: pd.DataFrame,
    start: FittedModel,
    config: NextActionConfig,
    checkpoint: Checkpoint | None = None,
) -> FittedModel:
    """Train the network from the chain on; the validation window says when to stop.

    Args:
        rows: from :func:`training.next_action.inputs.windows`, of all training windows.
        validation: the same of the validation window.
        start: the Markov chain of :func:`training.next_action.evaluate.baselines`.
        config: sizes and seed.
        checkpoint: where a killed training goes on from.
    """
    begun = start.model
    actions, base = list(begun.meta.outputs[:-1]), np.asarray(begun.meta.extra["base"])
    coded, held = (visits_of(frame, actions, base, config.visits) for frame in (rows, validation))
    label, expected = labels(rows, actions), labels(validation, actions)
    days = day_class(rows["days"].to_numpy())
    model = build(config, len(actions))
    chain, late = (begun.layers[name][0] for name in ("chain", "days_of_action"))  # type: ignore[attr-defined]
    model.get_layer("chain").set_weights([chain - np.log(base).astype("float32")])
    model.get_layer("own").set_weights([np.ones(len(base), dtype="float32")])
    model.get_layer("days_of_action").set_weights([late])
    checkpoint = keyed(checkpoint, config, actions, base, chain, late, coded, label, days, held, expected)

    def batches(epoch: int) -> Iterator[Batch]:
        for part in shuffled(len(label), config.training.batch, config.training.seed, epoch):
            yield {**coded.batch(part), "label": label[part].astype("int32"), "days": days[part].astype("int32")}

    def loss(network: Any, batch: dict[str, Any]) -> Any:
        import keras

        ops = keras.ops
        given = {name: batch[name] for name in ("action", "gap", "state", "share")}
        outputs = network(given, training=True)
        odds, when = (
            outputs[:, : len(actions) + 1],
            ops.reshape(outputs[:, len(actions) + 1 :], (-1, len(actions), len(MIDDLE))),
        )
        which = ops.one_hot(batch["label"], len(actions) + 1)
        comes = which[:, :-1, None]
        days_of = ops.sum(comes, axis=1) * ops.one_hot(batch["days"], len(MIDDLE))
        late = choice_losses(config.training, days_of, ops.sum(comes * when, axis=1))
        return ops.mean(choice_losses(config.training, which, odds) + 0.3 * late)

    def score() -> float:
        batches = [np.asarray(model(held.batch(slice(s, s + _BATCH)))) for s in range(0, len(expected), _BATCH)]
        odds = np.concatenate(batches)[:, : len(actions) + 1]
        return float(np.log(softmax(odds.astype("float64")))[np.arange(len(expected)), expected].mean())

    curves = train(model, batches, loss, config.training, score, checkpoint)
    params = {"visits": config.visits, "size": config.size, "units": config.units, **config.training.model_dump()}
    return FittedModel(from_bytes(files_of(model, "recurrent network", actions, base, config)), params, curves)


def build(config: NextActionConfig, actions: int) -> Any:
    """Return the untrained network: ``Visits`` in, log-odds of actions and of day classes (n, a + 1 + a c) out."""
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
        state_of_visits = layers.GRU(config.units, name="visits")(steps)
        state_of_visits = layers.Dropout(config.dropout)(state_of_visits)
        odds = odds + layers.Dense(actions + 1, name="of_visits", **zeros)(state_of_visits)
        days = days + layers.Dense(classes, name="days_of_visits", **zeros)(state_of_visits)[:, None, :]
    both = layers.Concatenate()([odds, layers.Reshape((actions * classes,))(days)])
    return keras.Model({"action": action, "gap": gap, "state": state, "share": share}, both, name=NAME)


def files_of(
    model: Any, family: str, actions: Sequence[str], base: np.ndarray, config: NextActionConfig
) -> dict[str, bytes]:
    """Return the files of a chain or network of Keras; ``base`` holds the shares of all actions (a + 1,)."""
    extra = {"architecture": ARCHITECTURE, "base": base.tolist(), "visits": config.visits}
    return to_bytes(Meta(NAME, "keras", family, INPUTS, (*actions, NOTHING), extra), model)
