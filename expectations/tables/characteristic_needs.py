"""Suite of ``characteristic_needs``: a row is one characteristic and one need it answers."""

from __future__ import annotations

from conf.tables.canonical import CHARACTERISTIC_NEEDS as TABLE
from expectations.rules import required

EXPECTATIONS = (*required(TABLE),)
