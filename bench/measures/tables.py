"""Tables that benches print: expectation against what came by tenths, and what a cut of probabilities brings."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd


def deciles(truth: np.ndarray, expected: np.ndarray) -> pd.DataFrame:
    """Return mean expectation and mean truth by tenth of the expectation, the lowest first."""
    parts = np.array_split(np.argsort(expected, kind="stable"), 10)
    rows = [(len(part), float(expected[part].mean()), float(truth[part].mean())) for part in parts]
    return pd.DataFrame(rows, columns=["customers", "predicted", "came"])


def threshold_sweep(
    probability: np.ndarray, happened: np.ndarray, limits: np.ndarray, cuts: Sequence[float]
) -> pd.DataFrame:
    """Return what a cut from probabilities to recommended characteristics brings, over all customers together.

    Args:
        probability: (n, l).
        happened: (n, l) whether the customer bought it.
        limits: (l,) the threshold chosen for each characteristic.
        cuts: one threshold for all, each in turn.

    Returns:
        ``threshold`` (text), ``precision`` (1 where nothing is recommended), ``recall``, ``f1``, ``mean_f1`` of the
        characteristics that are recommended or bought at all, each counting once, and ``each``: how many are
        recommended to a customer; the last row is of ``limits``.
    """
    rows = []
    for name, limit in (*((f"{cut:g}", np.float64(cut)) for cut in cuts), ("one each", limits)):
        named = probability >= limit
        hits, sizes = (named & happened).sum(axis=0), named.sum(axis=0) + happened.sum(axis=0)
        precision = hits.sum() / named.sum() if named.any() else 1.0
        recall, f1 = hits.sum() / max(happened.sum(), 1), 2 * hits.sum() / max(sizes.sum(), 1)
        mean = float((2 * hits[sizes > 0] / sizes[sizes > 0]).mean()) if sizes.any() else 0.0
        rows.append((name, precision, recall, f1, mean, named.sum() / len(named)))
    return pd.DataFrame(rows, columns=["threshold", "precision", "recall", "f1", "mean_f1", "each"])
