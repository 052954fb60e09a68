"""The training loop: configured parts, early stopping, and whose state it takes up."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
from pydantic import ValidationError
from scipy import sparse

from bench.peers.history import History
from conf.settings.load import load
from conf.settings.schema import NetworkTraining
from training.networks.backend import keras_for
from training.networks.loop import Checkpoint, choice_losses, key_of, losses_of, shuffled, train

X = np.random.default_rng(1).normal(size=(64, 3)).astype("float32")
Y = (X[:, 0] > 0).astype("float32")


def line() -> Any:
    keras = keras_for(1)
    return keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])


def batches(epoch: int) -> Iterator[dict[str, np.ndarray]]:
    for part in shuffled(64, 16, 1, epoch):
        yield {"x": X[part], "y": Y[part]}


def fit(config: NetworkTraining, **more: Any) -> tuple[Any, dict[str, list[float]]]:
    model = line()

    def loss(network: Any, batch: dict[str, Any]) -> Any:
        import keras

        return keras.ops.mean(losses_of(config, batch["y"], network(batch["x"])[:, 0]))

    return model, train(model, batches, loss, config, **more)


@pytest.mark.parametrize("optimizer", get_args(NetworkTraining.model_fields["optimizer"].annotation))
def test_every_optimiser_learns(optimizer: str) -> None:
    rate = 100.0 if optimizer == "adadelta" else 0.05  # adadelta's own steps begin tiny
    _, curves = fit(NetworkTraining(optimizer=optimizer, learning_rate=rate, epochs=4))  # type: ignore[arg-type]
    assert curves["loss"][-1] < 0.95 * curves["loss"][0]


def test_losses_by_hand() -> None:
    """Log-odds 0 and log 3 are probabilities 1/2 and 3/4."""
    odds, truth = np.array([0.0, np.log(3)], "float32"), np.array([1.0, 0.0], "float32")
    expected = {
        "binary_crossentropy": [np.log(2), np.log(4)],
        "mean_squared_error": [1 / 4, 9 / 16],
        "focal": [np.log(2) / 4, np.log(4) * 9 / 16],
    }
    for loss, values in expected.items():
        result = losses_of(NetworkTraining(loss=loss), truth, odds)  # type: ignore[arg-type]
        assert np.asarray(result) == pytest.approx(values, abs=1e-6)


def test_losses_of_a_choice_by_hand() -> None:
    """Scores 0 and log 3 are chances 1/4 and 3/4; the first was chosen, in the second row nothing."""
    scores, which = np.array([[0.0, np.log(3)]] * 2, "float32"), np.array([[1.0, 0.0], [0.0, 0.0]], "float32")
    expected = {
        "binary_crossentropy": np.log(4),
        "mean_squared_error": 2 * (3 / 4) ** 2,
        "focal": np.log(4) * (3 / 4) ** 2,
    }
    for loss, value in expected.items():
        result = choice_losses(NetworkTraining(loss=loss), which, scores)  # type: ignore[arg-type]
        assert np.asarray(result) == pytest.approx([value, 0], abs=1e-6)


def test_whatever_a_training_reads_changes_its_key() -> None:
    long = np.arange(3000.0)  # its own words leave out the middle
    other = long.copy()
    other[1500] = 7
    same = sparse.csr_matrix(([1.0], ([0], [1])), shape=(2, 2))
    keys = [
        key_of(*parts)
        for parts in (
            (long,), (other,), (long.astype("float32"),), (long.reshape(2, -1),), (long, long), ([long, long],),
            (History(long, long, long, long, (2, 2)),), (History(long, long, long, other, (2, 2)),),
            (same,), (same * 2,), (same.T.tocsr(),), ({"a": long},), ({"b": long},), (None,), (["ab"],), (["a", "b"],),
            (NetworkTraining(),), (NetworkTraining(seed=1),),
        )
    ]  # fmt: skip
    assert len(set(keys)) == len(keys)
    assert key_of(long, same, ["a"]) == key_of(long.copy(), same.copy(), ["a"])


def test_it_stops_early_and_ends_with_its_best_epoch() -> None:
    values, seen = iter([1.0, 3.0, 2.0, 2.5, 9.0]), []
    config = NetworkTraining(epochs=5, patience=1)
    model = line()

    def score() -> float:
        seen.append(model.get_weights()[0].copy())
        return next(values)

    def loss(network: Any, batch: dict[str, Any]) -> Any:
        import keras

        return keras.ops.mean(losses_of(config, batch["y"], network(batch["x"])[:, 0]))

    curves = train(model, batches, loss, config, score)
    assert curves["score"] == [1.0, 3.0, 2.0, 2.5]
    assert (model.get_weights()[0] == seen[1]).all()
    assert all(len(curve) == 4 for curve in curves.values())


def test_the_state_of_another_training_is_not_taken_up(tmp_path: Path) -> None:
    class Stop(Exception):
        pass

    def stop() -> float:
        if (tmp_path / "it.npz").exists():
            raise Stop
        return 0.0

    config = NetworkTraining(epochs=3)
    with pytest.raises(Stop):
        fit(config, score=stop, checkpoint=Checkpoint(tmp_path, "it", "a"))
    _, curves = fit(config, checkpoint=Checkpoint(tmp_path, "it", "b"))
    assert len(curves["loss"]) == 3
    assert curves == fit(config)[1] | {name: curves[name] for name in ("seconds", "memory_mb")}


def test_the_shipped_configuration_names_known_parts_and_others_are_refused(settings_file: Path) -> None:
    shipped = load(settings_file).models.network
    assert (shipped.loss, shipped.optimizer, shipped.activation) == ("binary_crossentropy", "adam", "relu")
    for wrong in ({"loss": "cross"}, {"optimizer": "adamm"}, {"activation": "ralu"}, {"rate": 1}):
        with pytest.raises(ValidationError, match=next(iter(wrong))):
            NetworkTraining(**wrong)  # type: ignore[arg-type]


@pytest.fixture
def settings_file() -> Path:
    return Path(__file__).parents[3] / "conf" / "nbo.yml"
