"""Suite of ``offer_products``: a row is one product in the scope of one offer."""

from __future__ import annotations

from conf.tables.canonical import OFFER_PRODUCTS as TABLE
from expectations.rules import required

EXPECTATIONS = (*required(TABLE),)
