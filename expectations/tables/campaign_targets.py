"""Suite of ``campaign_targets``: a row is one customer that a campaign targets."""

from __future__ import annotations

from conf.tables.canonical import CAMPAIGN_TARGETS as TABLE
from expectations.rules import plausible_day, required

EXPECTATIONS = (*required(TABLE), plausible_day("targeted_on"))
