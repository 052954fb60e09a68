"""Clusters by average linkage, and chances moved to a table."""

from __future__ import annotations

import numpy as np
import pytest

from features.matching.chances import LEAST_CHANCE, against_rivals, settled
from features.matching.clusters import linked


def test_one_bridge_does_not_chain_two_clusters() -> None:
    pairs = np.array([[0, 1], [0, 2], [1, 2], [3, 4], [3, 5], [4, 5], [2, 3]])
    odds = np.array([3.0, 3.0, 3.0, 3.0, 3.0, 3.0, 1.0])
    assert linked(6, pairs, odds).tolist() == [0, 0, 0, 3, 3, 3]
    assert linked(6, pairs, -odds).tolist() == list(range(6))
    assert linked(3, np.zeros((0, 2), np.int64), np.zeros(0)).tolist() == [0, 1, 2]


def test_a_pair_that_speaks_against_holds_two_records_apart() -> None:
    pairs = np.array([[0, 1], [1, 2], [0, 2]])
    assert linked(3, pairs, np.array([2.0, 1.0, -4.0])).tolist() == [0, 0, 2]


def test_copies_of_which_each_was_compared_with_few_are_one_cluster() -> None:
    pairs = np.array([[row, row + step] for row in range(100) for step in range(1, 11) if row + step < 100])
    assert set(linked(100, pairs, np.full(len(pairs), 4.0))) == {0}


def test_chances_fall_where_hardly_a_pair_is_one() -> None:
    doubtful, threshold = settled(np.full(1000, -1.0), 0.3)
    assert (doubtful < 0.1).all()
    assert threshold == LEAST_CHANCE
    sure, _ = settled(np.concatenate([np.full(5, 6.0), np.full(995, -8.0)]), 0.3)
    assert (sure[:5] > 0.9).all()
    assert settled(np.zeros(0), 0.3)[0].tolist() == []


def test_the_lead_over_rivals_is_by_either_record() -> None:
    pairs = np.array([[0, 0], [0, 1], [1, 1]])
    rivals = against_rivals(pairs, np.array([5.0, 2.0, 1.0]))
    # the first leads the second by 3, and nobody else wants its right record, which counts as -8
    assert rivals[0].tolist() == pytest.approx([5, 3, 8, 3, 1, 4])
    assert rivals[1, 1] == -3
