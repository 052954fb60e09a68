"""Suite of ``touches``: a row is one contact that the CRM records, planned ones included."""

from __future__ import annotations

from conf.tables.canonical import TOUCHES as TABLE
from expectations.rules import plausible_day, required

EXPECTATIONS = (*required(TABLE), plausible_day("touched_on"))
