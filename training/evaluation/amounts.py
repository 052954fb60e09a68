"""How expectations of amounts are evaluated; n = customers.

The gate's metric is a customer's negative Tweedie deviance of power 1.5 (:func:`deviances`): it is proper for an
expectation, bears the zeros of those who stay away, and lets neither the few largest customers nor the many smallest
decide alone.
"""

from __future__ import annotations

import numpy as np
from scipy.stats import spearmanr

#: expectations below this are judged as if they were this, in the source's currency
FLOOR = 1.0


def deviances(truth: np.ndarray, expected: np.ndarray, floor: float = FLOOR) -> np.ndarray:
    """Return each customer's Tweedie deviance of power 1.5 (n,): 0 is perfect.

    Reference: Jørgensen (1987), "Exponential Dispersion Models". Expectations below ``floor`` count as that.
    """
    mean = np.sqrt(np.maximum(expected, floor))
    return 4 * (np.sqrt(truth) - mean) ** 2 / mean


def value_metrics(
    truth: np.ndarray, expected: np.ndarray, bounds: tuple[np.ndarray, np.ndarray] | None = None
) -> dict[str, float]:
    """Return ``deviance``, ``mae``, both correlations, ``total`` (expected over come) and ``coverage``.

    ``coverage`` is the share of what came that lies within ``bounds``; it is left out where there are none.
    """
    some = np.ptp(expected) > 0 and np.ptp(truth) > 0
    metrics = {
        "deviance": float(deviances(truth, expected).mean()),
        "mae": float(np.abs(truth - expected).mean()),
        "correlation": float(np.corrcoef(truth, expected)[0, 1]) if some else float("nan"),
        "rank_correlation": float(spearmanr(truth, expected)[0]) if some else float("nan"),
        "total": float(expected.sum() / truth.sum()) if truth.sum() else float("nan"),
    }
    if bounds is not None:
        metrics["coverage"] = float(((truth >= bounds[0] - 1e-9) & (truth <= bounds[1] + 1e-9)).mean())
    return metrics
