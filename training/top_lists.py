"""Full ranking with matrices: the best items of every user out of all items, and how good these lists are.

u = users, i = items, k = length of a list. Lists are arrays (u, k) of item columns, the best first, -1 where there is
nothing left to list. Truth is a sparse matrix (u, i). For frames of ids see :mod:`training.evaluation`.

References: Järvelin and Kekäläinen (2002) for NDCG; Vargas and Castells (2011), "Rank and Relevance in Novelty and
Diversity Metrics for Recommender Systems", RecSys, for novelty.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy import sparse

from training.recommenders.recommender import Recommender, blocks
from training.top_k import best_columns


def top_lists(
    model: Recommender, users: np.ndarray, k: int, excluded: sparse.csr_matrix | None = None,
    allowed: np.ndarray | None = None, only: sparse.csr_matrix | None = None,
) -> np.ndarray:  # fmt: skip
    """Rank all items for some users; O(u x i) with a partial sort, in blocks.

    Args:
        model: the recommender.
        users: (u,) rows.
        k: length of a list.
        excluded: (all users, i) items that are not listed for a user: what he knows already, for discoveries.
        allowed: (i,) boolean: items that may be listed at all.
        only: (all users, i) the only items that are listed for a user: what he knows already, for repeats.

    Returns:
        (u, k); ties go to the first item.
    """
    found = [np.empty((0, k), dtype="int64")]
    for part in blocks(users, model.shape[1]):
        scores = model.scores(part)
        if allowed is not None:
            scores[:, ~allowed] = -np.inf
        if excluded is not None:
            cells = excluded[part].tocoo()
            scores[cells.row, cells.col] = -np.inf
        if only is not None:
            scores[~(only[part] != 0).toarray()] = -np.inf
        found.append(best_columns(scores, k))
    return np.concatenate(found)


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
    found = hits.sum(axis=1)
    at_rank = np.cumsum(hits, axis=1) / (np.arange(k) + 1)
    with np.errstate(invalid="ignore", divide="ignore"):
        frame = pd.DataFrame(
            {
                "hit_rate": np.where(wanted > 0, found > 0, np.nan),
                "ndcg": (hits @ gain) / ideal[possible],
                "recall": found / np.where(wanted > 0, wanted, np.nan),
                "precision": np.where(wanted > 0, found / k, np.nan),
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
    each = rare.sum(axis=1)[listed.any(axis=1)] / listed.sum(axis=1)[listed.any(axis=1)]
    return {
        "coverage": len(np.unique(lists[listed])) / max(len(share), 1),
        "novelty": float(each.mean()) if len(each) else float("nan"),
    }
