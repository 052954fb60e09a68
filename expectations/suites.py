"""The suites of all canonical tables by name, each with the rule on casts that every table has."""

from __future__ import annotations

from expectations.rules import CAST, Rule
from expectations.tables import (
    campaign_targets,
    campaigns,
    characteristic_needs,
    consents,
    customers,
    need_categories,
    needs,
    offer_products,
    offers,
    order_lines,
    organizations,
    products,
    responses,
    touches,
)

SUITES: dict[str, tuple[Rule, ...]] = {
    room.TABLE.name: (CAST, *room.EXPECTATIONS)
    for room in (
        customers,
        organizations,
        consents,
        products,
        order_lines,
        campaigns,
        campaign_targets,
        offers,
        offer_products,
        touches,
        responses,
        need_categories,
        needs,
        characteristic_needs,
    )
}
