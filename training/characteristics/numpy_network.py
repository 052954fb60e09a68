"""What a product-characteristic network eats, and how it predicts without TensorFlow.

n = rows, d = numeric inputs, c = one-hot categories, l = characteristics, h = hidden units. A network is

    log-odds = own history (n, l, 4) . weights (l, 4) + bias (l) + inputs (n, d + c) . wide (d + c, l)
               + hidden layers of everything (n, l)

where own history is ``log1p`` of the customer's baskets with the characteristic: in 84 days, ever, and twice the first
plus the second, which is personal frequency; and whether the customer never bought it. Without hidden layers it is a
logistic regression per characteristic, and with own history alone it *is* personal frequency, with a prior per
characteristic. For what was never bought three numbers weigh the log-odds against what else the customer owns:
own x log-odds + items x root of (owned (n, l) . (l, r) . (r, l)) + constant. Who never bought anything has the log-odds
of popularity in their place, since a network learns from buyers. Weights are read from the file itself: a worker starts
in a tenth of the time.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import sparse
from scipy.special import expit

from conf.errors import DataError
from training.characteristics.columns import BASKETS, LISTS, STAGE
from training.characteristics.expert_prior import prior_log_odds
from training.formats import KERAS_FILE
from training.models.artifacts import Meta, Model, matrix
from training.models.lists import label_matrix
from training.networks.keras_files import named_weights
from training.networks.numpy_layers import ACTIVATIONS

#: rows that are predicted at once
_BATCH = 4096


@dataclass(frozen=True)
class Encoded:
    """Examples as numbers: what the network's four inputs take."""

    numbers: np.ndarray
    categories: np.ndarray
    recent: sparse.csr_matrix
    total: sparse.csr_matrix

    @property
    def owned(self) -> sparse.csr_matrix:
        """Return ones where the customer ever bought the characteristic (n, l)."""
        return (self.total > 0).astype("float32")

    def batch(self, rows: np.ndarray | slice) -> dict[str, np.ndarray]:
        """Return dense float32 inputs of some rows by name."""
        return {
            "numbers": self.numbers[rows],
            "categories": self.categories[rows],
            "recent": self.recent[rows].toarray(),
            "total": self.total[rows].toarray(),
        }


def encode(
    frame: pd.DataFrame,
    numbers: Sequence[str],
    categories: Mapping[str, Sequence[str]],
    dictionary: Sequence[str],
    name: str = "characteristics",
) -> Encoded:
    """Turn examples into numbers.

    Args:
        frame: a row per customer: ``numbers``, the columns of ``categories``, and :data:`LISTS`.
        numbers: numeric columns (d); a missing value stays NaN.
        categories: column -> its known values; any other value, or none, is all zeros.
        dictionary: characteristics in the order of their index; what it does not know is left out.
        name: of the model, for messages.

    Raises:
        DataError: a column is missing.
    """
    missing = [column for column in (*categories, *LISTS) if column not in frame.columns]
    if missing:
        raise DataError(f"model {name}: missing input column(s) {missing}; have {sorted(frame.columns)}")
    hot = [
        (frame[column].fillna("") == value).to_numpy(dtype="float32")
        for column, values in categories.items()
        for value in values
    ]
    place = pd.Index(dictionary)
    return Encoded(
        matrix(frame, numbers, name).astype("float32"),
        np.stack(hot, axis=1) if hot else np.zeros((len(frame), 0), dtype="float32"),
        label_matrix(frame[LISTS[0]], frame[LISTS[1]], place),
        label_matrix(frame[LISTS[0]], frame[LISTS[2]], place),
    )


def history(recent: np.ndarray, total: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return own history as the network weighs it, each (n, l): baskets in 84 days, ever, both, and none at all."""
    return np.log1p(recent), np.log1p(total), np.log1p(2 * recent + total), total == 0


def standardised(numbers: np.ndarray, mean: np.ndarray, variance: np.ndarray) -> np.ndarray:
    """Return numbers (n, d) as the layers take them; ``mean`` and ``variance`` are of their ``arcsinh``."""
    scaled = (np.arcsinh(numbers) - mean.ravel()) / np.maximum(np.sqrt(variance.ravel()), 1e-7)
    return np.clip(np.nan_to_num(scaled), -5, 5)


class Network:
    """A trained network whose weights lie in a ``.keras`` file; see the module for the formula.

    ``meta.outputs`` is the dictionary: the characteristic of index i. ``meta.extra`` holds ``numbers``,
    ``categories``, ``thresholds`` (l), ``activation`` of the hidden layers, ``first_contact`` (l): log-odds for who
    never bought anything, and ``prior`` (stages, l) where an expert has rules.
    """

    def __init__(self, meta: Meta, files: dict[str, bytes], content: bytes) -> None:
        """Read the weights.

        Raises:
            DataError: dictionary, thresholds and weights do not speak of the same characteristics.
        """
        self.meta, self.files = meta, files
        self.layers = named_weights(content)
        self.kernel, self.bias = self.layers["own_history"]
        sizes = {
            "dictionary": len(set(meta.outputs)),
            "outputs": len(meta.outputs),
            "thresholds": len(meta.extra["thresholds"]),
            "weights": len(self.bias),
        }
        if len(set(sizes.values())) != 1:
            raise DataError(f"model {meta.name}: its characteristics do not match: {sizes}; train it again")

    @staticmethod
    def of(model: Model) -> Network:
        """Return ``model``, which has to be a network.

        Raises:
            DataError: it is not.
        """
        if not isinstance(model, Network):
            raise DataError(f"model {model.meta.name} is no network but {model.meta.family}; train it again")
        return model

    @property
    def thresholds(self) -> np.ndarray:
        """Return the probability from which each characteristic is recommended (l,)."""
        return np.asarray(self.meta.extra["thresholds"], dtype="float64")

    def predict(self, frame: pd.DataFrame) -> np.ndarray:
        """Return the probability of every characteristic, float64 (n, l), in the dictionary's order."""
        extra = self.meta.extra
        parts = []
        for start in range(0, len(frame), _BATCH):
            rows = frame.iloc[start : start + _BATCH]
            coded = encode(rows, extra["numbers"], extra["categories"], self.meta.outputs, self.meta.name)
            log_odds = self._log_odds(**coded.batch(slice(None))).astype("float64")
            if "first_contact" in extra:
                log_odds[np.nan_to_num(rows[BASKETS].to_numpy("float64")) == 0] = extra["first_contact"]
            if "prior" in extra:
                log_odds += prior_log_odds(np.asarray(extra["prior"]), rows[STAGE], rows[BASKETS].to_numpy("float64"))
            parts.append(expit(log_odds))
        return np.concatenate(parts) if parts else np.zeros((0, len(self.meta.outputs)))

    def contributions(self, frame: pd.DataFrame) -> np.ndarray:
        """Refuse: a network has no exact contributions.

        Raises:
            ValueError: always.
        """
        raise ValueError(f"model {self.meta.name} is a network; it has no exact contributions")

    def to_bytes(self) -> dict[str, bytes]:
        """Return the files of the model by name."""
        return self.files

    def _log_odds(
        self, numbers: np.ndarray, categories: np.ndarray, recent: np.ndarray, total: np.ndarray
    ) -> np.ndarray:
        owned, own = total > 0, history(recent, total)
        # networks trained before "never bought" was an input have three weights
        log_odds = self.bias + sum(part * weight for part, weight in zip(own, self.kernel.T, strict=False))
        if "scaled" in self.layers:
            inputs = np.concatenate([standardised(numbers, *self.layers["scaled"][:2]), categories], axis=1)
        if "wide" in self.layers:  # networks trained before they began as logistic regressions have none
            log_odds = log_odds + inputs @ self.layers["wide"][0]
        dense = [layer for name, layer in sorted(self.layers.items()) if name.startswith("dense")]
        if dense:
            # networks trained before the activation was configured have none named
            active = ACTIVATIONS[self.meta.extra.get("activation", "relu")]
            hidden = np.concatenate([inputs, *own[:2]], axis=1)
            for kernel, bias in dense[:-1]:
                hidden = active(hidden @ kernel + bias)
            log_odds = log_odds + hidden @ dense[-1][0] + dense[-1][1]
        if "first_purchase" not in self.layers:
            return log_odds
        (kept, items), constant = self.layers["first_purchase"]
        score = owned.astype("float32") @ self.layers["items_in"][0] @ self.layers["items_out"][0]
        return np.where(owned, log_odds, kept * log_odds + items * np.sqrt(np.maximum(score, 0)) + constant)


def read(meta: Meta, files: dict[str, bytes]) -> Model:
    """Return the network whose files these are."""
    return Network(meta, files, files[KERAS_FILE])
