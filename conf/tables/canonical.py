"""The canonical CRM model: what every source is mapped to, and what every later stage reads (clean layer).

Money is ``decimal(18,4)`` in the source's currency, so that sums do not depend on the order of rows.
"""

from __future__ import annotations

from conf.tables.table import Column, Table

MONEY = "decimal(18,4)"
QUANTITY = "decimal(18,3)"
#: kind of a response: the customer took the coupon
REDEEMED = "redeemed"

CUSTOMERS = Table(
    "customers",
    "one person or account that an offer can go to",
    ("customer_id",),
    (
        Column("customer_id", "string", "the CRM's key of the customer", nullable=False),
        Column("organization_id", "string", "organisation the contact belongs to; null in B2C"),
        Column("registered_on", "date", "local day of the first record of this customer in the CRM"),
        Column("name", "string", "name of the person", personal=True),
        Column("email", "string", "e-mail address", personal=True),
        Column("phone", "string", "phone number, E.164", personal=True),
        Column("birth_date", "date", "day of birth", personal=True),
        Column("gender", "string", "gender as recorded", personal=True),
        Column("age_band", "string", "age band as recorded"),
        Column("income_band", "string", "income band as recorded"),
        Column("household_size", "string", "number of persons in the household, may be open-ended"),
        Column("attributes", "map<string,string>", "further attributes of the source"),
    ),
)

ORGANIZATIONS = Table(
    "organizations",
    "one organisation",
    ("organization_id",),
    (
        Column("organization_id", "string", "the CRM's key of the organisation", nullable=False),
        Column("name", "string", "name of the organisation"),
        Column("industry", "string", "industry as recorded"),
        Column("size_band", "string", "number of employees, as a band"),
        Column("region", "string", "region as recorded"),
        Column("attributes", "map<string,string>", "further attributes of the source"),
    ),
)

CONSENTS = Table(
    "consents",
    "one decision of a customer on a channel and purpose",
    ("customer_id", "channel", "purpose", "changed_at"),
    (
        Column("customer_id", "string", "customer", nullable=False),
        Column(
            "channel",
            "string",
            "email, sms, push, phone, post, mail (letters or e-mail), messenger or * for all",
            nullable=False,
        ),
        Column(
            "purpose",
            "string",
            "marketing, profiling, processing, service, research, sharing or * for all",
            nullable=False,
        ),
        Column("granted", "boolean", "true: may be contacted", nullable=False),
        Column("changed_at", "timestamp", "when the customer decided (UTC)", nullable=False),
    ),
)

PRODUCTS = Table(
    "products",
    "one product (SKU)",
    ("product_id",),
    (
        Column("product_id", "string", "the CRM's key of the product", nullable=False),
        Column("title", "string", "title as shown to customers"),
        Column("department", "string", "first level of the category path"),
        Column("category", "string", "second level of the category path"),
        Column(
            "product_type",
            "string",
            "third level of the category path; a characteristic and an offer's scope",
        ),
        Column("brand", "string", "brand"),
        Column("manufacturer", "string", "manufacturer"),
        Column("size", "string", "package size as recorded"),
        Column("price", MONEY, "list price"),
        Column("counted", "boolean", "quantities are pieces (false: litres of fuel and the like)", nullable=False),
        Column("offerable", "boolean", "may be offered to customers", nullable=False),
        Column("attributes", "map<string,string>", "further attributes of the source"),
    ),
)

ORDER_LINES = Table(
    "order_lines",
    "one product in one order",
    ("order_id", "line_id"),
    (
        Column("order_id", "string", "order or basket", nullable=False),
        Column("line_id", "string", "line within the order; ~~return: a return, ~~2: its second line", nullable=False),
        Column("customer_id", "string", "buyer", nullable=False),
        Column("product_id", "string", "product", nullable=False),
        Column("store_id", "string", "store or shop"),
        Column("ordered_at", "timestamp", "moment of the order (UTC)", nullable=False),
        Column("ordered_on", "date", "local day of the order", nullable=False),
        Column("quantity", QUANTITY, "pieces, or units where the product is not counted", nullable=False),
        Column("amount", MONEY, "paid for the line, discounts taken off", nullable=False),
        Column("discount", MONEY, "discounts of the line, as a positive amount", nullable=False),
        Column("is_return", "boolean", "the line takes a sale back", nullable=False),
    ),
    partition="ordered_on",
)

CAMPAIGNS = Table(
    "campaigns",
    "one campaign",
    ("campaign_id",),
    (
        Column("campaign_id", "string", "the CRM's key of the campaign", nullable=False),
        Column("name", "string", "name"),
        Column("kind", "string", "kind as recorded"),
        Column("starts_on", "date", "first local day", nullable=False),
        Column("ends_on", "date", "last local day", nullable=False),
        Column("channel", "string", "channel it goes out by"),
    ),
)

CAMPAIGN_TARGETS = Table(
    "campaign_targets",
    "one customer that a campaign targets",
    ("campaign_id", "customer_id"),
    (
        Column("campaign_id", "string", "campaign", nullable=False),
        Column("customer_id", "string", "customer", nullable=False),
        Column("targeted_on", "date", "local day the CRM chose the customer", nullable=False),
    ),
)

OFFERS = Table(
    "offers",
    "one offer of one campaign, for example a coupon",
    ("offer_id",),
    (
        Column("offer_id", "string", "the CRM's key of the offer within the campaign", nullable=False),
        Column("campaign_id", "string", "campaign", nullable=False),
        Column("kind", "string", "coupon, gift, ...", nullable=False),
        Column("title", "string", "text shown to the customer"),
        Column("valid_from", "date", "first local day it can be taken", nullable=False),
        Column("valid_to", "date", "last local day it can be taken", nullable=False),
        Column("discount", MONEY, "money off when it is taken; null where the source does not know"),
    ),
)

OFFER_PRODUCTS = Table(
    "offer_products",
    "one product in the scope of one offer",
    ("offer_id", "product_id"),
    (
        Column("offer_id", "string", "offer", nullable=False),
        Column("product_id", "string", "product", nullable=False),
    ),
)

TOUCHES = Table(
    "touches",
    "one contact that the CRM records",
    ("touch_id",),
    (
        Column("touch_id", "string", "the CRM's key of the contact", nullable=False),
        Column("customer_id", "string", "customer", nullable=False),
        Column("campaign_id", "string", "campaign, where there is one"),
        Column("offer_id", "string", "offer, where a single one was sent"),
        Column("channel", "string", "channel it went out by"),
        Column("touched_on", "date", "local day", nullable=False),
        Column("is_control", "boolean", "held back at random, as the comparison of a test; null: contacted"),
    ),
    partition="touched_on",
)

RESPONSES = Table(
    "responses",
    "one response of a customer to an offer",
    ("response_id",),
    (
        Column("response_id", "string", "key of the response", nullable=False),
        Column("customer_id", "string", "customer", nullable=False),
        Column("offer_id", "string", "offer", nullable=False),
        Column("kind", "string", f"{REDEEMED}, clicked, refused, ...", nullable=False),
        Column("responded_on", "date", "local day", nullable=False),
    ),
    partition="responded_on",
)

NEED_CATEGORIES = Table(
    "need_categories",
    "one category of needs",
    ("need_category_id",),
    (
        Column("need_category_id", "string", "key of the category", nullable=False),
        Column("name", "string", "name", nullable=False),
    ),
)

NEEDS = Table(
    "needs",
    "one need of customers",
    ("need_id",),
    (
        Column("need_id", "string", "key of the need", nullable=False),
        Column("name", "string", "name", nullable=False),
        Column("need_category_id", "string", "its category"),
    ),
)

CHARACTERISTIC_NEEDS = Table(
    "characteristic_needs",
    "one characteristic of products and one need it answers",
    ("characteristic", "need_id"),
    (
        Column("characteristic", "string", "product type", nullable=False),
        Column("need_id", "string", "need", nullable=False),
    ),
)

#: table -> column -> where its values must be found; a row that names anything else is quarantined
BOOK_REFERENCES: dict[str, dict[str, tuple[str, str]]] = {
    "needs": {"need_category_id": ("need_categories", "need_category_id")},
    "characteristic_needs": {"characteristic": ("products", "product_type"), "need_id": ("needs", "need_id")},
}

#: what coupons need; without one of them there are none
COUPON_ENTITIES = ("offers", "offer_products", "campaigns", "campaign_targets", "responses")

CANONICAL: dict[str, Table] = {
    table.name: table
    for table in (
        CUSTOMERS,
        ORGANIZATIONS,
        CONSENTS,
        PRODUCTS,
        ORDER_LINES,
        CAMPAIGNS,
        CAMPAIGN_TARGETS,
        OFFERS,
        OFFER_PRODUCTS,
        TOUCHES,
        RESPONSES,
        NEED_CATEGORIES,
        NEEDS,
        CHARACTERISTIC_NEEDS,
    )
}
