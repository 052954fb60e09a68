"""Suite of ``campaigns``: a row is one campaign; it may be announced before it starts."""

from __future__ import annotations

from conf.tables.canonical import CAMPAIGNS as TABLE
from expectations.rules import not_before, plausible_day, required

EXPECTATIONS = (
    *required(TABLE),
    plausible_day("starts_on"),
    plausible_day("ends_on"),
    not_before("ends_on", "starts_on"),
)
