from __future__ import annotations

import numpy as np
import pytest

from bench.peers.fusion import rank_fusion
from bench.peers.recommender import Recommender


def ranking(*scores: float) -> Recommender:
    return Recommender("m", np.ones((1, 1), "float32"), np.array([scores], dtype="float32"))


def test_places_count_and_scores_do_not():
    fused = rank_fusion([ranking(9, 8, 7), ranking(0.1, 900, 0.2)], most=2)
    # first list: items 0, 1; second list: items 1, 2
    assert fused.scores(np.array([0])).ravel().tolist() == pytest.approx([1 / 61, 1 / 61 + 1 / 62, 1 / 62])


def test_models_of_other_items_are_refused():
    with pytest.raises(ValueError, match="one shape"):
        rank_fusion([ranking(1, 2), ranking(1, 2, 3)])
    with pytest.raises(ValueError, match="one shape"):
        rank_fusion([])
