"""P(bought again within a horizon) by an item's interval, in NumPy; the night has it as a Spark expression."""

from __future__ import annotations

import numpy as np
from scipy.special import ndtr


def due(repeat: np.ndarray, mu: np.ndarray, sigma: np.ndarray, age: np.ndarray, horizon: float) -> np.ndarray:
    """Return P(bought within ``horizon`` days | not bought in the ``age`` days since the last purchase)."""
    before = ndtr((np.log(age + 0.5) - mu) / sigma)
    later = ndtr((np.log(age + horizon + 0.5) - mu) / sigma)
    return repeat * (later - before) / np.maximum(1 - repeat * before, 1e-12)
