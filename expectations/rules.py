"""What a rule is, and the plain rules that the suites of the tables are put together from.

A row rule quarantines the rows that break it, a field rule sets aside the value alone, a table rule stops the night,
a note is only reported. Decimals are
checked as doubles and days as midnight UTC: the bounds are orders of magnitude wider than what that rounds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

import great_expectations.expectations as gxe
from great_expectations.expectations.row_conditions import Condition

from conf.tables.table import Table

#: how Great Expectations shall call each kind
SEVERITY = {"row": "warning", "field": "warning", "table": "critical", "note": "info"}
#: nothing in a CRM is older; year 1 and year 9999 are what programs write for "unknown"
OLDEST, YOUNGEST = datetime(1990, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)
#: a line or a discount above it is a wrong unit or a shifted column
MOST = 1e9


@dataclass(frozen=True)
class Rule:
    """An expectation with a name that stays: it stands in the quarantine and in ``data_quality``."""

    name: str
    about: str
    columns: tuple[str, ...]
    expectation: gxe.Expectation
    kind: Literal["row", "field", "table", "note"] = "row"


@dataclass(frozen=True)
class Outcome:
    """What came of one rule; ``fault`` says why it could not be evaluated, which is neither pass nor fail."""

    rule: Rule
    passed: bool
    rows_checked: int
    failed: tuple[int, ...] = ()
    fault: str | None = None


def required(table: Table) -> list[Rule]:
    """Return one rule for each column that ``table`` declares not nullable."""
    return [
        Rule(
            f"required:{column.name}",
            f"{column.name} must be there",
            (column.name,),
            gxe.ExpectColumnValuesToNotBeNull(column=column.name),
        )
        for column in table.columns
        if not column.nullable
    ]


def between(column: str, low: float | datetime, high: float | datetime, where: Condition | None = None) -> Rule:
    """Return the rule that ``column``, where it is there, lies between two bounds, both allowed."""
    shown = [f"{bound:%Y-%m-%d}" if isinstance(bound, datetime) else f"{bound:,.0f}" for bound in (low, high)]
    return Rule(
        f"range:{column}",
        f"{column} must lie between {shown[0]} and {shown[1]}",
        (column,),
        gxe.ExpectColumnValuesToBeBetween(
            column=column,
            min_value=low,
            max_value=high,
            row_condition=where,  # type: ignore[arg-type]
        ),
    )


def plausible_day(column: str) -> Rule:
    """Return the rule that a day or a moment is one a CRM can know."""
    return between(column, OLDEST, YOUNGEST)


def not_before(later: str, earlier: str) -> Rule:
    """Return the rule that day ``later`` is not before day ``earlier``, where both are there."""
    return Rule(
        f"order:{earlier},{later}",
        f"{later} must not be before {earlier}",
        (later, earlier),
        gxe.ExpectColumnPairValuesAToBeGreaterThanB(
            column_A=later, column_B=earlier, or_equal=True, ignore_row_if="either_value_is_missing"
        ),
    )


def not_after_drop(column: str) -> Rule:
    """Return the rule that nothing is dated after the drop that holds it.

    The drop's day is never after the night, and unlike the night it stays the same when a history is read at once.
    """
    rule = not_before("_ds", column)
    return Rule(f"future:{column}", f"{column} must not be after the day of the drop", rule.columns, rule.expectation)


def matches(column: str, pattern: str, about: str) -> Rule:
    """Return the rule that ``column``, where it is there, looks as ``pattern`` says."""
    return Rule(
        f"format:{column}",
        f"{column} must be {about}",
        (column,),
        gxe.ExpectColumnValuesToMatchRegex(column=column, regex=pattern),
    )


def refers_to(column: str, values: Sequence[str], where: str) -> Rule:
    """Return the rule that ``column``, where it is there, is one of the ``values`` values of ``where``."""
    return Rule(
        f"reference:{column}",
        f"{column} must be found in {where}",
        (column,),
        gxe.ExpectColumnValuesToBeInSet(column=column, value_set=list(values)),
    )


#: for every table: a value was there but is not of the declared type (see features.canonical.mapping)
CAST = Rule(
    "cast",
    "every value that is there must be of the declared type",
    ("_fault",),
    gxe.ExpectColumnValuesToBeNull(column="_fault"),
)
