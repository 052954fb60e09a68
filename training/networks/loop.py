"""The training loop of the networks: epochs with early stopping, curves, progress, and a state that survives a kill.

The state (weights, optimiser, best weights, curves) is written after every epoch. Batches depend on the number of the
epoch alone and the generators of dropout are part of the weights, so a training that goes on after a kill ends with the
weights it would have had.
"""

from __future__ import annotations

import hashlib
import io
import json
import logging
import resource
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, fields, is_dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from scipy import sparse

from conf.settings.schema import NetworkTraining

log = logging.getLogger(__name__)
Batch = dict[str, np.ndarray]
#: names of the curves
LOSS, SCORE, SECONDS, MEMORY = "loss", "score", "seconds", "memory_mb"


@dataclass(frozen=True)
class Checkpoint:
    """Where a training leaves its state, and what it is a training of: another ``key`` starts from nothing."""

    folder: Path
    name: str
    key: str

    @property
    def path(self) -> Path:
        """File of the state."""
        return self.folder / f"{self.name}.npz"


@dataclass
class _State:
    curves: dict[str, list[float]] = field(default_factory=lambda: {n: [] for n in (LOSS, SCORE, SECONDS, MEMORY)})
    best: list[np.ndarray] = field(default_factory=list)
    waited: int = 0


def key_of(*parts: Any) -> str:
    """Return a hash of configurations and arrays: the same data and settings give the same key.

    Args:
        parts: plain values, arrays, sparse matrices, and dataclasses, lists, tuples and dicts of them.
    """
    total = hashlib.sha256()
    for content in _contents(parts):
        total.update(f"{len(content)}\0".encode() + content)
    return total.hexdigest()


def _contents(part: Any) -> Iterator[bytes]:
    """Yield what a value holds, the whole of it: an array's own words leave out its middle."""
    if isinstance(part, np.ndarray) and part.dtype != object:
        yield f"{part.dtype} {part.shape}".encode()
        yield np.ascontiguousarray(part).tobytes()
    elif isinstance(part, sparse.csr_matrix):
        yield from _contents((part.shape, part.indptr, part.indices, part.data))
    elif is_dataclass(part):
        yield from _contents([(field.name, getattr(part, field.name)) for field in fields(part)])
    elif isinstance(part, dict):
        yield from _contents(list(part.items()))
    elif isinstance(part, list | tuple | np.ndarray):
        yield f"{len(part)}".encode()
        for item in part:
            yield from _contents(item)
    else:
        yield repr(part).encode()


def keyed(checkpoint: Checkpoint | None, *parts: Any) -> Checkpoint | None:
    """Return the checkpoint with the key of all that a training reads: inputs, labels, held-out rows, configuration."""
    return checkpoint and replace(checkpoint, key=key_of(*parts))


def train(
    model: Any,
    batches: Callable[[int], Iterator[Batch]],
    loss: Callable[[Any, dict[str, Any]], Any],
    config: NetworkTraining,
    score: Callable[[], float] | None = None,
    checkpoint: Checkpoint | None = None,
) -> dict[str, list[float]]:
    """Train a built Keras model in place; its best epoch by ``score`` is what it ends with.

    Args:
        model: the model; all its variables exist.
        batches: number of an epoch (from 0) -> its batches, equal shapes but for the last.
        loss: model and batch of tensors -> scalar to be made small.
        config: optimiser, epochs, patience.
        score: value of the model on held-out time, higher is better; None: all epochs are run and the last one kept.
        checkpoint: where the state goes; it is removed at the end. None: nothing is kept.

    Returns:
        A value per epoch of ``loss``, ``score`` (without one, minus the loss), ``seconds`` and ``memory_mb`` (peak of
        the process).
    """
    import tensorflow as tf

    optimizer = optimizer_of(config)
    optimizer.build(model.trainable_variables)
    variables = [*model.variables, *optimizer.variables]
    state = _restored(checkpoint, variables) or _State()

    @tf.function(jit_compile=config.jit, reduce_retracing=True)
    def step(batch: dict[str, Any]) -> Any:
        with tf.GradientTape() as tape:
            value = loss(model, batch)
        optimizer.apply(tape.gradient(value, model.trainable_variables), model.trainable_variables)
        return value

    for epoch in range(len(state.curves[LOSS]), config.epochs):
        if score is not None and state.waited > config.patience:
            break
        started = time.perf_counter()
        losses = [step({name: tf.constant(value) for name, value in batch.items()}) for batch in batches(epoch)]
        value = float(np.mean([float(loss) for loss in losses]))
        reached = -value if score is None else float(score())
        better = score is None or not state.curves[SCORE] or reached > max(state.curves[SCORE])
        if better:
            state.best, state.waited = [variable.numpy() for variable in model.variables], 0
        else:
            state.waited += 1
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        for name, measured in (
            (LOSS, value),
            (SCORE, reached),
            (SECONDS, time.perf_counter() - started),
            (MEMORY, memory),
        ):
            state.curves[name].append(measured)
        log.info("%s epoch %d of %d: loss %.5f, score %.5f, %.1f s", model.name, epoch + 1, config.epochs, value,
                 reached, state.curves[SECONDS][-1])  # fmt: skip
        _save(checkpoint, state, variables)
    for variable, best in zip(model.variables, state.best, strict=True):
        variable.assign(best)
    if checkpoint is not None:
        checkpoint.path.unlink(missing_ok=True)
    return state.curves


def optimizer_of(config: NetworkTraining) -> Any:
    """Return the Keras optimiser that the configuration names."""
    import keras

    rate = config.learning_rate
    made: dict[str, Callable[[], Any]] = {
        "sgd": lambda: keras.optimizers.SGD(rate),
        "momentum": lambda: keras.optimizers.SGD(rate, momentum=0.9),
        "nesterov": lambda: keras.optimizers.SGD(rate, momentum=0.9, nesterov=True),
        "adagrad": lambda: keras.optimizers.Adagrad(rate),
        "adadelta": lambda: keras.optimizers.Adadelta(rate),
        "rmsprop": lambda: keras.optimizers.RMSprop(rate),
        "adam": lambda: keras.optimizers.Adam(rate),
        "adamw": lambda: keras.optimizers.AdamW(rate, weight_decay=config.weight_decay),
    }
    return made[config.optimizer]()


def losses_of(config: NetworkTraining, truth: Any, log_odds: Any) -> Any:
    """Return the pointwise losses of log-odds against a truth of 0 and 1, of the same shape."""
    import keras

    ops = keras.ops
    if config.loss == "binary_crossentropy":
        return ops.softplus(log_odds) - truth * log_odds
    probability = ops.sigmoid(log_odds)
    if config.loss == "mean_squared_error":
        return ops.square(probability - truth)
    # focal loss (Lin et al. 2017): pairs that are settled already count less
    right = ops.where(truth > 0.5, probability, 1 - probability)
    return ops.square(1 - right) * (ops.softplus(log_odds) - truth * log_odds)


def choice_losses(config: NetworkTraining, which: Any, scores: Any) -> Any:
    """Return the losses of a choice of one among many: the configured loss of the softmax of the scores.

    Cross-entropy, the squared error over all of the choice (Brier's score), or focal loss.

    Args:
        config: names the loss.
        which: (.., n) what was chosen, or shares of it; a row of zeros has no loss.
        scores: (.., n) of the network.
    """
    import keras

    ops = keras.ops
    log_chance = ops.log_softmax(scores, axis=-1)
    if config.loss == "binary_crossentropy":
        return -ops.sum(which * log_chance, axis=-1)
    chance = ops.exp(log_chance)
    if config.loss == "mean_squared_error":
        return ops.sum(ops.square(chance - which), axis=-1) * ops.sum(which, axis=-1)
    return -ops.sum(which * ops.square(1 - chance) * log_chance, axis=-1)


def shuffled(size: int, batch: int, seed: int, epoch: int, most: int | None = None) -> Iterator[np.ndarray]:
    """Yield the rows of an epoch's batches in an order that seed and epoch settle; a short last batch is left out.

    Args:
        size: rows.
        batch: rows of a batch.
        seed: of the order.
        epoch: its number.
        most: rows of an epoch, a new sample each time; None for all.
    """
    order = np.random.default_rng([seed, epoch]).permutation(size)[:most]
    batch = min(batch, max(len(order), 1))
    for start in range(0, len(order) - batch + 1, batch):
        yield order[start : start + batch]


def _save(checkpoint: Checkpoint | None, state: _State, variables: list[Any]) -> None:
    if checkpoint is None:
        return
    progress = json.dumps({"key": checkpoint.key, "curves": state.curves, "waited": state.waited})
    buffer = io.BytesIO()
    arrays = {f"now_{n}": variable.numpy() for n, variable in enumerate(variables)}
    arrays |= {f"best_{n}": best for n, best in enumerate(state.best)}
    np.savez(buffer, progress=np.array(progress), **arrays)  # type: ignore[arg-type]
    checkpoint.folder.mkdir(parents=True, exist_ok=True)
    aside = checkpoint.path.with_suffix(".tmp")
    aside.write_bytes(buffer.getvalue())
    aside.replace(checkpoint.path)


def _restored(checkpoint: Checkpoint | None, variables: list[Any]) -> _State | None:
    """Put a training back to where it stopped; None where there is no state of this very training."""
    if checkpoint is None or not checkpoint.path.exists():
        return None
    with np.load(checkpoint.path, allow_pickle=False) as stored:
        progress = json.loads(str(stored["progress"]))
        if progress["key"] != checkpoint.key:
            return None
        for number, variable in enumerate(variables):
            variable.assign(stored[f"now_{number}"])
        best = [stored[f"best_{number}"] for number in range(sum(name.startswith("best_") for name in stored.files))]
    log.info("%s goes on after %d epoch(s)", checkpoint.name, len(progress["curves"][LOSS]))
    return _State(progress["curves"], best, progress["waited"])
