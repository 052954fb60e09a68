from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from bench.measures.comparison import RankingTask, compare, gain, shown, table
from bench.measures.splits import last_window
from bench.peers.frequency import personal_frequency, popularity
from bench.peers.history import history
from bench.peers.pair_features import pair_features
from bench.peers.two_stage import (
    RANKER,
    candidate_pairs,
    candidate_recall,
    fit_ranker,
    labels,
    ranked,
    source_pairs,
)
from training.evaluation.full_ranking import ones

USERS, ITEMS = 60, 12


@pytest.fixture(scope="module")
def lines() -> np.ndarray:
    """Users who buy their own two items every week, and one item of the others' now and then."""
    generator = np.random.default_rng(5)
    rows = []
    for user in range(USERS):
        for week in range(20):
            bought = {user % 6, (user + 1) % 6} if generator.random() < 0.8 else set()
            rows += [[user, item, 7 * week, 100 * user + week] for item in bought | {int(generator.integers(6, 12))}]
    return np.array(rows)


def test_features_of_a_hand_made_history():
    past = history(*np.array([[0, 0, 0, 0], [0, 0, 10, 1], [0, 1, 95, 2], [1, 0, 100, 3]]).T, 100, (3, 2))
    row, column = np.array([0, 0, 1, 2]), np.array([0, 1, 1, 0])
    result = pair_features(past, row, column, [popularity(past)], {"shelf": np.array([0, 0])})
    actual = {name: result.values[:, number] for number, name in enumerate(result.names)}
    assert actual["own_total"].tolist() == [2, 1, 0, 0]
    assert actual["own_age_last"].tolist()[:2] == [91, 6]
    assert actual["own_age_first"].tolist()[:2] == [101, 6]
    assert actual["own_interval"][0] == 10
    assert actual["own_due"][0] == pytest.approx(9.1)
    assert np.isnan(actual["own_age_last"][2:]).all()
    assert actual["own_84"].tolist() == [0, 1, 0, 0]
    assert actual["item_new_28"].tolist() == pytest.approx([1 / 1, 1 / 2, 1 / 2, 1 / 1])
    assert actual["user_new_28"].tolist() == [1, 1, 1, 0]
    assert actual["user_total"].tolist() == [3, 3, 1, 0]
    assert actual["shelf_share"].tolist() == pytest.approx([1, 1, 1, 0])
    assert actual["model_popularity"].tolist() == pytest.approx([1 / 3, 1 / 3, 1 / 3, 1 / 3])


def test_candidates_are_distinct_in_order_and_their_recall_is_told(lines):
    past, truth = last_window(*lines.T, 100, 28, (USERS, ITEMS))
    users = np.arange(USERS)
    row, column = candidate_pairs([(personal_frequency(past), 2), (popularity(past), 3)], users)
    assert (np.diff(row * ITEMS + column) > 0).all()
    parts = source_pairs([(personal_frequency(past), 2), (popularity(past), 3)], users)
    assert [len(part[0]) for part in parts][1] == 3 * USERS
    assert {*zip(row, column, strict=True)} == {pair for part in parts for pair in zip(*part, strict=True)}
    assert max(candidate_recall(*part, truth) for part in parts) <= candidate_recall(row, column, truth)
    everything = candidate_pairs([(popularity(past), ITEMS)], users)
    assert candidate_recall(*everything, truth) == 1 > candidate_recall(row, column, truth) > 0.3


def test_a_ranker_learns_from_earlier_windows_and_is_compared_on_a_later_one(lines):
    def window(day: int):
        past, truth = last_window(*lines.T, day, 14, (USERS, ITEMS))
        row, column = candidate_pairs([(popularity(past), ITEMS)], np.arange(USERS))
        return past, truth, pair_features(past, row, column, [replace(popularity(past), name="popular, of late")])

    past, truth, pairs = window(112)
    before = [(result, labels(result, bought)) for _, bought, result in (window(98), window(84))]
    config = replace(RANKER, rounds=20, min_rows=5, threads=1)
    first, again = (ranked(fit_ranker(before, config), pairs, truth.shape) for _ in range(2))
    assert (first.own != again.own).nnz == 0
    task = RankingTask(truth, (past.counts() > 0).astype("float32").tocsr(), 2)
    judged = compare({"ranker": first, "popularity": popularity(past)}, task)
    assert table(judged)[("all", "ndcg")]["ranker"] > 0.9
    assert gain(judged, "ranker", "popularity", "all", "ndcg").low > 0
    assert shown(popularity(past), task)["coverage"] == 2 / ITEMS


def test_windows_with_other_features_are_refused(lines):
    past, truth = last_window(*lines.T, 100, 28, (USERS, ITEMS))
    row, column = candidate_pairs([(popularity(past), 2)], np.arange(USERS))
    one, other = pair_features(past, row, column, []), pair_features(past, row, column, [popularity(past)])
    with pytest.raises(ValueError, match="features"):
        fit_ranker([(one, labels(one, truth)), (other, labels(other, truth))], RANKER)


def test_slices_hold_the_users_who_take_something_of_them():
    truth = ones(np.array([0, 1, 2]), np.array([0, 1, 0]), (3, 2))
    seen = ones(np.array([0, 1]), np.array([0, 0]), (3, 2))
    task = RankingTask(truth, seen, 1)
    assert {part: task.of(part)[1].tolist() for part in ("all", "repeats", "discoveries")} == {
        "all": [0, 1], "repeats": [0], "discoveries": [1],
    }  # fmt: skip
