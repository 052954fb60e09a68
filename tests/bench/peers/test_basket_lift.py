"""Lists of complements judged on baskets small enough to count by hand."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from bench.peers.basket_lift import Baskets, first_of, resampled, without_anchor

TEA, MILK, BREAD, SALT = range(4)


def baskets(rows: list[dict[int, float]], customer: list[int]) -> Baskets:
    cells = [(row, item, paid) for row, held in enumerate(rows) for item, paid in held.items()]
    row, item, paid = (np.array(values) for values in zip(*cells, strict=True))
    matrix = sparse.csr_matrix((paid.astype(float), (row, item)), shape=(len(rows), 4))
    matrix.sort_indices()
    return Baskets(matrix, np.array(customer))


WINDOW = baskets(
    [{TEA: 3, MILK: 0}, {TEA: 3, BREAD: 2}, {MILK: 1, BREAD: 2}, {TEA: 4}, {TEA: 1, MILK: 2, BREAD: 3, SALT: 4}],
    [0, 0, 0, 0, 1],
)
ONLY_TEA = np.array([True, False, False, False])


def test_what_is_found_stands_beside_what_all_baskets_and_equally_large_ones_hold():
    basket, anchor = WINDOW.pairs(ONLY_TEA)
    assert (basket.tolist(), anchor.tolist()) == ([0, 1, 4], [TEA] * 3)  # tea alone asks for nothing
    result = WINDOW.judged(basket, anchor, np.array([[MILK, SALT]] * 3))
    first = result.loc[0]  # two baskets with tea and something: one has milk, none salt
    assert first[["baskets", "hit", "found"]].tolist() == [2, 1, 1]
    assert first["of_all"] == pytest.approx(2 * (3 / 5 + 1 / 5))  # milk in 3 of 5 baskets, salt in 1
    assert first["of_size"] == pytest.approx(2 * (2 / 3))  # of the three baskets of two things two hold milk
    assert result.loc[1, ["hit", "found", "of_size"]].tolist() == [1, 2, 2]


def test_the_customers_own_baskets_without_the_anchor_tell_what_to_expect():
    basket, anchor = WINDOW.pairs(ONLY_TEA)
    result = WINDOW.judged(basket, anchor, np.array([[MILK, SALT]] * 3))
    # one basket without tea: milk and bread, so half of its items are listed; each basket with tea has one place more
    assert result.loc[0, ["own_found", "own_expected"]].tolist() == [1, 1]
    assert result.loc[1, ["own_found", "own_expected"]].tolist() == [0, 0]  # never without tea: nothing can be said


def test_bills_are_those_of_baskets_with_and_without_a_complement():
    basket, anchor = WINDOW.pairs(ONLY_TEA)
    result = WINDOW.judged(basket, anchor, np.array([[MILK, SALT]] * 3))
    columns = ["with", "bill_with", "rest_with", "without", "bill_without"]
    assert result.loc[0, columns].tolist() == [1, 3, 3, 1, 5]
    assert result.loc[1, columns].tolist() == [1, 10, 4, 0, 0]


def test_a_basket_counts_once_however_many_anchors_it_holds():
    basket, anchor = WINDOW.pairs(np.ones(4, dtype=bool))
    lists = np.where(anchor[:, None] == MILK, [[TEA]], [[MILK]])
    result = WINDOW.judged(basket, anchor, lists)
    assert result["baskets"].tolist() == [3, 1]
    assert result.loc[1, "hit"] == 1
    # tea and milk: both hit; tea and bread: none; milk and bread: bread has milk, milk no tea
    assert result.loc[0, "hit"] == pytest.approx(1 + 0 + 0.5)


def test_lists_that_are_short_find_no_more_than_they_hold():
    basket, anchor = WINDOW.pairs(ONLY_TEA)
    short = WINDOW.judged(basket, anchor, np.array([[MILK, -1]] * 3))
    pd.testing.assert_frame_equal(short, WINDOW.judged(basket, anchor, np.array([[MILK]] * 3)))


def test_complements_that_come_by_chance_have_a_lift_of_one():
    rng = np.random.default_rng(5)
    held = sparse.csr_matrix((rng.random((20_000, 12)) < 0.3).astype(float))
    window = Baskets(held, rng.integers(0, 400, 20_000))
    basket, anchor = window.pairs(np.arange(12) == 0)
    sums = window.judged(basket, anchor, np.tile([3, 4, 5], (len(basket), 1)))
    for expected, result in (("of_all", "found"), ("own_expected", "own_found")):
        one = resampled(sums, lambda s, a=result, b=expected: s[a] / s[b])
        assert 0.95 < one.low < 1.02, expected
        assert 0.98 < one.high < 1.05, expected


def test_lists_leave_out_the_anchor_and_what_is_not_kept():
    lists = np.array([[0, 1, 2], [1, 0, -1]])
    assert without_anchor(lists, np.array([1, 0]), 2).tolist() == [[0, 2], [1, -1]]
    assert first_of(lists, lists > 1, 2).tolist() == [[2, -1], [-1, -1]]


def test_resampling_knows_the_spread_of_a_ratio_between_customers():
    same = pd.DataFrame({"a": [1.0, 2.0, 3.0], "b": [2.0, 4.0, 6.0]})
    one = resampled(same, lambda s: s["a"] / s["b"])
    assert (one.value, one.low, one.high) == pytest.approx((0.5, 0.5, 0.5))
    apart = pd.DataFrame({"a": [0.0] * 50 + [1.0] * 50, "b": [1.0] * 100})
    one = resampled(apart, lambda s: s["a"] / s["b"])
    assert one.value == 0.5
    assert 0.39 < one.low < 0.42
    assert 0.58 < one.high < 0.61
