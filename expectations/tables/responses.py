"""Suite of ``responses``: a row is one response of a customer to an offer."""

from __future__ import annotations

from conf.tables.canonical import RESPONSES as TABLE
from expectations.rules import not_after_drop, plausible_day, required

EXPECTATIONS = (*required(TABLE), plausible_day("responded_on"), not_after_drop("responded_on"))
