"""What a night publishes of offers: to whom, of what, who was told, and what came of it."""

from __future__ import annotations

from conf.tables.customers import CUSTOMER
from conf.tables.segments import DS
from conf.tables.table import Column, Table

NEXT_BEST_OFFER = Table(
    "next_best_offer",
    "one offer of one customer on one night",
    ("ds", "customer_id", "rank"),
    (
        DS,
        CUSTOMER,
        Column("rank", "int", "1 is the best", nullable=False),
        Column("offer_id", "string", "coupon's key, or type:<product type>", nullable=False),
        Column("offer_kind", "string", "coupon or product_type", nullable=False),
        Column("offer_title", "string", "what the customer would read", nullable=False),
        Column("channel", "string", "channel the policy names", nullable=False),
        Column(
            "propensity",
            "double",
            "P(buys the product type), or P(redeems the coupon)",
            nullable=False,
        ),
        Column("response_probability", "double", "coupons: P(redeems within the horizon); else null"),
        Column(
            "expected_spend",
            "double",
            "expected spend in the scope if the customer buys, in the source's currency",
        ),
        Column(
            "expected_value",
            "double",
            "propensity x expected_spend x margin - cost; of coupons propensity x (spend x margin - discount); "
            "margin, cost and discount are assumptions",
        ),
        Column("uplift", "double", "incremental probability; null while no trustworthy uplift model exists"),
        Column("is_discovery", "boolean", "the customer never bought in the scope", nullable=False),
        Column("candidate_source", "string", "where the candidate came from", nullable=False),
        Column("reason_codes", "string", "codes of the reasons, joined by ;", nullable=False),
        Column("reason", "string", "the reasons as a plain sentence", nullable=False),
        Column("valid_to", "date", "last day the offer can be taken; null: no end"),
        Column("models", "string", "name:hash of the models that scored it, joined by ;", nullable=False),
        Column("treatment", "string", "treated or control: control customers are never contacted", nullable=False),
        Column("contactable", "boolean", "consent, control group and contact limits allow it tonight", nullable=False),
        Column("blocked_by", "string", "why the customer may not be contacted; null where contactable"),
    ),
)

CHARACTERISTIC_RECOMMENDATIONS = Table(
    "characteristic_recommendations",
    "one product characteristic recommended for one customer on one night",
    ("ds", "customer_id", "rank"),
    (
        DS,
        CUSTOMER,
        Column("rank", "int", "1 is the most probable", nullable=False),
        Column("kind", "string", "kind of characteristic", nullable=False),
        Column("characteristic", "string", "value of the characteristic", nullable=False),
        Column("probability", "double", "P(buys a product with it within the horizon)", nullable=False),
        Column("above_threshold", "boolean", "at or above the characteristic's own threshold", nullable=False),
        Column("is_discovery", "boolean", "the customer never bought a product with it", nullable=False),
        Column("stage", "string", "stage of the funnel: first contact, sale or retention", nullable=False),
        Column("advice", "string", "what to say of it in a talk at this stage", nullable=False),
        Column(
            "standing",
            "string",
            "champion or challenger: whether the model beat its baseline",
            nullable=False,
        ),
        Column("model", "string", "name:hash of the model", nullable=False),
    ),
)

ORGANIZATION_CHARACTERISTICS = Table(
    "organization_characteristics",
    "one product characteristic for one organisation on one night, put together from its contacts",
    ("ds", "organization_id", "rank"),
    (
        DS,
        Column("organization_id", "string", "the CRM's key of the organisation", nullable=False),
        Column("rank", "int", "1 is the most probable", nullable=False),
        Column("characteristic", "string", "value of the characteristic", nullable=False),
        Column("probability", "double", "P(at least one contact buys a product with it)", nullable=False),
        Column("contacts", "long", "contacts it is among the first characteristics of", nullable=False),
    ),
)

CONTACTS = Table(
    "contacts",
    "one customer in one segment file that was delivered on a live night",
    ("ds", "customer_id", "segment"),
    (
        DS,
        CUSTOMER,
        Column("segment", "string", "slug of the segment file", nullable=False),
        Column("offer_id", "string", "offer the file carries for the customer; null where it carries none"),
        Column("channel", "string", "channel the policy names", nullable=False),
        Column("contacted_on", "date", "day from which contact limits count it", nullable=False),
    ),
)

FILE_MEMBERS = Table(
    "file_members",
    "one customer in one segment file of one night, replayed nights included",
    ("ds", "segment", "customer_id"),
    (
        DS,
        Column("segment", "string", "slug of the segment file", nullable=False),
        CUSTOMER,
        Column("position", "int", "row of the file, from 1", nullable=False),
        Column("change", "string", "joined or stayed, against the file of the night before", nullable=False),
        Column("offer_id", "string", "offer the file carries for the customer; null where it carries none"),
        Column("channel", "string", "channel the policy names", nullable=False),
        Column("expected_value", "double", "of that offer, as in next_best_offer"),
    ),
)

OFFER_OUTCOMES = Table(
    "offer_outcomes",
    "one figure on what the offers of a past night brought within the horizon",
    ("ds", "offers_of", "offer_kind", "slice", "method", "metric"),
    (
        DS,
        Column("offers_of", "date", "the night that made the offers", nullable=False),
        Column("offer_kind", "string", "product_type, coupon, characteristic, or any: all purchases", nullable=False),
        Column("slice", "string", "all, repeat, discovery, treated or control", nullable=False),
        Column("method", "string", "nbo, popularity or personal_frequency", nullable=False),
        Column(
            "metric",
            "string",
            "hit_rate@5, redemptions@2, expected_value, value_ratio (realised / expected), ...",
            nullable=False,
        ),
        Column("value", "double", "value of the metric"),
        Column("customers", "long", "customers it is taken over"),
        Column("low", "double", "lower end of the 95 % bootstrap interval; null where none"),
        Column("high", "double", "upper end of the 95 % bootstrap interval; null where none"),
        Column(
            "is_replay",
            "boolean",
            "the night was replayed, nobody was contacted: no lift is claimed",
            nullable=False,
        ),
    ),
)
