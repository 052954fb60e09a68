"""What a night publishes of its customers: scores, propensities, next actions."""

from __future__ import annotations

from conf.tables.interests import INTERESTS
from conf.tables.segments import DS
from conf.tables.table import Column, Table

CUSTOMER = Column("customer_id", "string", "the CRM's key of the customer", nullable=False)

#: what customer_scores takes over from the interests
SCORED_INTERESTS = (
    "life_stage", "life_stage_basis", "long_interests", "short_interests", "interest_drift", "price_tier",
    "store_loyalty", "leakage",
)  # fmt: skip

_OF_CUSTOMERS = (
    DS,
    CUSTOMER,
    Column("segment_id", "string", "segment", nullable=False),
    Column("segment_name", "string", "segment in a marketer's words", nullable=False),
    Column("is_cold", "boolean", "fewer than two baskets", nullable=False),
    Column("recency_days", "int", "days since the last basket; null without one"),
    Column("baskets_84", "long", "baskets in the last 84 days"),
    Column("spend_84", "double", "amount paid in the last 84 days"),
    Column("spend_365", "double", "amount paid in the last 365 days"),
    Column("discount_share_365", "double", "discount over list value in 365 days"),
    Column("top_department", "string", "department with the most spend in 365 days"),
    Column("responses_total", "long", "responses (redemptions) ever"),
    Column("types_84", "long", "distinct offerable product types in the last 84 days"),
    Column("private_brand_share_84", "double", "share of spend on own brands; null where brands are unknown"),
    *(INTERESTS.column(name) for name in SCORED_INTERESTS),
    Column("likely", "string", "labels in whose band high the customer is, joined by ;, as segment rules use them"),
    Column(
        "discount_dependence",
        "double",
        "share of purchases at a discount, shrunk to what the product types bought make usual; observational",
    ),
    Column(
        "discount_band",
        "string",
        "only, mostly, mixed or seldom, by the 90 % interval of discount_dependence; null without a purchase",
    ),
    Column("next_action", "string", "most probable next action (table next_actions); null while there is no model"),
)
_FROM_SCORES = (
    Column(
        "churn_band",
        "string",
        "high, middle or low by the night's deciles (top, next two, rest); null unscored",
    ),
    Column("value_class", "string", "A to D: quarters of the customers by falling expected_spend"),
    Column(
        "offer_ceiling",
        "double",
        "most that a coupon may take off: expected_spend x margin x ceiling_share (assumptions); null: no model",
    ),
    Column("is_valuable", "boolean", "class A: top quarter by expected_spend", nullable=False),
    Column("treatment", "string", "treated or control: control customers are never contacted", nullable=False),
    Column("contactable", "boolean", "consent, control group and contact limits allow it tonight", nullable=False),
    Column("blocked_by", "string", "why the customer may not be contacted; null where contactable"),
    Column("recent_contacts", "int", "contacts in contact_window_days up to the night, those of the CRM included"),
)


def customer_scores(of_models: tuple[Column, ...]) -> Table:
    """Return the table of customers' scores; ``of_models``: the columns that the models of the registry declare."""
    columns = (*_OF_CUSTOMERS, *of_models, *_FROM_SCORES)
    return Table("customer_scores", "one customer on one night", ("ds", "customer_id"), columns)


CUSTOMER_PROPENSITIES = Table(
    "customer_propensities",
    "one label of conf/propensities.yml that can be asked of one customer on one night",
    ("ds", "customer_id", "label"),
    (
        DS,
        CUSTOMER,
        Column("label", "string", "what the customer will do within the horizon, or is", nullable=False),
        Column("probability", "double", "that it is so; of an amount, that it is above zero", nullable=False),
        Column(
            "band",
            "string",
            "high or middle: where the top tenth and the next fifth stood when the model was made; low",
            nullable=False,
        ),
        Column("reasons", "string", "what raises the probability most, in words; empty: nothing does", nullable=False),
        Column("model", "string", "name:hash of the model", nullable=False),
        Column("standing", "string", "champion or challenger", nullable=False),
        Column("expected", "double", "the amount that is expected; null where the label is none"),
    ),
)

NEXT_ACTIONS = Table(
    "next_actions",
    "one action that a customer may take next, as forecast on one night: the first steps of the journey",
    ("ds", "customer_id", "rank"),
    (
        DS,
        CUSTOMER,
        Column("rank", "int", "1 is the most probable", nullable=False),
        Column(
            "action",
            "string",
            "department that leads the next visit (gets most of the money), other, or no purchase within the horizon",
            nullable=False,
        ),
        Column("probability", "double", "P(it is the next action)", nullable=False),
        Column("expected_day", "date", "day the visit is expected if it is this action; null for no purchase"),
        Column("model", "string", "name:hash of the model", nullable=False),
    ),
)
