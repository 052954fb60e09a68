"""Communities of a weighted graph: parts whose members have more in common than their sizes alone would give.

Modularity is maximised by splitting in two along the leading eigenvector, each split then improved by moving single
nodes, until no split raises it. n = nodes; O(n^3) a split, so for some thousand nodes (shops, partners), not millions.

Reference: Newman (2006), "Finding Community Structure in Networks Using the Eigenvectors of Matrices", Physical Review
E 74.
"""

from __future__ import annotations

import numpy as np

_LEAST_GAIN = 1e-9
#: moves of a node, on average, at the most
_PASSES = 20


def communities(weights: np.ndarray) -> tuple[np.ndarray, float]:
    """Split a graph.

    Args:
        weights: (n, n) symmetric, not negative, zero on the diagonal.

    Returns:
        (n,) community of each node, 0 being that of the first node, and the modularity of the partition; a node
        without neighbours is a community of its own.

    Raises:
        ValueError: the matrix is not symmetric.
    """
    if not np.allclose(weights, weights.T):
        raise ValueError("weights must be symmetric; make them so by the mean of both directions")
    degree, total = weights.sum(axis=1), float(weights.sum())
    if total == 0:
        return np.arange(len(weights)), 0.0
    surplus = weights - np.outer(degree, degree) / total
    alone = np.flatnonzero(degree == 0)
    parts, final = [np.flatnonzero(degree > 0)], [np.array([node]) for node in alone]
    while parts:
        part = parts.pop()
        side = _split(surplus[np.ix_(part, part)])
        if side is None:
            final.append(part)
        else:
            parts += [part[side], part[~side]]
    community = np.empty(len(weights), dtype=int)
    for number, part in enumerate(sorted(final, key=lambda members: int(members.min()))):
        community[part] = number
    same = community[:, None] == community[None, :]
    return community, float(surplus[same].sum() / total)


def _split(surplus: np.ndarray) -> np.ndarray | None:
    """Return which nodes go to one side, or None where no split raises the modularity."""
    if len(surplus) < 2:
        return None
    within = surplus - np.diag(surplus.sum(axis=1))
    vector = np.linalg.eigh(within)[1][:, -1]
    first = vector[np.argmax(np.abs(vector))]
    sign = np.where(vector * first >= 0, 1.0, -1.0)
    for _ in range(_PASSES * len(sign)):
        # moving node i changes s'Ws by -4 s_i (Ws)_i + 4 W_ii
        gain = -sign * (within @ sign) + np.diag(within)
        best = int(np.argmax(gain))
        if gain[best] <= _LEAST_GAIN:
            break
        sign[best] = -sign[best]
    side = sign > 0
    return side if 0 < side.sum() < len(side) and sign @ within @ sign > _LEAST_GAIN else None
