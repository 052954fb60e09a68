"""A history in which customers of two sorts buy what their sort buys."""

from __future__ import annotations

import numpy as np
import pytest

from bench.peer_networks.examples import Side
from bench.peers.history import History, history

USERS, ITEMS, DAYS = 60, 24, 160


@pytest.fixture(scope="session")
def past() -> History:
    """Even users buy of the items 0 to 11, odd ones of 12 to 23, the earlier of these more often; a basket a week."""
    generator = np.random.default_rng(1)
    share = 0.7 / (1 + np.arange(12))
    lines = []
    for user in range(USERS):
        for number, day in enumerate(range(user % 7, DAYS, 7)):
            items = np.flatnonzero(generator.random(12) < share) + 12 * (user % 2)
            lines += [(user, item, day, number) for item in items]
    user, item, day, basket = np.array(lines).T
    return history(user, item, day, basket, DAYS, (USERS, ITEMS))


@pytest.fixture(scope="session")
def side() -> Side:
    """Words say nothing of the sort; a group does."""
    items = np.arange(ITEMS)
    words = np.stack([1 + items % 5, 6 + items % 3], axis=1).astype("int32")
    return Side(words, np.zeros((USERS, 0), dtype="float32"), (items // 12)[:, None].astype("int32"))
