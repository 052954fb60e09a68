"""Suite of ``offers``: a row is one offer of one campaign; 2999-12-31 and the like mean: no end."""

from __future__ import annotations

from datetime import UTC, datetime

from conf.tables.canonical import OFFERS as TABLE
from expectations.rules import MOST, OLDEST, between, not_before, plausible_day, required

EXPECTATIONS = (
    *required(TABLE),
    plausible_day("valid_from"),
    between("valid_to", OLDEST, datetime(9999, 12, 31, tzinfo=UTC)),
    not_before("valid_to", "valid_from"),
    between("discount", 0, MOST),
)
