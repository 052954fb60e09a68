"""What the stage ``measure`` publishes."""

from __future__ import annotations

from conf.tables.offers import OFFER_OUTCOMES
from jobs.lake.tables import LakeTable

#: what earlier offers brought
OUTCOMES = LakeTable("outcomes/offer_outcomes", OFFER_OUTCOMES)
#: what each customer adds to these figures
CUSTOMER_OUTCOMES = LakeTable("outcomes/customer_outcomes")
