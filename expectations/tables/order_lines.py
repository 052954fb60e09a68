"""Suite of ``order_lines``: a row is one product in one order; returns have negative or positive amounts."""

from __future__ import annotations

from dataclasses import replace

import great_expectations.expectations as gxe
from great_expectations.expectations.row_conditions import Column

from conf.tables.canonical import ORDER_LINES as TABLE
from expectations.rules import MOST, Rule, between, not_after_drop, plausible_day, required

NO_QUANTITY = Column("quantity") == 0
SALE = Column("is_return") == False  # noqa: E712 - builds a condition

EXPECTATIONS = (
    *required(TABLE),
    plausible_day("ordered_at"),
    plausible_day("ordered_on"),
    not_after_drop("ordered_on"),
    between("quantity", -MOST, MOST),
    between("amount", -MOST, MOST),
    between("discount", 0, MOST),
    replace(
        between("quantity", 0, MOST, where=SALE),
        name="sale:quantity",
        about="quantity must not be negative where nothing is returned",
        columns=("quantity", "is_return"),
    ),
    replace(
        between("amount", 0, MOST, where=SALE),
        name="sale:amount",
        about="amount must not be negative where nothing is returned",
        columns=("amount", "is_return"),
    ),
    Rule(
        "empty_line",
        "a line must have a quantity or an amount",
        ("quantity", "amount"),
        gxe.ExpectColumnValuesToNotBeInSet(column="amount", value_set=[0], row_condition=NO_QUANTITY),
    ),
    Rule(
        "amount_without_quantity",
        "an amount should have a quantity",
        ("quantity", "amount"),
        gxe.ExpectColumnValuesToBeInSet(column="amount", value_set=[0], row_condition=NO_QUANTITY),
        kind="note",
    ),
)
