"""Suite of ``customers``: a row is one person or account; the newest snapshot and the changes after it.

A contact or a birthday that cannot be right is set aside: the customer is one nevertheless.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from conf.tables.canonical import CUSTOMERS as TABLE
from expectations.rules import between, matches, not_after_drop, plausible_day, required

EXPECTATIONS = (
    *required(TABLE),
    plausible_day("registered_on"),
    not_after_drop("registered_on"),
    *(
        replace(rule, kind="field")
        for rule in (
            matches("email", r"^[^@\s]+@[^@\s]+\.[^@\s]+$", "an e-mail address"),
            matches("phone", r"^\+[1-9][0-9]{6,14}$", "a phone number in E.164: + and 7 to 15 digits"),
            # nobody alive was born before; forms that ask for a birthday send 1900-01-01 for "no answer"
            between("birth_date", datetime(1900, 1, 2, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)),
            replace(not_after_drop("birth_date"), columns=("birth_date", "_ds")),
        )
    ),
)
