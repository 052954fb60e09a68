"""Suite of ``products``: a row is one product (SKU)."""

from __future__ import annotations

from conf.tables.canonical import PRODUCTS as TABLE
from expectations.rules import MOST, between, required

EXPECTATIONS = (*required(TABLE), between("price", 0, MOST))
