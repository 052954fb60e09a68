"""The forecast of a trained chain or network: probabilities of the next actions and expected days, in NumPy.

n = customers, a = actions without "no purchase".
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from training.formats import KERAS_FILE
from training.models.artifacts import Meta
from training.networks.keras_files import named_weights
from training.networks.numpy_layers import gru, softmax
from training.next_action.inputs import MIDDLE, visits_of

_BATCH = 8192


def read(meta: Meta, files: dict[str, bytes]) -> NextAction:
    """Return the network whose files these are."""
    return NextAction(meta, files, files[KERAS_FILE])


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
        extra, actions = self.meta.extra, self.meta.outputs[:-1]
        odds, days = [np.zeros((0, len(actions) + 1))], [np.zeros((0, len(actions)))]
        for start in range(0, len(frame), _BATCH):
            rows = frame.iloc[start : start + _BATCH]
            coded = visits_of(rows, actions, np.asarray(extra["base"]), extra["visits"])
            logits = self.layers["chain"][0][coded.state] + coded.share * self.layers["own"][0]
            late = self.layers["days_of_action"][0].reshape(1, len(actions), -1)
            late = np.repeat(late, len(rows), axis=0)
            if "visits" in self.layers:
                steps = self.layers["actions"][0][coded.action] + self.layers["gaps"][0][coded.gap]
                state = gru(steps, *self.layers["visits"])
                kernel, bias = self.layers["of_visits"]
                logits = logits + state @ kernel + bias
                kernel, bias = self.layers["days_of_visits"]
                late = late + (state @ kernel + bias)[:, None, :]
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
