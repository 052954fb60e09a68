"""Published tables of segments of all families: members, what sets each apart, and how far look-alikes reach."""

from __future__ import annotations

from conf.tables.features import SEGMENT_PROFILES, SEGMENTS as LEARNED
from conf.tables.table import Column, Table

DS = Column("ds", "date", "the night: last local day whose data counts", nullable=False)
SEGMENT = Column("segment_id", "string", "segment", nullable=False)
FAMILY = Column(
    "family", "string", "behaviour: learnt; look_alike; else the family of rules that it belongs to", nullable=False
)

REACH = Column("reach", "long", "members who may be contacted tonight: treated, with consent, within the limits")

SEGMENTS = Table(
    "segments", "one segment on one night", ("ds", "segment_id"), (DS, FAMILY, *SEGMENT_PROFILES.columns, REACH)
)
SEGMENT_MEMBERS = Table(
    "segment_members",
    "one customer in one segment on one night",
    ("ds", "segment_id", "customer_id"),
    (
        DS,
        FAMILY,
        *LEARNED.columns,
        Column(
            "likeness",
            "double",
            "look-alikes: probability of being like the seed, by models that never saw the customer",
        ),
        Column("band", "string", "look-alikes: seed, closest, close or wider; else null"),
    ),
)
SEGMENT_AFFINITIES = Table(
    "segment_affinities",
    "one category that the members of a segment buy clearly more, or less, than all customers do (84 days)",
    ("ds", "segment_id", "category"),
    (
        DS,
        SEGMENT,
        Column("category", "string", "category, or department where the source has no categories", nullable=False),
        Column("rank", "int", "1 is the clearest, over-represented first", nullable=False),
        Column("buyers", "long", "members who bought in it", nullable=False),
        Column(
            "affinity_index", "double", "share of the members who bought over that of all customers", nullable=False
        ),
        Column("low", "double", "lower end of its 95 % interval", nullable=False),
        Column("high", "double", "upper end of its 95 % interval", nullable=False),
    ),
)
SEGMENT_OVERLAPS = Table(
    "segment_overlaps",
    "two segments with members in common",
    ("ds", "segment_id", "other"),
    (
        DS,
        SEGMENT,
        Column("other", "string", "the other segment", nullable=False),
        Column("customers", "long", "members of both", nullable=False),
        Column("share", "double", "share of the members of segment_id who are in the other", nullable=False),
        Column("jaccard", "double", "members of both over members of either", nullable=False),
        Column("lift", "double", "members of both over what independence would give", nullable=False),
    ),
)
LOOK_ALIKE_CURVES = Table(
    "look_alike_curves",
    "one reach of one look-alike: how many hidden members of the seed are among the best ranked",
    ("ds", "segment_id", "reach_share"),
    (
        DS,
        SEGMENT,
        Column("reach_share", "double", "share of the customers it is known of, the best ranked", nullable=False),
        Column("customers", "long", "how many they are", nullable=False),
        Column("recovered", "long", "hidden members of the seed among them", nullable=False),
        Column("recall", "double", "share of all members of the seed that is recovered", nullable=False),
        Column("recall_low", "double", "lower end of its 95 % interval", nullable=False),
        Column("recall_high", "double", "upper end of its 95 % interval", nullable=False),
        Column("precision", "double", "share of the reached who are of the seed", nullable=False),
        Column("precision_low", "double", "lower end of its 95 % interval", nullable=False),
        Column("precision_high", "double", "upper end of its 95 % interval", nullable=False),
        Column("lift", "double", "precision over that of customers drawn at random", nullable=False),
    ),
)
