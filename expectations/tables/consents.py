"""Suite of ``consents``: a row is one decision of a customer on a channel and a purpose."""

from __future__ import annotations

from conf.tables.canonical import CONSENTS as TABLE
from expectations.rules import plausible_day, required

# a decision late on the drop's last day lies after midnight UTC in half of the world, so no rule on the future
EXPECTATIONS = (*required(TABLE), plausible_day("changed_at"))
