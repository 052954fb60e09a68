"""What the rankers of product types and coupons take, by the names of its columns."""

from __future__ import annotations

#: in order of precedence where two sources give a type the same rank; the last two count only if no other picks it
SOURCES = ("personal_frequency", "bought_together", "similar_customers", "popular_in_segment", "popular")
#: columns of the purchase history that travel with a candidate
HISTORY = (
    "baskets_28",
    "baskets_84",
    "baskets_total",
    "spend_84",
    "days_since_last",
    "days_since_first",
    "interval_days",
    "faded_baskets",
)
#: of the customer and the product type together
PAIR = tuple(f"pair_{name}" for name in HISTORY)
#: of the customer
CUSTOMER = (
    "tenure_days",
    "recency_days",
    "baskets_total",
    "baskets_28",
    "baskets_84",
    "spend_84",
    "types_84",
    "types_total",
    "basket_lines_84",
    "interval_days",
    "overdue_ratio",
    "trend_28",
    "discount_share_84",
)
#: of the product type
TYPE = ("popularity_28", "repeat_share_84", "spend_per_buyer_28")
#: numeric columns of a candidate that the rankers take; null where undefined
RANKER_INPUTS: tuple[str, ...] = (
    *PAIR,
    "pair_due_ratio",
    "pair_share_84",
    "pair_share_total",
    "pair_faded_share",
    "als_score",
    "ease_score",
    "ease_new_score",
    "ease_lead",
    "ease_new_lead",
    "together_score",
    "department_affinity",
    *(f"customer_{name}" for name in CUSTOMER),
    *(f"type_{name}" for name in TYPE),
    "type_baskets_per_buyer_84",
    "type_trend",
    "customer_new_types_84",
    "type_new_share_28",
)
#: the rank that a source gave the candidate, null where it did not pick it
SOURCE_RANKS: tuple[str, ...] = tuple(f"{source}_rank" for source in SOURCES)
#: of the coupon, and of the customer with its scope
COUPON = (
    "days_left",
    "days_running",
    "scope_products",
    "scope_types",
    "scope_baskets_28",
    "scope_baskets_84",
    "scope_baskets_total",
    "scope_spend_84",
    "scope_days_since_last",
    "scope_buyers_28",
    "scope_spend_per_buyer_28",
    "offer_responses",
    "customer_responses_total",
    "customer_responses_campaign",
)
#: of the customer whom a coupon targets
BUYER = (
    "recency_days",
    "baskets_28",
    "baskets_84",
    "baskets_total",
    "spend_84",
    "basket_value_84",
    "interval_days",
    "overdue_ratio",
    "discount_share_84",
    "campaigns_total",
    "responses_84",
)
#: numeric columns of a customer and a coupon that the model of purchases in the scope takes; null where unknown
COUPON_INPUTS: tuple[str, ...] = (
    *COUPON,
    "scope_share_84",
    "scope_share_total",
    "scope_spend_share_84",
    "response_rate",
    "campaign_coupons",
    "open_coupons",
    *(f"customer_{name}" for name in BUYER),
)
#: inputs of the response model: the coupon against the customer's other coupons, and earlier redemptions; there are too
#: few redemptions to learn from the customer's other habits
RESPONSE_INPUTS: tuple[str, ...] = (
    *COUPON,
    "scope_share_84",
    "scope_share_total",
    "scope_frequency",
    "scope_rank",
    "scope_lead",
    "scope_lift",
    "response_rate",
    "customer_responses_84",
    "campaign_coupons",
    "open_coupons",
)
