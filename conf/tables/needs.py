"""Published reference books: needs, their categories, which need a characteristic answers, and which segment has it."""

from __future__ import annotations

from conf.tables.segments import DS, SEGMENT
from conf.tables.table import Column, Table

ORIGIN = Column("origin", "string", "source: the source's own book; derived: made from products", nullable=False)

NEED_CATEGORIES = Table(
    "need_categories",
    "one category of needs on one night",
    ("ds", "need_category_id"),
    (
        DS,
        Column("need_category_id", "string", "category; derived: department:<department>", nullable=False),
        Column("name", "string", "name", nullable=False),
        ORIGIN,
    ),
)

NEEDS = Table(
    "needs",
    "one need of customers on one night",
    ("ds", "need_id"),
    (
        DS,
        Column(
            "need_id",
            "string",
            "need; derived: category:<category>, or department:<department> where products have no category",
            nullable=False,
        ),
        Column("name", "string", "name", nullable=False),
        Column("need_category_id", "string", "category in need_categories; null where it has none"),
        ORIGIN,
    ),
)

CHARACTERISTICS = Table(
    "characteristics",
    "one characteristic (product type) and one need it answers, on one night; without a need it stands once",
    ("ds", "characteristic", "need_number"),
    (
        DS,
        Column("characteristic", "string", "value of the characteristic", nullable=False),
        Column("need_number", "int", "1, 2, ... over the needs it answers, in the order of their ids", nullable=False),
        Column(
            "dictionary_index",
            "int",
            "its place in the model's dictionary, from 0; null where the model does not know it",
        ),
        Column("need_id", "string", "need in needs; null where none is known"),
        Column("need_category_id", "string", "the need's category; null where it has none"),
        ORIGIN,
        Column("model", "string", "name:hash of the model whose dictionary it is; null without a model"),
    ),
)

SEGMENT_NEEDS = Table(
    "segment_needs",
    "one of the clearest needs (20 each way) that more, or fewer, members of a segment buy for than all customers do",
    ("ds", "segment_id", "need_id"),
    (
        DS,
        SEGMENT,
        Column("need_id", "string", "need in needs", nullable=False),
        Column("rank", "int", "1 is the clearest, over-represented first", nullable=False),
        Column("buyers", "long", "members who bought a product type that answers it in 84 days", nullable=False),
        Column("lift", "double", "share of the members who bought over that of all customers", nullable=False),
        Column("low", "double", "lower end of its 95 % interval", nullable=False),
        Column("high", "double", "upper end of its 95 % interval", nullable=False),
    ),
)

NEED_TABLES = (NEED_CATEGORIES, NEEDS, CHARACTERISTICS, SEGMENT_NEEDS)
