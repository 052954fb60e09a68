"""Layers of the stored networks in NumPy: what a worker of the night computes without TensorFlow."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.special import erf

ACTIVATIONS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "relu": lambda x: np.maximum(x, 0),
    "elu": lambda x: np.where(x > 0, x, np.expm1(np.minimum(x, 0))),
    "gelu": lambda x: x * 0.5 * (1 + erf(x / np.sqrt(2))).astype(x.dtype),
    "silu": lambda x: x * sigmoid(x),
    "tanh": np.tanh,
    "sigmoid": lambda x: sigmoid(x),
}
#: their derivatives
SLOPES: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "relu": lambda x: (x > 0).astype(x.dtype),
    "elu": lambda x: np.where(x > 0, 1, np.exp(np.minimum(x, 0))),
    "gelu": lambda x: 0.5 * (1 + erf(x / np.sqrt(2))) + x * np.exp(-(x**2) / 2) / np.sqrt(2 * np.pi),
    "silu": lambda x: sigmoid(x) * (1 + x * (1 - sigmoid(x))),
    "tanh": lambda x: 1 - np.tanh(x) ** 2,
    "sigmoid": lambda x: sigmoid(x) * (1 - sigmoid(x)),
}


def sigmoid(x: np.ndarray) -> np.ndarray:
    """Return the logistic function, without overflow."""
    half: np.ndarray = 0.5 * (1 + np.tanh(0.5 * x))
    return half


def softmax(x: np.ndarray) -> np.ndarray:
    """Return the softmax over the last axis."""
    shifted = np.exp(x - x.max(axis=-1, keepdims=True))
    shares: np.ndarray = shifted / shifted.sum(axis=-1, keepdims=True)
    return shares


def gru(steps: np.ndarray, kernel: np.ndarray, recurrent: np.ndarray, bias: np.ndarray) -> np.ndarray:
    """Return the last state (b, u) of a gated recurrent unit as Keras computes it (``reset_after``).

    Reference: Cho et al. (2014), "Learning Phrase Representations using RNN Encoder-Decoder", EMNLP.

    Args:
        steps: (b, t, d) inputs.
        kernel: (d, 3 u) for update, reset and candidate.
        recurrent: (u, 3 u).
        bias: (2, 3 u) of inputs and of states.
    """
    units = recurrent.shape[0]
    state = np.zeros((len(steps), units), dtype=steps.dtype)
    projected = steps @ kernel + bias[0]
    for step in range(steps.shape[1]):
        kept = state @ recurrent + bias[1]
        gates = sigmoid(projected[:, step, : 2 * units] + kept[:, : 2 * units])
        update, reset = gates[:, :units], gates[:, units:]
        candidate = np.tanh(projected[:, step, 2 * units :] + reset * kept[:, 2 * units :])
        state = update * state + (1 - update) * candidate
    return state
