from __future__ import annotations

import numpy as np
import pytest

from bench.peers.history import history

#: user, item, day, basket
LINES = np.array(
    [[0, 0, 1, 1], [0, 1, 1, 1], [0, 1, 1, 1], [0, 1, 5, 2], [1, 2, 4, 3], [0, 0, 9, 4], [1, 2, 5, 5], [1, 0, 5, 5]]
)


def made(until: int):
    return history(*LINES.T, until, (3, 3))


def test_a_basket_counts_once_and_later_days_do_not():
    past = made(5)
    assert past.counts().toarray().tolist() == [[1, 2, 0], [1, 0, 2], [0, 0, 0]]
    assert past.counts(1).toarray().tolist() == [[0, 1, 0], [1, 0, 1], [0, 0, 0]]
    assert past.latest().toarray().tolist() == [[5, 1, 0], [1, 0, 1], [0, 0, 0]]
    assert sorted(zip(past.user.tolist(), past.back.tolist(), strict=True)) == [
        (0, 0), (0, 1), (0, 1), (1, 0), (1, 0), (1, 1),
    ]  # fmt: skip


def test_the_order_of_lines_does_not_matter():
    mixed = history(*LINES[::-1].T, 9, (3, 3))
    assert all((getattr(mixed, name) == getattr(made(9), name)).all() for name in ("user", "item", "age", "back"))


def test_what_lies_outside_is_refused():
    with pytest.raises(ValueError, match="shape"):
        history(*LINES.T, 9, (1, 3))
