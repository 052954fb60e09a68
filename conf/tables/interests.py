"""Tables of interests and of the wide features, and the dictionary of all features with their coverage."""

from __future__ import annotations

from conf.tables.table import Column, Table

INTERESTS = Table(
    "interests",
    "one customer known to the CRM by as_of: interests, life stage, prices, places and times of a year (365 days)",
    ("customer_id",),
    (
        Column("customer_id", "string", "customer"),
        Column("life_stage", "string", "first stage of the source's rules that holds; null where none does"),
        Column("life_stage_basis", "string", "recorded: what the CRM records; baskets: what is bought; null without"),
        Column(
            "long_interests", "string", "categories leant to most, halved every 182 days; null where none stands out"
        ),
        Column(
            "short_interests", "string", "categories leant to most, halved every 28 days; null where none stands out"
        ),
        Column(
            "interest_distance", "double", "total variation of short shares from the year's, 0..1; null under 8 baskets"
        ),
        Column("interest_chance", "double", "share of random orders of the same baskets that move as far"),
        Column("interest_drift", "boolean", "short interests moved further than chance explains; null under 8 baskets"),
        Column(
            "price_index", "double", "list price paid a piece over the base's mean for the same kinds; null unpriced"
        ),
        Column("price_tier", "string", "low, middle or high third of the night by price_index; null unpriced"),
        Column("store_loyalty", "double", "share of baskets in the main store; null where stores are unknown"),
        Column("store_switched", "boolean", "main store of 84 days is another than before; null without either"),
        Column("day_part", "string", "night, morning, midday, afternoon or evening with most baskets; null under 5"),
        Column("day_part_share", "double", "its share of the baskets"),
        Column("weekday", "string", "weekday with most baskets; null under 5 baskets"),
        Column("weekday_share", "double", "its share of the baskets"),
        Column("leakage", "double", "share of the earlier spend a day, by category, missing in 84 days; null too new"),
    ),
)

WIDE = Table(
    "wide",
    "one customer with a purchase in 365 days: hundreds of features, sparse; feature_coverage says what they mean",
    ("customer_id",),
    (
        Column("customer_id", "string", "customer"),
        Column("places", "array<int>", "positions of the features that are not absent, ascending"),
        Column("cells", "array<float>", "their values"),
    ),
)

FEATURE_COVERAGE = Table(
    "feature_coverage",
    "one feature of a customer: what it means and how many customers of the night have it",
    ("table_name", "position"),
    (
        Column("table_name", "string", "table of the features layer", nullable=False),
        Column("position", "int", "place of the column in its table, or in the cells of wide", nullable=False),
        Column("column_name", "string", "name", nullable=False),
        Column("about", "string", "meaning", nullable=False),
        Column("unit", "string", "unit of a value", nullable=False),
        Column("coverage", "double", "share of the table's customers whose value is known", nullable=False),
        Column("nonzero_share", "double", "wide: share whose value is known and not zero; else null"),
    ),
)
