"""EASE: a linear item-to-item model with a closed form.

Reference: Steck (2019), "Embarrassingly Shallow Autoencoders for Sparse Data", WWW.
"""

from __future__ import annotations

import numpy as np
from scipy.linalg import lapack

from training.recommenders.history import History
from training.recommenders.recommender import Recommender


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
    known = bought[:, kept]
    weights = ease_weights((known.T @ known).toarray(), penalty)
    return Recommender("EASE", known, weights, columns=kept, items=past.shape[1])


def ease_weights(gram: np.ndarray, penalty: float) -> np.ndarray:
    """Return the item-to-item weights (i, i), float32, zero on the diagonal, from the gram matrix (i, i).

    Raises:
        ValueError: the regularised matrix is not positive definite; raise ``penalty``.
    """
    square = np.array(gram, dtype="float64", order="F")
    if not len(square):
        return square.astype("float32")
    square[np.diag_indices_from(square)] += penalty
    factor, bad = lapack.dpotrf(square, lower=1, overwrite_a=1)
    if bad:
        raise ValueError(f"EASE needs a positive definite matrix; minor {bad} is not with penalty {penalty}")
    lower, _ = lapack.dpotri(factor, lower=1, overwrite_c=1)
    inverse = np.tril(lower) + np.tril(lower, -1).T
    weights = -inverse / np.diag(inverse)
    np.fill_diagonal(weights, 0)
    return weights.astype("float32")
