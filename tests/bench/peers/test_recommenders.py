from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse

from bench.peers.als import FactorsConfig, factorize
from bench.peers.content import content_tags
from bench.peers.ease import ease
from bench.peers.frequency import decayed_frequency, personal_frequency, popularity
from bench.peers.history import History, history
from bench.peers.neighbours import item_neighbours, user_neighbours
from bench.peers.recommender import blocks
from bench.peers.tifu import TifuConfig, personal_vectors, tifu
from training.recommenders.ease import ease_weights

ALL = np.arange(3)


@pytest.fixture
def past() -> History:
    """User 0: A day 0, AB day 90, A day 100; user 1: AB day 95; user 2: C day 1."""
    lines = np.array([[0, 0, 0, 0], [0, 0, 90, 1], [0, 1, 90, 1], [0, 0, 100, 2], [1, 0, 95, 3], [1, 1, 95, 3],
                      [2, 2, 1, 4]])  # fmt: skip
    return history(*lines.T, 100, (3, 3))


def test_popularity_is_the_share_of_users_of_late(past):
    assert popularity(past).scores(ALL)[0].tolist() == pytest.approx([2 / 3, 2 / 3, 0])
    assert popularity(past, None).scores(ALL)[2].tolist() == pytest.approx([2 / 3, 2 / 3, 1 / 3])


def test_frequency_counts_recent_baskets_three_times(past):
    scores = personal_frequency(past).scores(ALL)
    assert scores[0].round(2).tolist() == [7, 3, 0]
    assert scores[2, 2] == pytest.approx(1, abs=0.01)
    assert scores[2, 0] > 0  # what they never bought goes by popularity


def test_baskets_fade_by_half(past):
    own = decayed_frequency(past, 10, group=0.5).scores(ALL)
    everybody = [(2**-10 + 0.5 + 1 + 2**-0.5) / 3, (0.5 + 2**-0.5) / 3]
    assert own[1, 0] == pytest.approx(2**-0.5 + 0.5 * everybody[0])
    assert own[2, 1] == pytest.approx(0.5 * everybody[1])


def test_neighbours_bring_what_the_like_minded_bought(past):
    users = user_neighbours(past, 1).scores(ALL)
    assert users[1].argmax() == 0
    assert users[2].tolist() == [0, 0, 0]  # nobody is like them
    assert item_neighbours(past, 1).scores(ALL)[2].tolist() == [0, 0, 0]


def test_who_has_much_says_less_of_what_goes_together():
    """A and B are had by a user of four, A and C by a user of two: with ``fewer`` 1 C is the nearer one."""
    lines = np.array([[0, item, 0, 0] for item in range(4)] + [[1, 0, 0, 1], [1, 2, 0, 1], [2, 0, 0, 2]])
    past = history(*lines.T, 0, (3, 4))
    alike = item_neighbours(past, 3, rare=False).scores(ALL)[2]
    actual = item_neighbours(past, 3, fewer=1, rare=False).scores(ALL)[2]
    once = np.log(2)  # the customer had A once
    assert alike[1] == pytest.approx(once / np.sqrt(3))
    a, b, c = np.array([1 / 4, 1 / 2, 1]), np.array([1 / 4, 0, 0]), np.array([1 / 4, 1 / 2, 0])
    assert actual[1] == pytest.approx(once * a @ b / np.linalg.norm(a) / np.linalg.norm(b))
    assert actual[2] == pytest.approx(once * a @ c / np.linalg.norm(a) / np.linalg.norm(c))
    assert actual[2] / actual[1] > alike[2] / alike[1]


def test_tags_bring_what_is_described_alike(past):
    """Rare words count more: of three items "milk" has idf 1 + ln(4/3), "dairy" 1 + ln(4/4) = 1 in all of them."""
    scores = content_tags(past, ["dairy milk", "dairy milk", "dairy bread"]).scores(ALL)
    rare = 1 + np.log(4 / 3)
    common = 1 / np.sqrt((1 + rare**2) * (1 + (1 + np.log(4 / 2)) ** 2))
    assert scores[1].tolist() == pytest.approx([1, 1, common])
    assert scores[2].tolist() == pytest.approx([common, common, 1])
    assert content_tags(past, ["a", "a", ""]).scores(ALL)[2].tolist() == [
        0,
        0,
        0,
    ]  # nothing is known of what they bought


def test_ease_is_the_closed_form():
    rows = np.random.default_rng(1).random((30, 5))
    gram = rows.T @ rows
    weights = ease_weights(gram, 2.0)
    assert np.diag(weights).tolist() == [0] * 5
    for item in range(5):  # each column is the ridge regression of its item on all others
        rest = np.arange(5) != item
        expected = np.linalg.solve(gram[np.ix_(rest, rest)] + 2 * np.eye(4), gram[rest, item])
        assert weights[rest, item] == pytest.approx(expected, abs=1e-5)


def test_ease_refuses_what_it_cannot_invert():
    with pytest.raises(ValueError, match="positive definite"):
        ease_weights(np.array([[1.0, 2.0], [2.0, 1.0]]), 0.1)


def test_ease_scores_nothing_beyond_its_items(past):
    assert ease(past, 1.0, most_items=2).scores(ALL)[:, 2].tolist() == [0, 0, 0]


def test_groups_and_baskets_fade_in_tifu(past):
    own = personal_vectors(past, TifuConfig(within=0.5, between=0.1, size=2)).toarray()
    # two groups: the last two baskets (A then AB before it), and the first basket alone
    assert own[0].tolist() == pytest.approx([((1 + 0.5) / 2 + 0.1) / 2, 0.5 / 2 / 2, 0])
    scores = tifu(past, TifuConfig(neighbours=1, within=0.5, between=0.1, size=2, alpha=0.7)).scores(ALL)
    assert scores[1, 1] == pytest.approx(0.7 * own[1, 1] + 0.3 * own[0, 1])


def test_als_solves_each_row_exactly_and_repeats_itself():
    config = FactorsConfig(factors=4, iterations=3, regularization=0.5)
    extra = sparse.random(20, 12, density=0.3, random_state=3, format="csr", dtype="float32")
    users, items = factorize(extra, config)
    again = factorize(extra, config)
    assert (users == again[0]).all()
    assert (items == again[1]).all()
    column = extra.T.tocsr()[5].toarray().ravel()  # items were solved last
    left = users.T @ users + 0.5 * np.eye(4) + (users.T * column) @ users
    assert items[5] == pytest.approx(np.linalg.solve(left, users.T @ ((column > 0) * (1 + column))), abs=1e-4)


def test_cells_are_the_scores_of_pairs(past):
    model = personal_frequency(past)
    expected = model.scores(ALL)
    assert model.cells(np.array([0, 0, 2]), np.array([0, 2, 1])) == pytest.approx(expected[[0, 0, 2], [0, 2, 1]])


def test_blocks_cover_all_users_once():
    parts = list(blocks(np.arange(10), 7_000_000))
    assert [len(part) for part in parts] == [2] * 5
    assert np.concatenate(parts).tolist() == list(range(10))
