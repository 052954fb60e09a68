"""Rules on a table as a whole, which stop the night: each holds a figure of the table against its bounds.

The figures of all tables are one row of a frame (:func:`figures`), checked as a suite of its own.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from statistics import median

import great_expectations.expectations as gxe
import pandas as pd

from expectations.checkpoint import ROW_ID
from expectations.rules import Rule

#: drop days before the night that its volume is compared with, and how few are too few
RECENT, ENOUGH = 28, 3
#: stands for "there is no row at all"
NEVER = 99_999
#: rules that the figure of quarantined rows names
_NAMED = 3


@dataclass(frozen=True)
class Figure:
    """A figure of one table with its bounds, and what to tell people about it."""

    table: str
    rule: str
    value: float
    low: float | None
    high: float | None
    observed: str
    expected: str

    @property
    def column(self) -> str:
        """Return the name of the figure's column, which is the rule's name in the Data Docs."""
        return f"{self.table} {self.rule}"


def volume(table: str, days: dict[date, int], recent: dict[date, int], factor: float) -> Figure | None:
    """Hold each drop day's new rows against the median of recent drop days; None where too few are known.

    Args:
        table: the table.
        days: drop day -> new rows of this night; 0 where an expected file brought none.
        recent: the same of earlier nights.
        factor: how many times more or less is still right.
    """
    history = [recent[day] for day in sorted(recent)[-RECENT:]]
    usual = median(history) if len(history) >= ENOUGH else 0
    if usual <= 0 or not days:
        return None
    worst = max(days, key=lambda day: max(days[day] / usual, usual / max(days[day], 1e-9)))
    return Figure(
        table,
        "volume",
        days[worst] / usual,
        1 / factor,
        factor,
        f"{days[worst]:,} new rows in the drop of {worst}",
        f"{usual / factor:,.0f} to {usual * factor:,.0f}, from the median {usual:,.0f} of {len(history)} drop days",
    )


def freshness(table: str, newest: date | None, due: date) -> Figure:
    """Hold the newest event's day against the last day that had to bring some."""
    return Figure(
        table,
        "freshness",
        max(0, (due - newest).days) if newest else NEVER,
        None,
        0,
        f"the newest row is of {newest}" if newest else "there is no row",
        f"rows of {due}",
    )


def unique_key(table: str, key: Sequence[str], twice: int) -> Figure:
    """Hold the keys that stand more than once after the merge against none."""
    return Figure(
        table,
        "unique_key",
        twice,
        None,
        0,
        f"{twice:,} key(s) stand in more than one row",
        f"one row for each {', '.join(key)}; a correction must keep the day of its event",
    )


def share_matched(table: str, column: str, other: str, count: int, rows: int, least: float) -> Figure:
    """Hold the share of new rows whose ``column`` is found in its table against the least share."""
    return Figure(
        table,
        f"references:{column}",
        count / rows if rows else 1.0,
        least,
        None,
        f"{count:,} of {rows:,} new rows have their {column} in {other}",
        f"at least {least:.2%}",
    )


def rejected_share(
    table: str, rejected: int, rows: int, most: float, by_rule: Mapping[str, int] | None = None
) -> Figure:
    """Hold the share of the night's rows that are quarantined against the greatest allowed.

    Args:
        table: canonical table.
        rejected: its quarantined rows.
        rows: all rows of the night.
        most: greatest share allowed.
        by_rule: rows by the rule they broke; the commonest are named.
    """
    rules = Counter(by_rule or {}).most_common(_NAMED)
    named = ": " + ", ".join(f"{rule} {count:,}" for rule, count in rules) if rules else ""
    return Figure(
        table,
        "rejected_share",
        rejected / rows if rows else 0.0,
        None,
        most,
        f"{rejected:,} of {rows:,} rows are quarantined{named}",
        f"at most {most:.2%}",
    )


def refusals_lost(lost: int) -> Figure:
    """Hold the refusals that name no customer against none: nobody can keep to them."""
    return Figure(
        "consents",
        "refusals_lost",
        lost,
        None,
        0,
        f"{lost:,} row(s) are no grant and name no customer",
        "none; have them mended, or leave them out by `where`, which is counted",
    )


def schema(table: str, faults: Sequence[str]) -> Figure:
    """Hold the columns of the files, earlier nights' included, against the declaration."""
    return Figure(
        table,
        "schema",
        len(faults),
        None,
        0,
        "; ".join(faults) or "as declared",
        "the columns and types that conf/tables/canonical.py declares",
    )


def rules(all_figures: Sequence[Figure]) -> list[Rule]:
    """Return the suite of the night's figures."""
    return [
        Rule(
            figure.column,
            f"{figure.observed}; expected: {figure.expected}",
            (figure.column,),
            gxe.ExpectColumnValuesToBeBetween(column=figure.column, min_value=figure.low, max_value=figure.high),
            kind="table",
        )
        for figure in all_figures
    ]


def figures(all_figures: Sequence[Figure]) -> pd.DataFrame:
    """Return the figures as one row, a column each."""
    return pd.DataFrame({ROW_ID: [0], **{figure.column: [float(figure.value)] for figure in all_figures}})
