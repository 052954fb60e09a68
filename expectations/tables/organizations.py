"""Suite of ``organizations``: a row is one organisation that customers belong to."""

from __future__ import annotations

from conf.tables.canonical import ORGANIZATIONS as TABLE
from expectations.rules import required

EXPECTATIONS = (*required(TABLE),)
