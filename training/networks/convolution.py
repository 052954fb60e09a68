"""Small networks as NumPy: convolutions over weeks, joined with all inputs, then dense layers.

n = rows, d = inputs, t = weeks, c = channels a week, h = hidden units, o = outputs. A network is

    outputs (n, o) = dense(... f(dense([inputs, f(conv(... weeks (n, t, c)))])))

with an activation f that the configuration names.

Keras trains it (``convolution_fit``); workers multiply matrices and need no TensorFlow. Weights lie in an
``.npz`` of plain arrays, which cannot run code.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import expit, ndtri

from training.models.artifacts import Meta, Model, matrix
from training.models.attributions import integrated_gradients
from training.models.logistic import Scaler
from training.networks.numpy_layers import ACTIVATIONS, SLOPES

WEIGHTS_FILE = "model.npz"
#: scaled inputs are kept within so many standard deviations
CLIP = 5.0
#: rows that are predicted or explained at once
_BATCH = 8192
_LEAST = 0.01
#: bounds of the spread of the logarithm of what is spent
SPREADS = (0.05, 2.0)
Layer = tuple[np.ndarray, np.ndarray]


@dataclass(frozen=True)
class ConvolutionNetwork:
    """Layers of a network: ``convolutions`` have kernels (width, c, h), ``dense`` ones (d, h); biases (h,).

    ``weeks`` are the places of the weekly inputs (t, c), the oldest week first; empty without convolutions.
    """

    scaler: Scaler
    weeks: np.ndarray
    convolutions: tuple[Layer, ...]
    dense: tuple[Layer, ...]
    activation: str = "relu"

    def scaled(self, x: np.ndarray) -> np.ndarray:
        """Return the inputs as the layers take them (n, d)."""
        return np.clip(self.scaler.scaled(x), -CLIP, CLIP)

    def outputs(self, z: np.ndarray) -> np.ndarray:
        """Return the outputs for scaled inputs (n, o)."""
        return self._forward(z)[0]

    def gradient(self, z: np.ndarray, slopes: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
        """Return a score's derivatives by the scaled inputs (n, d): back through the layers.

        Args:
            z: scaled inputs (n, d).
            slopes: the outputs (n, o) to the score's derivatives by them (n, o).
        """
        outputs, hidden, weekly = self._forward(z)
        slope = SLOPES[self.activation]
        back = slopes(outputs) @ self.dense[-1][0].T
        for (kernel, _), before in zip(reversed(self.dense[:-1]), reversed(hidden), strict=True):
            back = (back * slope(before)) @ kernel.T
        gradients = back[:, : z.shape[1]].copy()
        if self.convolutions:
            flow = back[:, z.shape[1] :].reshape(weekly[-1].shape)
            for (kernel, _), before in zip(reversed(self.convolutions), reversed(weekly), strict=True):
                flow = _convolved_back(flow * slope(before), kernel)
            gradients[:, self.weeks.ravel()] += flow.reshape(len(z), -1)
        return gradients

    def _forward(self, z: np.ndarray) -> tuple[np.ndarray, list[np.ndarray], list[np.ndarray]]:
        """Return the outputs, and what the hidden and the weekly layers hold before their activation."""
        weekly, hidden, active = [], [], ACTIVATIONS[self.activation]
        row = z
        if self.convolutions:
            flow = z[:, self.weeks.ravel()].reshape(len(z), *self.weeks.shape)
            for kernel, bias in self.convolutions:
                weekly.append(_convolved(flow, kernel) + bias)
                flow = active(weekly[-1])
            row = np.concatenate([z, flow.reshape(len(z), -1)], axis=1)
        for kernel, bias in self.dense[:-1]:
            hidden.append(row @ kernel + bias)
            row = active(hidden[-1])
        return row @ self.dense[-1][0] + self.dense[-1][1], hidden, weekly

    def to_bytes(self) -> bytes:
        """Return the arrays as an ``.npz``."""
        named = {"median": self.scaler.median, "mean": self.scaler.mean, "scale": self.scaler.scale}
        named |= {"weeks": self.weeks, "activation": np.array(self.activation)}
        for kind, layers in (("convolution", self.convolutions), ("dense", self.dense)):
            for number, (kernel, bias) in enumerate(layers):
                named |= {f"{kind}_{number}_kernel": kernel, f"{kind}_{number}_bias": bias}
        stream = io.BytesIO()
        np.savez(stream, **named)  # type: ignore[arg-type]
        return stream.getvalue()

    @staticmethod
    def of_bytes(content: bytes) -> ConvolutionNetwork:
        """Read :meth:`to_bytes`."""
        with np.load(io.BytesIO(content), allow_pickle=False) as held:
            arrays = {name: held[name] for name in held.files}
        layers: dict[str, list[Layer]] = {"convolution": [], "dense": []}
        for kind, layer in layers.items():
            while f"{kind}_{len(layer)}_kernel" in arrays:
                name = f"{kind}_{len(layer)}"
                layer.append((arrays[f"{name}_kernel"], arrays[f"{name}_bias"]))
        scaler = Scaler(*(arrays[name] for name in ("median", "mean", "scale")))
        activation = str(arrays.get("activation", "relu"))  # files of before hold none
        return ConvolutionNetwork(
            scaler, arrays["weeks"], tuple(layers["convolution"]), tuple(layers["dense"]), activation
        )


class _OfStack:
    def __init__(self, meta: Meta, files: dict[str, bytes]) -> None:
        self.meta, self.files = meta, files
        self.network = ConvolutionNetwork.of_bytes(files[WEIGHTS_FILE])

    def to_bytes(self) -> dict[str, bytes]:
        return self.files

    def predict(self, frame: pd.DataFrame) -> np.ndarray:
        raise NotImplementedError

    def slopes(self, outputs: np.ndarray) -> np.ndarray:
        """Return the derivatives of what contributions explain by the outputs (n, o)."""
        raise NotImplementedError

    def contributions(self, frame: pd.DataFrame) -> np.ndarray:
        """Return what each input adds (n, d), against the mean row, by integrated gradients."""
        z, zero = self._scaled(frame), np.zeros(len(self.meta.inputs))
        parts = [
            integrated_gradients(lambda row: self.network.gradient(row, self.slopes), z[start : start + _BATCH], zero)
            for start in range(0, len(z), _BATCH)
        ]
        return np.concatenate(parts) if parts else np.zeros((0, len(self.meta.inputs)))

    def _scaled(self, frame: pd.DataFrame) -> np.ndarray:
        return self.network.scaled(matrix(frame, self.meta.inputs, self.meta.name))

    def _outputs(self, frame: pd.DataFrame) -> np.ndarray:
        z = self._scaled(frame)
        parts = [self.network.outputs(z[start : start + _BATCH]) for start in range(0, len(z), _BATCH)]
        return np.concatenate(parts) if parts else np.zeros((0, len(self.network.dense[-1][1])))


class Classifier(_OfStack):
    """One output: log-odds, with the calibration of ``meta.extra``."""

    def predict(self, frame: pd.DataFrame) -> np.ndarray:
        """Return probabilities (n,)."""
        slope, intercept = self.meta.extra.get("calibration", (1.0, 0.0))
        return expit(slope * self._outputs(frame)[:, 0] + intercept)

    def slopes(self, outputs: np.ndarray) -> np.ndarray:
        """Return the slope of the log-odds, which contributions explain."""
        return np.full_like(outputs, self.meta.extra.get("calibration", (1.0, 0.0))[0])


class LogNormal(_OfStack):
    """Three outputs: log-odds that anything is spent, and mean and spread (before softplus) of its logarithm.

    Reference: Wang, Liu and Miao (2019), "A Deep Probabilistic Model for Customer Lifetime Value Prediction".
    """

    def predict(self, frame: pd.DataFrame) -> np.ndarray:
        """Return the expected spend (n,)."""
        chance, mean, spread = _parts(self._outputs(frame))
        return np.maximum(chance * np.exp(np.minimum(mean + spread**2 / 2, 30)), _LEAST)

    def interval(self, frame: pd.DataFrame, share: float = 0.8) -> tuple[np.ndarray, np.ndarray]:
        """Return the bounds of the central ``share`` (n,), (n,)."""
        chance, mean, spread = _parts(self._outputs(frame))
        ends = []
        for place in ((1 - share) / 2, (1 + share) / 2):
            beyond = np.clip((place - (1 - chance)) / np.maximum(chance, 1e-9), 1e-9, 1 - 1e-9)
            ends.append(np.where(place > 1 - chance, np.exp(mean + spread * ndtri(beyond)), 0.0))
        return ends[0], ends[1]

    def slopes(self, outputs: np.ndarray) -> np.ndarray:
        """Return the slopes of the logarithm of the expected spend, which contributions explain."""
        chance, _, spread = _parts(outputs)
        free = (spread > SPREADS[0]) & (spread < SPREADS[1])
        return np.stack([1 - chance, np.ones(len(chance)), free * spread * expit(outputs[:, 2])], axis=1)


FORMS = {"classifier": Classifier, "log_normal": LogNormal}


def read(meta: Meta, files: dict[str, bytes]) -> Model:
    """Return the network in these files."""
    return FORMS[meta.extra["form"]](meta, files)


def packed(
    name: str, family: str, form: str, inputs: tuple[str, ...], network: ConvolutionNetwork, **extra: Any
) -> Model:
    """Return the model that this network makes."""
    meta = Meta(name, "convolution", family, inputs, ("probability",), {"form": form, **extra})
    return read(meta, {"meta.json": meta.to_json().encode(), WEIGHTS_FILE: network.to_bytes()})


def _parts(outputs: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the chance of any spend, and mean and spread of its logarithm (n,) each."""
    return expit(outputs[:, 0]), outputs[:, 1], np.clip(np.logaddexp(0, outputs[:, 2]), *SPREADS)


def _convolved(flow: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    """Return a convolution over weeks, no padding: (n, t, c) with (width, c, h) to (n, t - width + 1, h)."""
    width = len(kernel)
    length = flow.shape[1] - width + 1
    return sum((flow[:, place : place + length] @ kernel[place] for place in range(width)), np.zeros(1))


def _convolved_back(flow: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    """Return the gradient by the input of :func:`_convolved`."""
    width, length = len(kernel), flow.shape[1]
    back = np.zeros((len(flow), length + width - 1, kernel.shape[1]))
    for place in range(width):
        back[:, place : place + length] += flow @ kernel[place].T
    return back
