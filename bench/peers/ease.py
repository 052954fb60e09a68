"""EASE on a history in memory; the weights are those of the night (:mod:`training.recommenders.ease`)."""

from __future__ import annotations

import numpy as np

from bench.peers.history import History
from bench.peers.recommender import Recommender
from training.recommenders.ease import ease_weights


def ease(
    past: History, penalty: float = 200.0, most_items: int = 6000, half_life: float | None = None, binary: bool = False
) -> Recommender:
    """Fit on the logarithm of the baskets; O(i^3) for the ``most_items`` items with most buyers, others score 0.

    Args:
        past: the history.
        penalty: L2 on the weights.
        most_items: size of the square matrix that is inverted.
        half_life: days after which a basket counts half; None for never.
        binary: take whether, not how often.
    """
    bought = past.faded(half_life).log1p()
    if binary:
        bought.data[:] = 1
    buyers = np.asarray((bought > 0).sum(axis=0)).ravel()
    kept = np.sort(np.argsort(-buyers, kind="stable")[:most_items])
    cells = bought[:, kept]
    weights = ease_weights((cells.T @ cells).toarray(), penalty)
    return Recommender("EASE", cells, weights, columns=kept, items=past.shape[1])
