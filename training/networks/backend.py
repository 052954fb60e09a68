"""Keras on TensorFlow, made to give the same result every time."""

from __future__ import annotations

import os
from typing import Any


def keras_for(seed: int) -> Any:
    """Import Keras, seeded and deterministic; the names of layers start anew, so that equal models give equal files."""
    os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    import keras
    import tensorflow

    keras.utils.set_random_seed(seed)
    tensorflow.config.experimental.enable_op_determinism()
    keras.utils.clear_session()
    return keras
