"""Suite of ``needs``: a row is one need of customers."""

from __future__ import annotations

from conf.tables.canonical import NEEDS as TABLE
from expectations.rules import required

EXPECTATIONS = (*required(TABLE),)
