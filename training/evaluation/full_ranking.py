"""Full ranking with matrices: the best items of every user out of all items, and how good these lists are.

u = users, i = items, k = length of a list. Lists are arrays (u, k) of item columns, the best first, -1 where there is
nothing left to list. Truth is a sparse matrix (u, i). For frames of ids see :mod:`training.evaluation.metrics`.

References: Järvelin and Kekäläinen (2002) for NDCG; Vargas and Castells (2011), "Rank and Relevance in Novelty and
Diversity Metrics for Recommender Systems", RecSys, for novelty; Ziegler, McNee, Konstan and Lausen (2005), "Improving
Recommendation Lists Through Topic Diversification", WWW, for diversity; Steck (2018), "Calibrated Recommendations",
RecSys, for calibration.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy import sparse


def list_metrics(lists: np.ndarray, truth: sparse.csr_matrix) -> pd.DataFrame:
    """Judge lists (u, k) against what the same users took (u, i).

    Returns:
        A row per user: ``hit_rate``, ``ndcg`` (binary relevance, the ideal list is as long as the truth allows),
        ``recall``, ``precision`` (over k) and ``map`` (over the whole truth); NaN without truth.
    """
    k = lists.shape[1]
    hits = membership(lists, truth)
    wanted = np.diff(truth.indptr).astype(float)
    gain = 1 / np.log2(np.arange(k) + 2)
    ideal = np.concatenate([[np.nan], np.cumsum(gain)])
    possible = np.minimum(wanted, k).astype(int)
    hit_counts = hits.sum(axis=1)
    at_rank = np.cumsum(hits, axis=1) / (np.arange(k) + 1)
    with np.errstate(invalid="ignore", divide="ignore"):
        frame = pd.DataFrame(
            {
                "hit_rate": np.where(wanted > 0, hit_counts > 0, np.nan),
                "ndcg": (hits @ gain) / ideal[possible],
                "recall": hit_counts / np.where(wanted > 0, wanted, np.nan),
                "precision": np.where(wanted > 0, hit_counts / k, np.nan),
                "map": (at_rank * hits).sum(axis=1) / np.where(wanted > 0, wanted, np.nan),
            }
        )
    return frame


def membership(lists: np.ndarray, truth: sparse.csr_matrix) -> np.ndarray:
    """Return (u, k): 1.0 where the listed item is in the user's truth."""
    width = truth.shape[1]
    owner = np.repeat(np.arange(truth.shape[0], dtype="int64"), np.diff(truth.indptr))
    keys = np.sort(owner * width + truth.indices)
    asked = np.arange(len(lists), dtype="int64")[:, None] * width + lists
    place = np.minimum(np.searchsorted(keys, asked), max(len(keys) - 1, 0))
    there = (keys[place] == asked) if len(keys) else np.zeros(lists.shape, dtype=bool)
    return (there & (lists >= 0)).astype(float)


def variety(lists: np.ndarray, share: np.ndarray, users: int) -> dict[str, float]:
    """Say how much of the catalogue is shown and how surprising it is.

    Args:
        lists: (u, k).
        share: (i,) share of users who have the item.
        users: users that ``share`` is of; an item that nobody has counts as if one had.

    Returns:
        ``coverage``: share of the items that are in any list; ``novelty``: self-information in bits, the mean over
        users of the mean over their lists.
    """
    listed = lists >= 0
    rare = np.where(listed, -np.log2(np.maximum(share, 1 / max(users, 2)))[lists], 0)
    novelty = rare.sum(axis=1)[listed.any(axis=1)] / listed.sum(axis=1)[listed.any(axis=1)]
    return {
        "coverage": len(np.unique(lists[listed])) / max(len(share), 1),
        "novelty": float(novelty.mean()) if len(novelty) else float("nan"),
    }


def diversity(lists: np.ndarray, seen: sparse.csr_matrix) -> float:
    """Return how unlike each other the items of a list are: 1 - their mean cosine, over the users' mean.

    Args:
        lists: (u, k); lists of fewer than two items do not count.
        seen: (all users, i) who had what: two items are alike if the same users have them.
    """
    shown, place = np.unique(lists, return_inverse=True)
    place, listed = place.reshape(lists.shape), lists >= 0
    owners = seen.tocsc()[:, np.maximum(shown, 0)]
    length = np.sqrt(np.asarray(owners.multiply(owners).sum(axis=0)).ravel())
    unit = (owners @ sparse.diags(1 / np.maximum(length, 1e-12))).tocsc()
    alike = np.asarray((unit.T @ unit).todense())
    together, pairs = np.zeros(len(lists)), np.zeros(len(lists))
    for first in range(lists.shape[1]):
        for second in range(first):
            both = listed[:, first] & listed[:, second]
            together += np.where(both, alike[place[:, first], place[:, second]], 0)
            pairs += both
    return float(1 - (together[pairs > 0] / pairs[pairs > 0]).mean()) if pairs.any() else float("nan")


def miscalibration(lists: np.ndarray, had: sparse.csr_matrix, group: np.ndarray, mixed: float = 0.01) -> float:
    """Return how far the groups (categories) of a list are from those of the user's history: KL, mean over users.

    Args:
        lists: (u, k).
        had: (u, i) how often the same users had what.
        group: (i,) number of each item's group.
        mixed: share of the history's groups mixed into the list's, so that an absent group is no infinity.
    """
    size = int(group.max(initial=0)) + 1
    of_item = sparse.csr_matrix((np.ones(len(group)), (np.arange(len(group)), group)), shape=(len(group), size))
    row, place = np.nonzero(lists >= 0)
    cells = (np.ones(len(row)), (row, group[lists[row, place]]))
    shown = sparse.csr_matrix(cells, shape=(len(lists), size)).toarray()
    past = np.asarray((had @ of_item).todense())
    has_both = (past.sum(axis=1) > 0) & (shown.sum(axis=1) > 0)
    if not has_both.any():
        return float("nan")
    p, q = (part[has_both] / part[has_both].sum(axis=1, keepdims=True) for part in (past, shown))
    with np.errstate(divide="ignore", invalid="ignore"):
        divergence = np.where(p > 0, p * np.log(p / ((1 - mixed) * q + mixed * p)), 0)
    return float(divergence.sum(axis=1).mean())


def ones(user: np.ndarray, item: np.ndarray, shape: tuple[int, int]) -> sparse.csr_matrix:
    """Return the matrix with 1 at each pair, however often it comes."""
    matrix = sparse.csr_matrix((np.ones(len(user), dtype="float32"), (user, item)), shape=shape)
    matrix.sum_duplicates()
    matrix.data[:] = 1
    return matrix
