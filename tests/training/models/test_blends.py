from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from training.classifiers.calibration import with_calibration
from training.classifiers.linear import LogisticConfig, logistic
from training.classifiers.trees import TreesConfig, trees
from training.models.artifacts import digest, from_bytes
from training.models.blends import blend


@pytest.fixture(scope="module")
def frame() -> pd.DataFrame:
    rng = np.random.default_rng(1)
    frame = pd.DataFrame(rng.normal(size=(500, 3)), columns=["a", "b", "c"])
    return frame.assign(y=rng.random(500) < 1 / (1 + np.exp(-frame["a"] - frame["b"] * frame["c"])))


def odds(p: np.ndarray) -> np.ndarray:
    return np.log(p / (1 - p))


def test_a_blend_is_the_mean_of_log_odds_and_explains_itself(frame):
    members = [
        logistic("toy", frame, ["a", "b"], "y", LogisticConfig()),
        trees("toy", frame, None, ["b", "c", "a"], "y", TreesConfig(rounds=10, leaves=4)),
    ]
    both = blend("toy", members)
    assert both.meta.inputs == ("a", "b", "c")
    mean = (odds(members[0].predict(frame)) + odds(members[1].predict(frame))) / 2
    np.testing.assert_allclose(odds(both.predict(frame)), mean)
    rest = mean - both.contributions(frame).sum(axis=1)
    np.testing.assert_allclose(rest, rest[0], atol=1e-9)  # what is left is a constant
    settled = with_calibration(both, 2.0, 0.5)
    np.testing.assert_allclose(odds(settled.predict(frame)), 2 * mean + 0.5)
    np.testing.assert_allclose(settled.contributions(frame), 2 * both.contributions(frame))
    again = from_bytes(settled.to_bytes())
    assert digest(again.to_bytes()) == digest(settled.to_bytes())
    np.testing.assert_array_equal(again.predict(frame), settled.predict(frame))
