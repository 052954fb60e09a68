"""What a night decides for the whole base, why, and what its limits cost."""

from __future__ import annotations

from conf.tables.customers import CUSTOMER
from conf.tables.segments import DS
from conf.tables.table import Column, Table

_ACTION = Column("action", "string", "name of the action in conf/decisions.yml; nothing: no contact", nullable=False)
_OFFER = Column("offer_id", "string", "offer the action carries, as in next_best_offer; null where it carries none")
_VALUE = Column(
    "value",
    "double",
    "expected margin that the contact adds, less discounts and cost, in the source's currency; margin, cost and what "
    "would be bought anyway (the customer's own frequency) are assumptions",
)

DECISIONS = Table(
    "decisions",
    "one action decided for one customer on one night; a customer without one has the action nothing",
    ("ds", "customer_id", "position"),
    (
        DS,
        CUSTOMER,
        Column("position", "int", "1 adds most", nullable=False),
        _ACTION,
        _OFFER,
        _VALUE,
        Column("reason", "string", "why, as a sentence", nullable=False),
    ),
)
DECISION_LEDGER = Table(
    "decision_ledger",
    "one action considered for one customer on one night",
    ("ds", "customer_id", "action", "place"),
    (
        DS,
        CUSTOMER,
        _ACTION,
        Column("place", "int", "1 is the best of the action's offers", nullable=False),
        _OFFER,
        Column("probability", "double", "that it is bought or redeemed; null without an offer"),
        Column("anyway", "double", "probability that it is bought anyway; null without an offer"),
        _VALUE,
        Column("decided", "boolean", "the customer gets it", nullable=False),
        Column("chosen_probability", "double", "probability with which it was chosen", nullable=False),
        Column("gate", "string", "what rules it out; null: nothing does"),
        Column("bound_by", "string", "limit whose price is more than it is worth; null: none"),
        Column("displaced_by", "string", "action that the customer gets instead; null: none"),
        Column("missing_value", "double", "value it lacks to be chosen at tonight's prices; null where ruled out"),
    ),
)
DECISION_LIMITS = Table(
    "decision_limits",
    "one limit over all customers on one night, and the certificate of the allocation (limit: all decisions)",
    ("ds", "name"),
    (
        DS,
        Column("name", "string", "limit of conf/decisions.yml", nullable=False),
        Column("bound", "double", "what may be used; negative: at least so much has to be"),
        Column("used", "double", "what the decisions use", nullable=False),
        Column("price", "double", "value that one more unit would bring", nullable=False),
        Column("is_broken", "boolean", "it does not hold: it is only reported, or cannot be kept", nullable=False),
    ),
)
DECISION_TABLES = (DECISIONS, DECISION_LEDGER, DECISION_LIMITS)
