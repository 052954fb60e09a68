"""Tables of the item side: neighbours of products, lists of places, repurchase intervals, words of customers."""

from __future__ import annotations

from conf.tables.table import Column, Table

SIMILAR_PRODUCTS = Table(
    "similar_products",
    "an ordered pair of products that the same customers buy (last 365 days), or that are described alike",
    ("product_id", "other"),
    (
        Column("product_id", "string", "product"),
        Column("other", "string", "a product like it; of a cluster of duplicates the one sold most of late"),
        Column("rank", "int", "1 is the most similar"),
        Column(
            "source", "string", "customers: bought by the same ones; content: described alike, for rarely bought ones"
        ),
        Column("score", "double", "similarity: cosine of the buyers, or of the words' weights"),
        Column("customers", "long", "customers who bought both; null for content"),
    ),
)

PRODUCTS_TOGETHER = Table(
    "products_together",
    "an ordered pair of products found in the same basket more often than by chance (last 365 days)",
    ("product_id", "other"),
    (
        Column("product_id", "string", "product in the basket"),
        Column("other", "string", "product found with it; of a cluster of duplicates the one sold most of late"),
        Column("rank", "int", "1 is the strongest by llr"),
        Column("baskets", "long", "baskets with both; estimated from a sample for products in very many baskets"),
        Column("confidence", "double", "share of the baskets with product_id that hold other"),
        Column("lift", "double", "confidence over the share of all baskets with other"),
        Column("llr", "double", "log-likelihood ratio (Dunning 1993)"),
    ),
)

OFFER_LISTS = Table(
    "offer_lists",
    "one product in one list of one place: for a shop's page or a segment's mailing",
    ("place_kind", "place", "list", "rank"),
    (
        Column("place_kind", "string", "all, store or segment"),
        Column("place", "string", "all, the store, or the segment's id"),
        Column(
            "list",
            "string",
            "best_sellers; bought_with: found in baskets with those; popular_by_similarity: like what sells there",
        ),
        Column("rank", "int", "1 is the first"),
        Column("product_id", "string", "product"),
        Column(
            "score", "double", "best_sellers: share of the place's customers in 84 days, shrunk; else a weighted sum"
        ),
    ),
)

STORE_OVERLAPS = Table(
    "store_overlaps",
    "an ordered pair of stores with at least three customers in common (last 365 days)",
    ("store_id", "other"),
    (
        Column("store_id", "string", "store"),
        Column("other", "string", "a store that shares customers with it"),
        Column("rank", "int", "1 is the most alike; at most 50"),
        Column("customers", "long", "customers of both"),
        Column("share", "double", "share of the customers of store_id who are customers of other"),
        Column("lift", "double", "customers of both over what independence would give"),
        Column("cosine", "double", "customers of both over the geometric mean of each"),
        Column("community", "int", "group of stores that store_id belongs to, by shared customers"),
        Column("modularity", "double", "of the whole grouping; above 0.3 the groups are clear"),
    ),
)

REPURCHASE = Table(
    "repurchase",
    "one product type that was bought: when, and whether, its buyers buy it again (all history)",
    ("product_type",),
    (
        Column("product_type", "string", "product type"),
        Column("buyers", "long", "customers who bought it"),
        Column("purchases", "long", "days on which a customer bought it"),
        Column("repeats", "long", "purchases that were followed by another"),
        Column("interval_days", "double", "median days to the next purchase of those who return"),
        Column("interval_low", "double", "lower end of its 95 % interval"),
        Column("interval_high", "double", "upper end of its 95 % interval"),
        Column("interval_spread", "double", "standard deviation of the logarithm of the days"),
        Column("repeat_ever", "double", "P(a purchase is ever followed by another), censored purchases allowed for"),
        Column("repeat_year", "double", "P(bought again within 365 days)"),
        Column("repeat_year_low", "double", "lower end of its 95 % interval"),
        Column("repeat_year_high", "double", "upper end of its 95 % interval"),
        Column("renewable", "boolean", "false: durable; not even the upper end reaches 10 %, by at least 5 buyers"),
    ),
)

CLUSTER_REPURCHASE = Table(
    "cluster_repurchase",
    "one cluster of several products that was bought: when, and whether, its buyers buy it again (all history)",
    ("cluster_id",),
    (
        Column("cluster_id", "string", "stable id of the cluster"),
        Column("product_type", "string", "type of most of its products; what few purchases say leans on the type"),
        *REPURCHASE.columns[1:],
    ),
)

PRODUCT_INDEX = Table(
    "product_index",
    "one product under one of its telling stemmed words: an inverted index of titles, category paths and attributes",
    ("word", "product_id"),
    (
        Column("word", "string", "stemmed word"),
        Column("product_id", "string", "product; of a word the 2,000 most sold"),
        Column("weight", "double", "TF-IDF, of unit length per product"),
    ),
)

CUSTOMER_TAGS = Table(
    "customer_tags",
    "one of a customer's strongest words: stems of the titles, categories and attributes of what they bought",
    ("customer_id", "tag"),
    (
        Column("customer_id", "string", "customer"),
        Column("tag", "string", "stemmed word"),
        Column("rank", "int", "1 is the strongest; at most 30"),
        Column("weight", "double", "share of the weight of all kept words; purchases fade by half in 60 days"),
    ),
)

TAG_RECOMMENDATIONS = Table(
    "tag_recommendations",
    "one product that a customer's words speak for and that they did not buy in 365 days",
    ("customer_id", "product_id"),
    (
        Column("customer_id", "string", "customer"),
        Column("product_id", "string", "product; it may be one that nobody bought yet"),
        Column("rank", "int", "1 is the best"),
        Column("score", "double", "sum over shared words of the customer's weight x the product's"),
    ),
)

ITEM_FEATURES = (
    SIMILAR_PRODUCTS,
    PRODUCTS_TOGETHER,
    OFFER_LISTS,
    STORE_OVERLAPS,
    REPURCHASE,
    CLUSTER_REPURCHASE,
    PRODUCT_INDEX,
    CUSTOMER_TAGS,
    TAG_RECOMMENDATIONS,
)


def _published(table: Table, name: str | None = None) -> Table:
    ds = Column("ds", "date", "the night: last local day whose data counts", nullable=False)
    return Table(name or table.name, table.grain, ("ds", *table.key), (ds, *table.columns), newest_only=True)


#: what the database gets; only the newest night is kept: the tables are large and change slowly
ITEMS_PUBLISHED = (
    _published(SIMILAR_PRODUCTS),
    _published(PRODUCTS_TOGETHER, "bought_together"),
    _published(OFFER_LISTS),
    _published(STORE_OVERLAPS),
    _published(REPURCHASE),
    _published(CLUSTER_REPURCHASE),
    _published(CUSTOMER_TAGS),
    _published(TAG_RECOMMENDATIONS),
)
