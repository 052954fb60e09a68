"""The honest baselines: what most buy, and what the customer buys most, lately or with their group.

Reference: Hu, He, Gao and Zhang (2020), "Modeling Personalized Item Frequency Information for Next-basket
Recommendation", SIGIR; Li, Jullien, Ariannezhad and de Rijke (2023), "A Next Basket Recommendation Reality Check",
TOIS 41(4), for personal frequency with group frequency where there is none.
"""

from __future__ import annotations

import numpy as np

from bench.peers.history import History
from bench.peers.recommender import Recommender, only_own

#: breaks ties among equals by recency or popularity: never worth a basket
_TIE = 1e-3


def popularity(past: History, days: int | None = 84) -> Recommender:
    """Score items by the share of users who bought them in the last ``days`` days (or ever)."""
    buyers = np.asarray((past.counts(days) > 0).sum(axis=0), dtype="float32")
    return Recommender("popularity", np.ones((past.shape[0], 1), "float32"), buyers / max(past.shape[0], 1))


def personal_frequency(past: History, days: int = 84, weight: float = 2.0) -> Recommender:
    """Score by the user's baskets with the item, the last ``days`` days' counted ``1 + weight`` times.

    Ties go to the item bought later, and among items never bought to the popular ones.
    """
    recent = past.latest()
    recent.data = _TIE / (1 + recent.data)
    often = past.counts() + weight * past.counts(days) + recent
    popular = popularity(past)
    return Recommender("personal frequency", popular.left, popular.right * _TIE**2, often.tocsr())


def decayed_frequency(past: History, half_life: float, group: float = 0.0) -> Recommender:
    """Score by baskets that fade with their age, and by what everybody's faded baskets say.

    Args:
        past: the history.
        half_life: days after which a basket counts half.
        group: weight of the group's mean against the user's own.
    """
    own = past.faded(half_life)
    everybody = np.asarray(own.mean(axis=0), dtype="float32").reshape(1, -1)
    return Recommender("decayed frequency", np.full((past.shape[0], 1), group, "float32"), everybody, own)


def repeat_frequency(past: History) -> Recommender:
    """Score by the user's baskets with the item alone; nothing is said of what was never bought."""
    return only_own("frequency", past.counts())
