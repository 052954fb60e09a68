"""Which export files the source's contract promises on which day."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta

from conf.settings.exports import Export
from conf.settings.source import Source

WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


def listed(days: list[str], day: date) -> bool:
    """Return whether ``day`` is among ``days``, each ``MM-DD`` of every year or ``YYYY-MM-DD``."""
    return day.isoformat() in days or f"{day:%m-%d}" in days


def due(export: Export, source: Source, day: date) -> bool:
    """Return whether the contract promises a file of ``export`` in the drop of ``day``."""
    if listed(source.closed_days, day) or listed(export.skipped_days, day):
        return False
    if WEEKDAYS[day.weekday()] in (*source.closed_weekdays, *export.closed_weekdays):
        return False
    kind, _, when = export.schedule.partition(":")
    return {
        "daily": True,
        "weekly": when == WEEKDAYS[day.weekday()],
        "monthly": when == str(day.day),
        "optional": False,
    }[kind]


def days(first: date, last: date) -> Iterator[date]:
    """Yield every day from ``first`` to ``last``."""
    for number in range((last - first).days + 1):
        yield first + timedelta(days=number)
