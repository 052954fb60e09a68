"""Splits by time."""

from __future__ import annotations

from datetime import date, timedelta
from itertools import pairwise

import pytest

from training.evaluation.windows import windows

START = date(2017, 1, 1)


@pytest.mark.parametrize("count", [1, 3, 9])
def test_windows_never_overlap_and_end_on_the_night(count: int) -> None:
    day = date(2017, 12, 3)
    result = windows(day, 28, count, START, 84)
    assert result is not None
    assert result.gate + timedelta(days=28) == day
    assert [a - b for a, b in zip(result.all, result.all[1:], strict=False)] == [timedelta(days=28)] * (
        len(result.all) - 1
    )


def test_a_window_needs_history() -> None:
    result = windows(date(2017, 12, 3), 28, 50, START, 84)
    assert result is not None
    assert (result.training[-1] - START).days + 1 >= 84
    assert (result.training[-1] - timedelta(days=28) - START).days + 1 < 84


def test_the_first_day_with_enough_history() -> None:
    # a training window on day 84, validation and gate 28 days apart each, labels of another 28
    enough = START + timedelta(days=83 + 3 * 28)
    assert windows(enough, 28, 5, START, 84) is not None
    assert windows(enough - timedelta(days=1), 28, 5, START, 84) is None


def test_further_windows_go_on_where_those_of_training_end() -> None:
    result = windows(date(2017, 12, 3), 28, 4, START, 84)
    assert result is not None
    back = result.back(12)
    assert back[:4] == result.training
    assert [str(day) for day in back[4:]] == ["2017-05-21", "2017-04-23", "2017-03-26"]
    assert result.back(5) == back[:5]


def test_weekly_days_stay_below_the_validation_day_and_have_history() -> None:
    result = windows(date(2017, 12, 3), 28, 4, START, 84)
    assert result is not None
    weekly = result.weekly(99)
    assert weekly[0] == result.validation - timedelta(days=7)
    assert {a - b for a, b in pairwise(weekly)} == {timedelta(days=7)}
    assert (weekly[-1] - START).days + 1 >= 84 > (weekly[-1] - timedelta(days=7) - START).days + 1
    assert len(result.weekly(5)) == 5
    fit = result.before_validation(weekly)
    assert fit[0] == result.training[0]
    assert fit[0] + timedelta(days=28) <= result.validation


def test_longer_labels_end_with_the_night_and_their_training_before_the_gate():
    result = windows(date(2017, 12, 3), 28, 4, date(2017, 1, 1), 84)
    assert result.until == date(2017, 12, 3)
    gate, days = result.longer(84, 3)
    assert (gate, days[0], days[1]) == (date(2017, 9, 10), date(2017, 6, 18), date(2017, 6, 11))
    assert len(result.longer(84, 99)[1]) == 13  # the earliest has 84 days of history
    gate, days = result.surviving(12, 99)
    assert gate + timedelta(days=28 + 77) == result.until
    assert (days[0] + timedelta(days=28), days[0] - days[1]) == (gate, timedelta(days=14))
    assert min(days) >= result.earliest
