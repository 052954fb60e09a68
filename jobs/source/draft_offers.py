"""Drafts what is offered, asked and delivered, so that nothing of the demonstration is left in a new source."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from statistics import quantiles

from jobs.source.draft import ExportDraft, as_number
from jobs.source.look import Look
from jobs.source.roles import roles

#: levels of products, the widest first
LEVELS = {"department": "departments", "category": "categories", "product_type": "product_types"}


def offers(exports: list[ExportDraft]) -> str:
    """Return offers.yml: sizes by the sample, margins and costs as assumptions to be set."""
    customers = max((_customers(export.look) for export in exports if export.table == "order_lines"), default=1000)
    least = max(5, min(50, customers // 40))
    return f"""# CHECK: margins, costs and discounts are assumptions until you set them.
per_customer: 5
ceiling_share: 0.20
product_types:
  min_buyers: {least}               # of {customers:,} customers in the sample
  margin: 0.25
  cost: 0.02
  discoveries: 1
coupons:
  margin: 0.25
  discount: 1.00
  max_per_customer: 2
"""


def propensities(exports: list[ExportDraft]) -> str:
    """Return propensities.yml: what any shop asks, and the largest groups of products."""
    text = """# What is asked of every customer; a few lines each.
labels:
  - label: comes_back
    title: comes back after four weeks or more
    kind: returns
    lapse_days: 28
  - label: becomes_paying
    title: buys for the first time
    kind: first_purchase
"""
    groups = _groups(exports)
    if groups is None:
        return text
    level, names = groups
    for number, name in enumerate(names, 1):
        scope = json.dumps(name, ensure_ascii=False)
        title = json.dumps(f"buys in {name}", ensure_ascii=False)
        text += f"""  - label: buys_{LEVELS[level]}_{number}       # CHECK: a name of your own
    title: {title}
    kind: buys
    scope: {{{LEVELS[level]}: [{scope}]}}
"""
    return text


def segments(exports: list[ExportDraft]) -> str:
    """Return segments.yml: families that need no knowledge of the shop, with limits by the sample's spend."""
    half, upper = _spend(exports)
    return f"""bom: true
delimiter: ","
segments:
  - slug: likely_to_leave_and_valuable
    title: Likely to leave and valuable
    about: Customers who spent much and whose churn probability is high or middling.
    where: churn_band in ('high', 'middle') and (is_valuable or spend_365 >= {upper})
    order_by: churn_probability * spend_365 desc, customer_id
  - slug: ready_for_a_new_product_type
    title: Ready for something new
    about: Customers to whom a product type is offered that they never bought.
    where: not is_cold
    offer_where: offer_kind = 'product_type' and is_discovery
    order_by: expected_value desc, customer_id
  - slug: new_and_cold
    title: New and cold
    about: Customers with fewer than two orders; they get what is popular in their segment.
    where: is_cold
    offer_where: rank = 1
  - slug: win_back
    title: To win back
    about: Nothing bought for twelve weeks, but much in the year.
    where: recency_days >= 84 and spend_365 >= {half}       # CHECK: half of the sample's customers spent more
    order_by: spend_365 desc, customer_id
    deliver: false
"""


def _customers(look: Look) -> int:
    buyer = roles(look, "order_lines").get("customer_id")
    return buyer.distinct if buyer else 0


def _groups(exports: list[ExportDraft]) -> tuple[str, list[str]] | None:
    """Return a level of products with its largest groups."""
    for export in exports:
        if export.table != "products":
            continue
        fill = roles(export.look, "products")
        for level in LEVELS:
            column = fill.get(level)
            if column and 1 < column.distinct <= 200:
                return level, [name for name, _ in Counter(column.values).most_common(4)]
    return None


def _spend(exports: list[ExportDraft]) -> tuple[int, int]:
    """Return median and upper quartile of what a customer of the sample spent; 100 and 200 where none is seen."""
    spent: dict[str, float] = defaultdict(float)
    for export in exports:
        if export.table != "order_lines":
            continue
        fill = roles(export.look, "order_lines")
        amount = fill.get("amount") or fill.get("price")
        if amount and len(amount.values) == len(fill["customer_id"].values):
            for customer, value in zip(fill["customer_id"].values, amount.values, strict=True):
                spent[customer] += as_number(value, export.look)
    if len(spent) < 4:
        return 100, 200
    _, half, upper = quantiles(spent.values(), n=4)
    return max(1, round(half)), max(1, round(upper))
