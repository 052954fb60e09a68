"""Splits by time."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from training.windows import windows

START = date(2017, 1, 1)


@pytest.mark.parametrize("count", [1, 3, 9])
def test_windows_never_overlap_and_end_on_the_night(count: int) -> None:
    day = date(2017, 12, 3)
    found = windows(day, 28, count, START, 84)
    assert found is not None
    assert found.gate + timedelta(days=28) == day
    assert [a - b for a, b in zip(found.all, found.all[1:], strict=False)] == [timedelta(days=28)] * (
        len(found.all) - 1
    )


def test_a_window_needs_history() -> None:
    found = windows(date(2017, 12, 3), 28, 50, START, 84)
    assert found is not None
    assert (found.training[-1] - START).days + 1 >= 84
    assert (found.training[-1] - timedelta(days=28) - START).days + 1 < 84


def test_the_first_day_with_enough_history() -> None:
    # a training window on day 84, validation and gate 28 days apart each, labels of another 28
    enough = START + timedelta(days=83 + 3 * 28)
    assert windows(enough, 28, 5, START, 84) is not None
    assert windows(enough - timedelta(days=1), 28, 5, START, 84) is None
