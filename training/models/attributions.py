"""What each input adds to a score, for models without exact contributions.

n = rows, d = inputs. Linear models and trees have exact ones of their own (``Model.contributions``).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd

from training.models.artifacts import Model

#: inputs named as drivers of a score
MOST = 3


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


def strongest(model: Model, frame: pd.DataFrame, both_ways: bool = False) -> np.ndarray:
    """Return the names of the inputs that drive a score most (n, :data:`MOST`), None where there are fewer.

    Args:
        model: with exact or approximate contributions.
        frame: its inputs.
        both_ways: of customers whose score is below the mean, name what lowers it; else only what raises it.
    """
    added = np.round(model.contributions(frame), 6)
    if both_ways:
        added = added * np.where(added.sum(axis=1) < 0, -1, 1)[:, None]
    order = np.argsort(-added, axis=1, kind="stable")[:, :MOST]
    names = np.array(model.meta.inputs, dtype=object)[order]
    names[np.take_along_axis(added, order, axis=1) <= 0] = None
    return names
