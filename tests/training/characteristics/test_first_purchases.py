"""What the characteristic network starts from for what a customer never bought, worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse

from training.characteristics.first_purchases import first_time_log_odds, item_factors, weights

SEED = 1


def csr(cells: np.ndarray) -> sparse.csr_matrix:
    return sparse.csr_matrix(np.asarray(cells, dtype="float32"))


def test_first_purchases_are_counted_among_those_who_never_bought() -> None:
    """Of 100 customers 60 own the first: 10 of the other 40 buy it, and 30 owners; nobody owns the second, 2 buy it."""
    owned, bought = np.zeros((100, 2)), np.zeros((100, 2))
    owned[:60, 0], bought[30:70, 0], bought[:2, 1] = 1, 1, 1
    rate = (12 + 1) / (140 + 2)
    share = np.array([(10 + 20 * rate) / (40 + 20), (2 + 20 * rate) / (100 + 20)])
    assert first_time_log_odds(csr(owned), csr(bought)) == pytest.approx(np.log(share / (1 - share)))


def test_what_everybody_owns_has_the_rate_of_all() -> None:
    owned, bought = np.zeros((50, 2)), np.zeros((50, 2))
    owned[:, 0], bought[:5] = 1, 1
    assert 1 / (1 + np.exp(-first_time_log_odds(csr(owned), csr(bought))[0])) == pytest.approx(6 / 52)


def test_items_that_go_together_speak_for_each_other() -> None:
    """Two groups of three: who owns two of a group is told the third, not one of the other group."""
    rng = np.random.default_rng(SEED)
    group = rng.random((3000, 1)) < 0.5
    owned = (rng.random((3000, 6)) < np.where(group, [0.9] * 3 + [0.1] * 3, [0.1] * 3 + [0.9] * 3)).astype(float)
    left, right = item_factors(csr(owned), SEED)
    assert left.dtype == right.dtype == np.float32
    score = np.array([1, 1, 0, 0, 0, 0]) @ left @ right
    assert score[2:].argmax() == 0
    assert score[2] > 3 * np.abs(score[3:]).max()


def test_the_weights_are_those_that_made_the_purchases() -> None:
    rng = np.random.default_rng(SEED)
    log_odds, score = rng.normal(-1, 1, (900, 60)), rng.normal(0, 1, (900, 60))
    owned = rng.random((900, 60)) < 0.3
    bought = rng.random((900, 60)) < 1 / (1 + np.exp(-(0.5 * log_odds + 2 * score - 1)))
    bought[owned] = True  # what was owned before does not count
    assert weights(log_odds, score, csr(owned), csr(bought), SEED) == pytest.approx((0.5, 2, -1), abs=0.1)


def test_a_score_that_says_the_contrary_is_not_heard() -> None:
    rng = np.random.default_rng(SEED)
    log_odds, score = rng.normal(0, 1, (200, 20)), rng.normal(0, 1, (200, 20))
    nothing, bought = csr(np.zeros((200, 20))), rng.random((200, 20)) < 1 / (1 + np.exp(2 * score - log_odds))
    assert weights(log_odds, score, nothing, csr(bought), SEED) == (1.0, 0.0, 0.0)
    assert weights(log_odds, score, nothing, nothing, SEED) == (1.0, 0.0, 0.0)  # nobody bought anything new
    assert weights(log_odds, score, csr(np.ones((200, 20))), csr(bought), SEED) == (1.0, 0.0, 0.0)  # all is owned
