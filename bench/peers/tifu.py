"""TIFU-kNN: faded personal item frequency, mixed with that of the users with the most similar one.

Reference: Hu, He, Gao and Zhang (2020), "Modeling Personalized Item Frequency Information for Next-basket
Recommendation", SIGIR.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import sparse

from bench.peers.history import History
from bench.peers.recommender import Recommender

_BLOCK = 1024


@dataclass(frozen=True)
class TifuConfig:
    """Everything that changes the result; the names are the paper's.

    ``within`` and ``between`` are the decays of a basket within its group and of a group, ``size`` the baskets of a
    group, ``alpha`` the weight of the user's own vector.
    """

    neighbours: int = 300
    within: float = 0.9
    between: float = 0.7
    alpha: float = 0.7
    size: int = 7


def tifu(past: History, config: TifuConfig) -> Recommender:
    """Fit; O(u^2 x items of a user) for the neighbours, u x ``neighbours`` kept."""
    own = personal_vectors(past, config)
    near = _nearest(own, config.neighbours)
    return Recommender("TIFU-kNN", (1 - config.alpha) * near, own, config.alpha * own)


def personal_vectors(past: History, config: TifuConfig) -> sparse.csr_matrix:
    """Return each user's faded item frequencies (u, i).

    Baskets are cut into groups of ``size`` from the last backwards (the first group may be short); a group's vector is
    the mean of its faded baskets, the user's vector the mean of the faded groups.
    """
    baskets = np.zeros(past.shape[0], dtype="int64")
    np.maximum.at(baskets, past.user, past.back + 1)
    group, place = past.back // config.size, past.back % config.size
    total = baskets[past.user]
    in_group = np.minimum(config.size, total - group * config.size)
    groups = -(-total // config.size)
    weight = config.within**place / in_group * config.between**group / groups
    return past.weighted(weight)


def _nearest(rows: sparse.csr_matrix, most: int) -> sparse.csr_matrix:
    """Return (u, u) with ``1 / most`` at each user's nearest others by Euclidean distance."""
    users = rows.shape[0]
    most = min(most, users - 1)
    if most < 1:
        return sparse.csr_matrix((users, users), dtype="float32")
    squares = np.asarray(rows.multiply(rows).sum(axis=1)).ravel()
    other, lists = rows.T.tocsr(), []
    for start in range(0, users, _BLOCK):
        part = rows[start : start + _BLOCK]
        distance = squares[None, :] - 2 * np.asarray((part @ other).todense())
        distance[np.arange(part.shape[0]), np.arange(start, start + part.shape[0])] = np.inf
        lists.append(np.sort(np.argpartition(distance, most - 1, axis=1)[:, :most], axis=1))
    index = np.concatenate(lists).ravel()
    values = np.full(len(index), 1 / most, dtype="float32")
    return sparse.csr_matrix((values, index, np.arange(0, len(index) + 1, most)), shape=(users, users))
