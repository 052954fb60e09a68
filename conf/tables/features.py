"""Tables of the features layer: what Spark builds each night, and what models and scoring read.

All windows are counted in local days up to and including ``as_of`` (the night's ``ds``); ``_28`` means the last 28
days. A basket is an order with at least one line that is no return.
"""

from __future__ import annotations

from conf.tables.interests import FEATURE_COVERAGE, INTERESTS, WIDE
from conf.tables.items import ITEM_FEATURES
from conf.tables.table import Column, Table

WINDOWS = (28, 30, 60, 84, 90, 365)

PROFILE = Table(
    "profile",
    "one customer known to the CRM by as_of, with or without a purchase",
    ("customer_id",),
    (
        Column("customer_id", "string", "customer"),
        Column("tenure_days", "int", "days since the first basket; null without one"),
        Column("recency_days", "int", "days since the last basket; null without one"),
        Column("baskets_total", "long", "baskets ever"),
        *(Column(f"baskets_{days}", "long", f"baskets in the last {days} days") for days in WINDOWS),
        *(Column(f"spend_{days}", "double", f"amount paid in the last {days} days") for days in WINDOWS),
        Column("spend_total", "double", "amount paid ever"),
        *(
            Column(f"discount_share_{d}", "double", f"discount over list value in {d} days; null without a line")
            for d in WINDOWS
        ),
        Column("lines_84", "long", "order lines in the last 84 days"),
        Column("types_84", "long", "distinct offerable product types in the last 84 days"),
        Column("types_total", "long", "distinct offerable product types ever"),
        Column("stores_84", "long", "distinct stores in the last 84 days"),
        Column("main_store_share_84", "double", "share of baskets in the customer's main store; null without one"),
        Column("basket_value_84", "double", "mean amount of a basket; null without one"),
        Column("basket_lines_84", "double", "mean lines of a basket; null without one"),
        Column("basket_pieces_84", "double", "mean counted pieces of a basket (fuel left out); null without one"),
        Column(
            "private_brand_share_84",
            "double",
            "share of spend on brands named private (own brand); null where brands are unknown",
        ),
        Column("interval_days", "double", "mean days between baskets; null under two baskets"),
        Column(
            "interval_deviation_days",
            "double",
            "standard deviation of the days between baskets; null under three",
        ),
        Column("overdue_ratio", "double", "recency over mean interval; null under two baskets"),
        Column("trend_28", "double", "baskets in 28 days against a third of those in 84: log((1+3a)/(1+b))"),
        Column("weekend_share_84", "double", "share of baskets on Saturday and Sunday; null without one"),
        Column("evening_share_84", "double", "share of baskets at 18 h or later, local time; null without one"),
        Column("campaigns_total", "long", "campaigns that targeted the customer"),
        Column("responses_total", "long", "responses (redemptions) ever"),
        Column("responses_84", "long", "responses in the last 84 days"),
        Column("top_department", "string", "department with the most spend in 365 days; null without one"),
        Column(
            "department_affinity",
            "map<string,string>",
            "department -> share of spend over base share, shrunk to 1; counted products, 365 days",
        ),
        Column("age_band", "string", "as recorded"),
        Column("income_band", "string", "as recorded"),
        Column("household_size", "string", "as recorded"),
        Column("is_cold", "boolean", "fewer than two baskets"),
    ),
)

ACTIONS = Table(
    "actions",
    "one customer with a visit: a day with a purchase, whose action is the department that got most of the money",
    ("customer_id",),
    (
        Column("customer_id", "string", "customer"),
        Column("actions", "array<string>", "actions of the last visits, the newest first"),
        Column("days_ago", "array<int>", "days from each of these visits to as_of"),
    ),
)

#: windows, weeks back and half-lives (days) of the series of a customer's baskets
SERIES_WINDOWS = (7, 14, 28, 56, 84, 182, 364)
WEEKS = 12
DECAYS = (3, 7, 14, 28, 56, 112)

PURCHASE_SERIES = Table(
    "purchase_series",
    "one customer with a basket by as_of: what the series of the baskets says; a visit is a day with a basket",
    ("customer_id",),
    (
        Column("customer_id", "string", "customer"),
        Column("recency_days", "double", "days since the last visit"),
        Column("tenure_days", "double", "days since the first visit"),
        Column("visits_total", "double", "visits ever"),
        Column("baskets_total", "double", "baskets ever"),
        Column("spend_total", "double", "amount paid in baskets ever"),
        *(Column(f"baskets_{days}", "double", f"baskets in the last {days} days") for days in SERIES_WINDOWS),
        *(Column(f"spend_{days}", "double", f"amount paid in baskets, last {days} days") for days in SERIES_WINDOWS),
        Column("lines_84", "double", "order lines of baskets in the last 84 days"),
        Column("discount_share_84", "double", "discount over list value of baskets in 84 days; null without one"),
        Column("basket_value_84", "double", "mean amount of a basket; null without one"),
        Column("trend_28", "double", "baskets in 28 days against a third of those in 84: log((1+3a)/(1+b))"),
        *(Column(f"visits_week_{n}", "double", f"visits in week {n} back (1: the last 7 days)") for n in range(1, 13)),
        *(Column(f"spend_week_{n}", "double", f"amount paid in week {n} back") for n in range(1, 13)),
        *(Column(f"visits_decay_{d}", "double", f"visits, each halved every {d} days of its age") for d in DECAYS),
        *(Column(f"visit_rate_{d}", "double", "the same over its most possible since the first visit") for d in DECAYS),
        *(Column(f"spend_decay_{d}", "double", f"amount paid, halved every {d} days of its age") for d in DECAYS),
        Column("interval_days", "double", "mean days between visits; null under two"),
        Column("interval_deviation_days", "double", "standard deviation of the days between visits; null under two"),
        Column("overdue_ratio", "double", "recency over mean interval (at least half a day); null under two visits"),
        Column("gap_variation", "double", "standard deviation over mean of the days between visits"),
        Column("gap_max", "double", "longest gap between visits, days"),
        Column("gap_max_84", "double", "longest gap that ended in 84 days, the running one included, days"),
        Column("gap_last", "double", "the last gap between visits, days"),
        Column("gap_median", "double", "median gap between visits, days (the lower of two)"),
        Column("gap_p90", "double", "gap that nine in ten gaps do not exceed, days"),
        Column("gap_p95", "double", "gap that 19 in 20 gaps do not exceed, days"),
        Column("absences", "double", "gaps of more than 28 days"),
        Column("absence_share", "double", "share of days after which 28 days without a visit followed, shrunk"),
        Column("absence_by_habit", "double", "share of the own gaps as long as now that grew by 28 days, shrunk"),
        Column("absence_by_rate", "double", "P(no visit in 28 days) at the decayed rate, if visits came at random"),
        *(Column(f"days_since_visit_{k}", "double", f"days since the visit number {k} back") for k in (2, 3, 5, 10)),
        Column("weeks_active_share", "double", "share of the weeks since the first visit that had one"),
        Column("last_basket_spend", "double", "amount of the last basket"),
        Column("last_basket_lines", "double", "lines of the last basket"),
        Column("last_basket_ratio", "double", "amount of the last basket over the mean of 84 days"),
        Column("largest_basket_84", "double", "largest amount of a basket in 84 days; 0 without one"),
    ),
)

#: what the purchases in a propensity's scope say, by the same definitions as ``PURCHASE_SERIES``
HISTORY = (
    Column("recency_days", "double", "days since the last visit with a purchase in the scope"),
    Column("visits_total", "double", "such visits ever"),
    *(Column(f"visits_decay_{d}", "double", f"such visits, each halved every {d} days of its age") for d in DECAYS[2:]),
    Column("spend_84", "double", "amount paid in the scope in the last 84 days"),
    Column("interval_days", "double", "mean days between such visits; null under two"),
    Column("overdue_ratio", "double", "recency over mean interval; null under two visits"),
    Column("gap_last", "double", "days between the last two such visits"),
    Column("absence_by_habit", "double", "share of the own gaps as long as now that grew by 28 days, shrunk"),
    Column("absence_by_rate", "double", "P(no such visit in 28 days) at the decayed rate, if they came at random"),
    Column("weeks_active_share", "double", "share of the weeks since the first such visit that had one"),
)
LABEL_HISTORY = Table(
    "label_history",
    "one customer and propensity in whose scope the customer bought by as_of",
    ("customer_id", "label"),
    (
        Column("customer_id", "string", "customer"),
        Column("label", "string", "propensity of conf/propensities.yml"),
        *HISTORY,
    ),
)

DISCOUNTS = Table(
    "discounts",
    "one customer with a purchase in 365 days; a purchase is a product type in an order",
    ("customer_id",),
    (
        Column("customer_id", "string", "customer"),
        Column("purchases", "long", "purchases in 365 days"),
        Column("discounted_share", "double", "share of them with a discount"),
        Column("expected_share", "double", "the same, if each product type were bought at a discount as by everybody"),
        Column("dependence", "double", "discounted_share, shrunk to expected_share: what the next purchases will be"),
        Column("dependence_low", "double", "lower end of its 90 % interval"),
        Column("dependence_high", "double", "upper end of its 90 % interval"),
    ),
)

PRODUCT_TYPES = Table(
    "product_types",
    "one product type that is sold and offerable: the dictionary of characteristics",
    ("product_type",),
    (
        Column("product_type", "string", "value of the characteristic"),
        Column("department", "string", "department with most of its sales"),
        Column("products", "long", "products of the type sold ever"),
        Column("buyers", "long", "customers who ever bought it"),
        Column("buyers_28", "long", "customers who bought it in 28 days"),
        Column("buyers_84", "long", "customers who bought it in 84 days"),
        Column("baskets_84", "long", "baskets with it in 84 days"),
        Column("popularity_28", "double", "share of the customers active in 84 days who bought it in 28 days"),
        Column(
            "spend_per_buyer_28",
            "double",
            "mean spend on it in 28 days by those who bought it then (84 days / 3 where none; else of a basket)",
        ),
        Column(
            "spend_per_new_buyer_28",
            "double",
            "the same of those who bought it for the first time then, with spend_per_buyer_28 as one customer more",
        ),
        Column("repeat_share_84", "double", "share of its buyers in 84 days with two or more baskets of it"),
    ),
)

AFFINITY = Table(
    "affinity",
    "one customer and offerable product type bought at least once by as_of",
    ("customer_id", "product_type"),
    (
        Column("customer_id", "string", "customer"),
        Column("product_type", "string", "product type"),
        Column("baskets_28", "long", "baskets with it in 28 days"),
        Column("baskets_84", "long", "baskets with it in 84 days"),
        Column("baskets_total", "long", "baskets with it ever"),
        Column("spend_84", "double", "spend on it in 84 days"),
        Column("spend_total", "double", "spend on it ever"),
        Column("days_since_last", "int", "days since the last basket with it"),
        Column("days_since_first", "int", "days since the first basket with it"),
        Column("interval_days", "double", "mean days between baskets with it; null under two"),
        Column("faded_baskets", "double", "baskets with it, one of 120 days ago counted half, of 240 a quarter"),
    ),
)

BOUGHT_TOGETHER = Table(
    "bought_together",
    "an ordered pair of product types found in the same basket (last 365 days), the strongest per product type",
    ("product_type", "other"),
    (
        Column("product_type", "string", "product type in the basket"),
        Column("other", "string", "product type found with it"),
        Column("baskets", "long", "baskets with both"),
        Column("confidence", "double", "share of the baskets with product_type that hold other"),
        Column("lift", "double", "confidence over the share of all baskets with other"),
        Column("llr", "double", "log-likelihood ratio (Dunning 1993), signed: negative when seldom together"),
        Column("rank", "int", "1 is the strongest by llr"),
    ),
)

ALS_USERS = Table(
    "als_users",
    "one customer with a purchase",
    ("customer_id",),
    (
        Column("customer_id", "string", "customer"),
        Column("factors", "array<float>", "latent factors of implicit ALS"),
    ),
)

ALS_ITEMS = Table(
    "als_items",
    "one product type",
    ("product_type",),
    (
        Column("product_type", "string", "product type"),
        Column("factors", "array<float>", "latent factors of implicit ALS"),
    ),
)

SEGMENTS = Table(
    "segments",
    "one customer; cold ones are in the segment 'cold'",
    ("customer_id",),
    (
        Column("customer_id", "string", "customer"),
        Column("segment_id", "string", "stable id of the segment"),
        Column("segment_name", "string", "name in a marketer's words"),
        Column("silhouette", "double", "simplified silhouette of the customer, -1..1; null for cold"),
        Column("previous_segment_id", "string", "segment of the night before; null where not known then"),
        Column(
            "moved_by",
            "string",
            "behaviour: the customer changed; borders: the segments were fitted anew; null: stayed or is new",
        ),
    ),
)

SEGMENT_PROFILES = Table(
    "segment_profiles",
    "one segment",
    ("segment_id",),
    (
        Column("segment_id", "string", "stable id of the segment"),
        Column("segment_name", "string", "name in a marketer's words"),
        Column("group_id", "string", "top group in the tree of segments"),
        Column("group_name", "string", "name of the top group"),
        Column("since", "date", "night from which the segment is known under this id; null for cold"),
        Column("customers", "long", "members"),
        Column("joined", "long", "members who were in another segment the night before"),
        Column("silhouette", "double", "mean simplified silhouette of the members; null for cold"),
        Column("stability", "double", "mean adjusted Rand index of refits on resampled customers; null for cold"),
        Column("portrait", "string", "what is over- and under-represented, with 95 % intervals, in a sentence"),
        Column("recency_days", "double", "mean of the members"),
        Column("baskets_84", "double", "mean of the members"),
        Column("spend_84", "double", "mean of the members"),
        Column("discount_share_84", "double", "mean of the members"),
    ),
)

COUPON_AFFINITY = Table(
    "coupon_affinity",
    "one customer and coupon: the coupon is valid on the day after as_of and its campaign targets the customer",
    ("customer_id", "offer_id"),
    (
        Column("customer_id", "string", "customer"),
        Column("offer_id", "string", "coupon"),
        Column("campaign_id", "string", "campaign"),
        Column("campaign_kind", "string", "kind of the campaign"),
        Column("valid_to", "date", "last day it can be taken"),
        Column("days_left", "int", "days from as_of to valid_to"),
        Column("days_running", "int", "days since valid_from"),
        Column("scope_products", "long", "products in the coupon's scope"),
        Column("scope_types", "long", "product types in the coupon's scope"),
        Column("scope_main_type", "string", "product type with most sales in the scope"),
        Column("scope_baskets_28", "long", "the customer's baskets with a product of the scope in 28 days"),
        Column("scope_baskets_84", "long", "the same in 84 days"),
        Column("scope_baskets_total", "long", "the same ever"),
        Column("scope_spend_84", "double", "the customer's spend in the scope in 84 days"),
        Column(
            "scope_days_since_last",
            "int",
            "days since the customer's last purchase in the scope; null: never",
        ),
        Column("scope_buyers_28", "long", "customers who bought in the scope in 28 days"),
        Column(
            "scope_spend_per_buyer_28",
            "double",
            "mean spend in the scope in 28 days by those who bought; 0: none",
        ),
        Column("offer_responses", "long", "responses to this coupon by as_of, by anyone"),
        Column("customer_responses_total", "long", "responses of the customer by as_of, to anything"),
        Column("customer_responses_campaign", "long", "responses of the customer to this campaign"),
        Column("already_redeemed", "boolean", "the customer has taken this very coupon"),
    ),
)

FEATURES: dict[str, Table] = {
    table.name: table
    for table in (
        PROFILE,
        ACTIONS,
        PURCHASE_SERIES,
        LABEL_HISTORY,
        DISCOUNTS,
        PRODUCT_TYPES,
        AFFINITY,
        BOUGHT_TOGETHER,
        *ITEM_FEATURES,
        ALS_USERS,
        ALS_ITEMS,
        SEGMENTS,
        SEGMENT_PROFILES,
        COUPON_AFFINITY,
        INTERESTS,
        WIDE,
        FEATURE_COVERAGE,
    )
}
