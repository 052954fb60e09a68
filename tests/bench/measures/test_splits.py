from __future__ import annotations

import numpy as np

from bench.measures.splits import last_window, next_basket, repeats_and_discoveries, stratified
from training.evaluation.full_ranking import ones


def test_the_window_starts_the_day_after():
    user, item, day = np.zeros(4, int), np.arange(4), np.array([9, 10, 11, 39])
    past, truth = last_window(user, item, day, day, 10, 28, (1, 4))
    assert past.counts().toarray().tolist() == [[1, 1, 0, 0]]
    assert truth.toarray().tolist() == [[0, 0, 1, 0]]


def test_the_last_basket_is_cut_off_and_ages_count_baskets():
    past, truth = next_basket([[[0, 1], [1], [2, 0]], [[2], [1]]], 3)
    assert past.counts().toarray().tolist() == [[1, 2, 0], [0, 0, 1]]
    assert past.latest().toarray().tolist() == [[2, 1, 0], [0, 0, 1]]
    assert truth.toarray().tolist() == [[1, 0, 1], [0, 1, 0]]


def test_a_share_of_every_users_rows_is_chosen():
    user = np.array([1, 0, 1, 1, 0, 1, 2])
    chosen = stratified(user, 0.75, 42)
    assert [int(chosen[user == one].sum()) for one in range(3)] == [1, 3, 0]
    assert (stratified(user, 0.75, 42) == chosen).all()


def test_repeats_and_discoveries_are_all_of_the_truth():
    truth = ones(np.array([0, 0]), np.array([0, 1]), (1, 3))
    seen = ones(np.array([0, 0]), np.array([1, 2]), (1, 3))
    repeats, discoveries = repeats_and_discoveries(truth, seen)
    assert repeats.toarray().tolist() == [[0, 1, 0]]
    assert discoveries.toarray().tolist() == [[1, 0, 0]]
    assert discoveries.nnz == 1
