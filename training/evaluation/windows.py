"""Splits by time: what models are trained on, chosen on and judged on.

Every window is named by its ``as_of``; its labels are the ``horizon`` days that follow. The windows of a night do not
overlap: training < validation < gate, and the gate's labels end on the night itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta


@dataclass(frozen=True)
class Windows:
    """Days of one training: ``training`` newest first; the gate is only ever scored."""

    gate: date
    validation: date
    training: tuple[date, ...]
    earliest: date = date.min

    @property
    def all(self) -> tuple[date, ...]:
        """Every day, newest first."""
        return (self.gate, self.validation, *self.training)

    @property
    def horizon(self) -> timedelta:
        """Length of a window."""
        return self.gate - self.validation

    def weekly(self, count: int) -> tuple[date, ...]:
        """Return at most ``count`` days a week apart, newest first: below the validation day, and with history enough.

        Those after ``training[0]`` have labels that reach into the validation window: they are for a last fit only.
        """
        days = [self.validation - timedelta(days=7 * number) for number in range(1, count + 1)]
        return tuple(day for day in days if day >= self.earliest)

    def back(self, count: int) -> tuple[date, ...]:
        """Return at most ``count`` days, a horizon apart, newest first: below the validation day, and with history."""
        days = [self.validation - self.horizon * number for number in range(1, count + 1)]
        return tuple(day for day in days if day >= self.earliest)

    @property
    def until(self) -> date:
        """Last day whose data may be seen: the gate's labels end with it."""
        return self.gate + self.horizon

    def longer(self, days: int, count: int) -> tuple[date, tuple[date, ...]]:
        """Return a gate day whose labels of ``days`` days end with the last day, and days to train on.

        The latter are at most ``count``, a week apart, newest first, with history enough; their labels end by the gate.
        """
        gate = self.until - timedelta(days=days)
        back = [gate - timedelta(days=days + 7 * number) for number in range(count)]
        return gate, tuple(day for day in back if day >= self.earliest)

    def surviving(self, weeks: int, count: int) -> tuple[date, tuple[date, ...]]:
        """Return a gate day of which it is known in which of the ``weeks`` an absence began, and days to train on.

        The latter are at most ``count``, two weeks apart, newest first; the first week of each is known by the gate.
        """
        gate = self.gate - timedelta(days=7 * (weeks - 1))
        back = [gate - self.horizon - timedelta(days=14 * number) for number in range(count)]
        return gate, tuple(day for day in back if day >= self.earliest)

    def before_validation(self, days: Sequence[date]) -> tuple[date, ...]:
        """Keep the days whose labels end before the validation window begins."""
        return tuple(day for day in days if day <= self.training[0])


def windows(day: date, horizon: int, count: int, first: date, history: int) -> Windows | None:
    """Lay out the windows of a training on ``day``.

    Args:
        day: last day whose data may be seen, labels included.
        horizon: days of a label.
        count: most training windows.
        first: first day with data.
        history: days of data that a window needs up to its ``as_of``.

    Returns:
        The windows, or None where there is not enough history for a single training window.

    >>> found = windows(date(2017, 12, 3), 28, 2, date(2017, 1, 1), 84)
    >>> [str(day) for day in found.all]
    ['2017-11-05', '2017-10-08', '2017-09-10', '2017-08-13']
    >>> windows(date(2017, 5, 1), 28, 2, date(2017, 1, 1), 84) is None
    True
    """
    back = [day - timedelta(days=horizon * (number + 1)) for number in range(count + 2)]
    enough = [as_of for as_of in back if (as_of - first).days + 1 >= history]
    if len(enough) < 3:
        return None
    return Windows(enough[0], enough[1], tuple(enough[2:]), first + timedelta(days=history - 1))
