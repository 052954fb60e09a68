"""What is listed at all, by hand."""

from __future__ import annotations

import numpy as np

from bench.measures.top_lists import top_lists
from bench.peers.recommender import Recommender
from training.evaluation.full_ranking import ones


def test_lists_of_all_items_of_known_and_of_new_ones():
    model = Recommender("m", np.ones((2, 1)), np.array([[5.0, 4.0, 3.0, 2.0]]))
    recorded = ones(np.array([0, 0]), np.array([0, 2]), (2, 4))
    users = np.arange(2)
    assert top_lists(model, users, 2).tolist() == [[0, 1], [0, 1]]
    assert top_lists(model, users, 3, excluded=recorded).tolist() == [[1, 3, -1], [0, 1, 2]]
    assert top_lists(model, users, 3, only=recorded).tolist() == [[0, 2, -1], [-1, -1, -1]]
    assert top_lists(model, users, 2, allowed=np.array([False, True, True, True])).tolist() == [[1, 2], [1, 2]]
