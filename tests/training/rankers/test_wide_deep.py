"""Wide & deep: what NumPy predicts is what Keras predicts; it learns what a line cannot; missing inputs are borne."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from conf.settings.schema import NetworkTraining
from training.classifiers.calibration import with_calibration
from training.evaluation.fitted import FittedModel
from training.models import artifacts
from training.rankers.wide_deep import WideDeepConfig, encode, fit

INPUTS = ["often", "lately", "never"]


def rows(seed: int, size: int = 3000) -> pd.DataFrame:
    """Bought when exactly one of two inputs is large: no linear model of them knows that."""
    generator = np.random.default_rng(seed)
    frame = pd.DataFrame(generator.gamma(1, 2, (size, 2)), columns=INPUTS[:2])
    frame["never"] = np.nan
    frame["bought"] = (frame["often"] > 1.4) ^ (frame["lately"] > 1.4)
    frame.loc[::7, "lately"] = np.nan
    return frame


def config(**training: object) -> WideDeepConfig:
    plain = {"batch": 256, "epochs": 8, "learning_rate": 0.01} | training
    return WideDeepConfig((16, 8), 7, 0.0, NetworkTraining(**plain))  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def fitted() -> FittedModel:
    return fit("ranker", rows(1), rows(2), INPUTS, "bought", config())


def test_it_learns_what_a_line_cannot(fitted: FittedModel) -> None:
    held = rows(3)
    right = (fitted.model.predict(held) > 0.5) == held["bought"]
    assert right[held["lately"].notna()].mean() > 0.95
    assert fitted.curves["score"][-1] > fitted.curves["score"][0]
    assert fitted.params["optimizer"] == "adam"


def test_numpy_predicts_what_keras_predicts(fitted: FittedModel) -> None:
    import keras

    files = fitted.model.to_bytes()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "model.keras")
        path.write_bytes(files["model.keras"])
        network = keras.saving.load_model(path, compile=False)
    held = rows(4)
    encoded = encode(held[INPUTS].to_numpy(), fitted.model.meta.extra)
    odds = np.asarray(network(encoded))[:, 0].astype("float64")
    loaded = artifacts.from_bytes(files)
    assert np.allclose(loaded.predict(held), 1 / (1 + np.exp(-odds)), atol=1e-6)
    moved = with_calibration(loaded, 0.5, 1.0)
    assert np.allclose(moved.predict(held), 1 / (1 + np.exp(-(0.5 * odds + 1))), atol=1e-6)
    assert len(loaded.predict(held.head(0))) == 0


def test_an_unusual_training_is_stored_whole() -> None:
    """Another activation, loss and optimiser: the file says which, and two fits give the same bytes."""
    unusual = config(activation="gelu", loss="focal", optimizer="rmsprop", epochs=2)
    first, second = (fit("ranker", rows(1, 600), rows(2, 300), INPUTS, "bought", unusual) for _ in range(2))
    assert first.model.meta.extra["activation"] == "gelu"
    assert artifacts.digest(first.model.to_bytes()) == artifacts.digest(second.model.to_bytes())


def test_bins_count_from_missing() -> None:
    scaling = {"mean": [0.0, 0.0], "deviation": [1.0, 1.0], "borders": [[1.0, 2.0], [5.0, 6.0]]}
    result = encode(np.array([[np.nan, 5.0], [0.5, 4.0], [2.0, 9.0]]), scaling)
    assert result["bins"].tolist() == [[0, 6], [1, 5], [3, 7]]
    assert result["numbers"][0].tolist() == pytest.approx([0, np.arcsinh(5), 1, 0])


def test_an_infinite_number_counts_as_missing(fitted: FittedModel) -> None:
    learnt = rows(1, 600)
    learnt.loc[:50, "lately"] = np.inf
    again = fit("ranker", learnt, rows(2, 300), INPUTS, "bought", config(epochs=1))
    assert np.isfinite(again.curves["loss"]).all()
    held = rows(3).head(2)
    odd, missing = held.assign(lately=np.inf), held.assign(lately=np.nan)
    assert fitted.model.predict(odd).tolist() == fitted.model.predict(missing).tolist()
