"""Suite of ``need_categories``: a row is one category of needs."""

from __future__ import annotations

from conf.tables.canonical import NEED_CATEGORIES as TABLE
from expectations.rules import required

EXPECTATIONS = (*required(TABLE),)
