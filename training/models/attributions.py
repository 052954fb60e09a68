"""What each input adds to a score, for models without exact contributions.

n = rows, d = inputs. Linear models and trees have exact ones of their own (``Model.contributions``).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np


def integrated_gradients(
    gradient: Callable[[np.ndarray], np.ndarray], x: np.ndarray, baseline: np.ndarray, steps: int = 32
) -> np.ndarray:
    """Return what each input adds to a score on the straight way from ``baseline`` to ``x``.

    The parts of a row add up to score(x) - score(baseline), as far as ``steps`` points tell the way (completeness).

    Args:
        gradient: inputs (n, d) to the score's derivatives by them (n, d); the score's own unit is kept: give the
            derivative of log-odds where log-odds are to be explained.
        x: the rows (n, d).
        baseline: what is compared with, (d,) or (n, d): for scaled inputs zeros, which is the mean row.
        steps: points on the way, of a Gauss-Legendre rule; O(n x steps) gradients.

    Reference: Sundararajan, Taly and Yan (2017), "Axiomatic Attribution for Deep Networks".
    """
    points, weights = np.polynomial.legendre.leggauss(steps)
    way = x - baseline
    total = np.zeros(np.shape(x), dtype="float64")
    for point, weight in zip((points + 1) / 2, weights / 2, strict=True):
        total += weight * gradient(baseline + point * way)
    return way * total
