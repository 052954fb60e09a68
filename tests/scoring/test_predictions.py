from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from conf.settings.schema import NetworkTraining
from scoring.predictions import Packed, label_batch, with_probabilities, with_split_probability
from training.classifiers.linear import LogisticConfig, logistic
from training.classifiers.trees import TreesConfig, trees
from training.models.blends import blend
from training.rankers import wide_deep
from training.rankers.wide_deep import WideDeepConfig


def made(kind):
    rng = np.random.default_rng(1)
    frame = pd.DataFrame({"x": rng.normal(size=300), "z": rng.normal(size=300)})
    frame["y"] = frame["x"] - 0.5 * frame["z"] + rng.normal(size=300) > 0
    inputs = ["x", "z"]
    if kind == "network":
        config = WideDeepConfig(hidden=(4,), borders=4, training=NetworkTraining(batch=64, epochs=2))
        return wide_deep.fit("toy", frame, frame, inputs, "y", config).model
    if kind == "blend":
        return blend("toy", [made("sklearn"), made("lightgbm")])
    if kind == "lightgbm":
        return trees("toy", frame, None, inputs, "y", TreesConfig(rounds=10, leaves=4))
    return logistic("toy", frame, inputs, "y", LogisticConfig())


@pytest.fixture(scope="module", params=["sklearn", "lightgbm", "blend", "network"])
def model(request):
    return made(request.param)


def test_the_workers_say_what_the_model_says_here(model, rows):
    packed = Packed(model.to_bytes())
    assert packed.meta == model.meta
    given = pd.DataFrame({"id": ["a", "b", "c"], "x": [1.0, -2.0, None], "z": [0.5, 1.0, 3.0]})
    frame = rows("id string, x double, z double", *given.astype(object).where(given.notna(), None).to_numpy().tolist())
    result = with_probabilities(frame, {"p": packed, "q": packed}).collect()
    assert [row["p"] for row in result] == pytest.approx(model.predict(given).tolist())
    assert [row["q"] for row in result] == [row["p"] for row in result]


def test_each_model_fills_its_own_rows_and_what_has_none_stays(rows):
    model = made("lightgbm")
    frame = rows(
        "id string, p double, new boolean, x double, z double",
        ("a", 0.5, True, 1.0, 0.5), ("b", 0.6, False, -2.0, 1.0), ("c", 0.7, True, None, 3.0),
    )  # fmt: skip
    other = logistic("other", pd.DataFrame({"z": [0.0, 1, 2, 3], "y": [0, 1, 0, 1]}), ["z"], "y", LogisticConfig())
    actual = {flag: one.predict(frame.toPandas()) for flag, one in ((True, model), (False, other))}
    both = with_split_probability(frame, "p", "new", {True: Packed(model.to_bytes()), False: Packed(other.to_bytes())})
    assert both.columns == frame.columns
    assert [row["p"] for row in both.collect()] == pytest.approx([actual[True][0], actual[False][1], actual[True][2]])
    one = with_split_probability(frame, "p", "new", {False: Packed(other.to_bytes())})
    assert [row["p"] for row in one.collect()] == pytest.approx([0.5, actual[False][1], 0.7])
    assert with_split_probability(frame, "p", "new", {}) is frame


def test_labels_are_ranked_overall_and_in_each_slice():
    class Toy:
        meta = SimpleNamespace(outputs=("TEA", "JAM", "MILK"), extra={"thresholds": [0.5, 0.3, 0.3]})

        def predict(self, frame: pd.DataFrame) -> np.ndarray:
            return np.array([[0.4, 0.4, 0.1]] * len(frame))

    batch = pa.RecordBatch.from_pydict(
        {"customer_id": ["a", "new"], "types": pa.array([["MILK", "FUEL"], None], pa.list_(pa.string()))}
    )
    result = label_batch(batch, Toy(), top=2, top_of_slice=1).to_pylist()
    actual = {
        (r["customer_id"], r["characteristic"]): (r["rank"], r["rank_in_slice"], r["is_discovery"]) for r in result
    }
    assert actual == {
        ("a", "JAM"): (1, 1, True),
        ("a", "TEA"): (2, 2, True),
        ("a", "MILK"): (3, 1, False),  # beyond the top, but the best of what the customer has had
        ("new", "JAM"): (1, 1, True),
        ("new", "TEA"): (2, 2, True),
    }
    assert {r["characteristic"]: r["above_threshold"] for r in result} == {"JAM": True, "TEA": False, "MILK": False}
