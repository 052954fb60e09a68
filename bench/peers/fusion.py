"""Lists of several recommenders fused into one, the simplest of hybrids: nothing is learnt, only places count.

Reference: Cormack, Clarke and Buettcher (2009), "Reciprocal Rank Fusion outperforms Condorcet and individual Rank
Learning Methods", SIGIR.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import sparse

from bench.measures.top_lists import top_lists
from bench.peers.recommender import Recommender, only_own

#: the paper's constant: how little the first places count more than those after them
_CONSTANT = 60


def rank_fusion(models: Sequence[Recommender], most: int = 100) -> Recommender:
    """Score by the sum over models of 1 / (60 + place) among the model's ``most`` best; O(models x u x i).

    Raises:
        ValueError: there is no model, or they rank different users or items.
    """
    if not models or len({model.shape for model in models}) > 1:
        raise ValueError(f"fusion needs models of one shape; got {[model.shape for model in models]}")
    users = np.arange(models[0].shape[0])
    total = sparse.csr_matrix(models[0].shape, dtype="float32")
    for model in models:
        lists = top_lists(model, users, min(most, model.shape[1]))
        row, place = np.nonzero(lists >= 0)
        value = (1 / (_CONSTANT + 1 + place)).astype("float32")
        total += sparse.csr_matrix((value, (row, lists[row, place])), shape=model.shape)
    return only_own("rank fusion", total)
