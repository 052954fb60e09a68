"""EASE: a linear item-to-item model with a closed form.

Reference: Steck (2019), "Embarrassingly Shallow Autoencoders for Sparse Data", WWW.
"""

from __future__ import annotations

import numpy as np
from scipy.linalg import lapack


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
