"""The best items of every user out of all items, by a recommender of the benches.

u = users, i = items, k = length of a list.
"""

from __future__ import annotations

import numpy as np
from scipy import sparse

from bench.peers.recommender import Recommender, blocks
from training.evaluation.top_k import best_columns


def top_lists(
    model: Recommender, users: np.ndarray, k: int, excluded: sparse.csr_matrix | None = None,
    allowed: np.ndarray | None = None, only: sparse.csr_matrix | None = None,
) -> np.ndarray:  # fmt: skip
    """Rank all items for some users; O(u x i) with a partial sort, in blocks.

    Args:
        model: the recommender.
        users: (u,) rows.
        k: length of a list.
        excluded: (all users, i) items that are not listed for a user: what they have already, for discoveries.
        allowed: (i,) boolean: items that may be listed at all.
        only: (all users, i) the only items that are listed for a user: what they have already, for repeats.

    Returns:
        (u, k); ties go to the first item.
    """
    lists = [np.empty((0, k), dtype="int64")]
    for part in blocks(users, model.shape[1]):
        scores = model.scores(part)
        if allowed is not None:
            scores[:, ~allowed] = -np.inf
        if excluded is not None:
            cells = excluded[part].tocoo()
            scores[cells.row, cells.col] = -np.inf
        if only is not None:
            scores[~(only[part] != 0).toarray()] = -np.inf
        lists.append(best_columns(scores, k))
    return np.concatenate(lists)
