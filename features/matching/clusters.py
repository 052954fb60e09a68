"""Clusters of records from chances of pairs, by average linkage over the pairs that were compared.

The surest pair comes first. Two clusters become one if the mean log-odds of the pairs between them is above zero. Pairs
between them that were never compared (the records have nearer neighbours, or little in common) count as :data:`UNSEEN`
each, but no more than :data:`MOST_UNSEEN` of them for each pair that was: so hundreds of copies of one thing become one
cluster although each was compared with few, while one bridge between two clusters does not chain them.
"""

from __future__ import annotations

import numpy as np

#: log-odds of a pair that was not compared, and how many of these count for each that was
UNSEEN, MOST_UNSEEN = -1.0, 3


def linked(n: int, pairs: np.ndarray, odds: np.ndarray) -> np.ndarray:
    """Return the cluster of each record, int64 (n,): the least row of its members.

    Args:
        n: number of records.
        pairs: int64 (m, 2), each once.
        odds: log-odds of each to be one, less those of the threshold; pairs below zero speak against a cluster.
    """
    parent, size = list(range(n)), [1] * n
    between: list[dict[int, tuple[float, int]]] = [{} for _ in range(n)]
    for (one, other), value in zip(pairs.tolist(), odds.tolist(), strict=True):
        between[one][other] = between[other][one] = (value, 1)
    for row in np.lexsort((pairs[:, 1], pairs[:, 0], -odds)):
        if odds[row] < 0:
            break
        a, b = _root(parent, int(pairs[row, 0])), _root(parent, int(pairs[row, 1]))
        if a == b:
            continue
        total, seen = between[a][b]
        unseen = min(size[a] * size[b] - seen, MOST_UNSEEN * seen)
        if total + UNSEEN * unseen <= 0:
            continue
        if len(between[a]) < len(between[b]):
            a, b = b, a
        _absorb(between, a, b)
        parent[b] = a
        size[a] += size[b]
    roots = np.array([_root(parent, row) for row in range(n)], np.int64)
    least = np.full(n, n, np.int64)
    np.minimum.at(least, roots, np.arange(n))
    return least[roots]


def _root(parent: list[int], row: int) -> int:
    while parent[row] != row:
        parent[row] = parent[parent[row]]
        row = parent[row]
    return row


def _absorb(between: list[dict[int, tuple[float, int]]], a: int, b: int) -> None:
    """Give all that cluster ``b`` has to do with others to cluster ``a``."""
    for other, (value, count) in between[b].items():
        if other == a:
            continue
        before, counted = between[a].get(other, (0.0, 0))
        between[a][other] = between[other][a] = (before + value, counted + count)
        del between[other][b]
    del between[a][b]
    between[b] = {}
