"""The partial sort that every ranking goes through, against a plain sort."""

from __future__ import annotations

import numpy as np
import pytest

from training.evaluation.top_k import UNRANKED, best_columns, ranks_of


def slow(scores: np.ndarray, k: int) -> list[list[int]]:
    """Sort each row: larger first, then further left; what is ``-inf`` or NaN is left out."""
    result = []
    for row in scores.tolist():
        listed = sorted((-value, column) for column, value in enumerate(row) if value > -np.inf)
        columns = [column for _, column in listed[:k]]
        result.append(columns + [-1] * (k - len(columns)))
    return result


@pytest.mark.parametrize(("columns", "k"), [(1, 1), (5, 3), (5, 9), (16, 16), (100, 7), (37, 1)])
@pytest.mark.parametrize("kind", ["float32", "float64", "int64"])
def test_best_columns_are_those_of_a_plain_sort(columns, k, kind):
    scores = np.random.default_rng(columns).integers(-3, 4, (40, columns)).astype(kind)  # full of ties
    if kind != "int64":
        scores[::3, ::2] = -np.inf
        scores[1, 0] = np.nan
    assert best_columns(scores, k).tolist() == slow(scores, k)


def test_ties_go_to_the_first_column_and_minus_infinity_is_not_listed():
    scores = np.array([[1, 3, 3, -np.inf, 2], [-np.inf] * 5])
    assert best_columns(scores, 3).tolist() == [[1, 2, 4], [-1, -1, -1]]
    wide = np.zeros((1, 100))
    wide[0, [7, 50, 99]] = 1
    assert best_columns(wide, 5).tolist() == [[7, 50, 99, 0, 1]]


def test_nothing_to_list():
    assert best_columns(np.zeros((0, 5)), 2).shape == (0, 2)
    assert best_columns(np.zeros((2, 0)), 2).tolist() == [[-1, -1], [-1, -1]]
    assert best_columns(np.zeros((2, 3)), 0).shape == (2, 0)


def test_ranks_go_to_the_first_column_among_equals():
    score = np.array([[0.5, 0.9, 0.5, 0.1]])
    allowed = np.array([[True, True, True, False]])
    assert ranks_of(score, allowed, 2).tolist() == [[2, 1, UNRANKED, UNRANKED]]
    assert ranks_of(score, allowed, 9).tolist() == [[2, 1, 3, UNRANKED]]
