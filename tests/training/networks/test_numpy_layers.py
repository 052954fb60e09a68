"""The NumPy layers against Keras's own."""

from __future__ import annotations

import numpy as np
import pytest

from training.networks.backend import keras_for
from training.networks.numpy_layers import ACTIVATIONS, gru, softmax


def test_the_gated_recurrent_unit_is_kerass() -> None:
    keras = keras_for(1)
    steps = np.random.default_rng(1).normal(size=(5, 7, 4)).astype("float32")
    layer = keras.layers.GRU(3, bias_initializer="random_normal")
    assert np.allclose(gru(steps, *(np.asarray(w) for w in _after(layer, steps))), np.asarray(layer(steps)), atol=1e-6)


def _after(layer, steps):  # type: ignore[no-untyped-def]
    layer(steps)
    return layer.get_weights()


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activations_are_kerass(name: str) -> None:
    keras = keras_for(1)
    values = np.linspace(-4, 4, 41).astype("float32")
    own = ACTIVATIONS[name](values)
    other = np.asarray(getattr(keras.activations, name)(values, **({"approximate": False} if name == "gelu" else {})))
    assert np.allclose(own, other, atol=1e-6)


def test_softmax_bears_large_numbers() -> None:
    assert softmax(np.array([[1000.0, 1000.0 + np.log(3)]])) == pytest.approx(np.array([[0.25, 0.75]]))
