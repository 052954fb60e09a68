from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from conf.settings.propensities import Purchase, Return, Scope
from training.evaluation.metrics import binary_metrics
from training.models.artifacts import from_bytes
from training.networks.convolution_fit import ConvolutionConfig
from training.propensity import inputs as propensity_inputs, multitask
from training.propensity.inputs import LABEL

FISH = Purchase(kind="buys", label="fish", title="buys fish", scope=Scope(departments=["SEA"]))
WINE = Purchase(kind="adopts", label="wine", title="tries wine", scope=Scope(departments=["BAR"]))
BACK = Return(kind="returns", label="back", title="comes back", lapse_days=28)
COLUMNS = ("a", "b", "recency_days")


def window(seed: int, size: int = 1500) -> pd.DataFrame:
    """Fish goes with a, wine with b, coming back with neither; every third customer has had wine."""
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(rng.normal(size=(size, 2)), columns=["a", "b"])
    frame["recency_days"], frame["visits_total"] = rng.integers(0, 60, size).astype(float), 3.0
    frame["wine:visits_total"] = (np.arange(size) % 3 == 0).astype(float)
    frame["bought:fish"] = rng.random(size) < 1 / (1 + np.exp(-2 * frame["a"]))
    frame["bought:wine"] = rng.random(size) < 1 / (1 + np.exp(2 - 2 * frame["b"]))
    return frame.assign(returned=rng.random(size) < 0.4, customer_id=np.arange(size))


def test_targets_are_known_where_the_label_can_be_asked():
    frame = window(1, 6).set_index(pd.Index([9, 8, 7, 6, 5, 4]))
    frame["recency_days"] = [0.0, 30.0, 0.0, 30.0, 0.0, 0.0]
    result = multitask.targets(frame, [FISH, WINE, BACK])
    truth, recorded = result[:, :3], result[:, 3:]
    assert recorded.tolist() == [[1, 0, 0], [1, 1, 1], [1, 1, 0], [1, 0, 1], [1, 1, 0], [1, 1, 0]]
    assert truth[:, 0].tolist() == frame["bought:fish"].astype(float).tolist()
    assert (truth <= recorded).all()


def test_every_head_learns_its_label_and_what_cannot_be_asked_teaches_nothing():
    train, validation, gate = window(1), window(2), window(3)
    config = ConvolutionConfig(hidden=(16,), epochs=12, learning_rate=5e-3, dropout=0.0, batch=128)
    made = multitask.heads(train, validation, [FISH, WINE, BACK], COLUMNS, config)
    assert {label: result.model.meta.name for label, result in made.items()} == {
        label: f"propensity_{label}" for label in ("fish", "wine", "back")
    }
    aucs = {}
    for one in (FISH, WINE, BACK):
        rows, model = propensity_inputs.rows(gate, one), made[one.label].model
        aucs[one.label] = binary_metrics(rows[LABEL].to_numpy(), model.predict(rows))["roc_auc"]
        assert np.array_equal(from_bytes(model.to_bytes()).predict(rows), model.predict(rows))
    assert aucs["fish"] > 0.8
    assert aucs["wine"] > 0.8
    assert aucs["back"] == pytest.approx(0.5, abs=0.08)
    strongest = np.abs(made["fish"].model.contributions(gate)).mean(axis=0).argmax()
    assert COLUMNS[strongest] == "a"
    has_wine = train["wine:visits_total"] > 0
    other = train.assign(**{"bought:wine": np.where(has_wine, ~train["bought:wine"], train["bought:wine"])})
    again = multitask.heads(other, validation, [FISH, WINE, BACK], COLUMNS, config)
    assert again["wine"].model.to_bytes() == made["wine"].model.to_bytes()
