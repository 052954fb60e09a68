"""Tables that a night publishes to the database (schema ``nbo``; without the prefix in SQLite).

Score tables hold no run ids, durations, time stamps or registry version numbers: the same night, configuration,
code and champions give the same rows. Those stand in ``nightly_runs`` and ``model_versions``.
"""

from __future__ import annotations

from dataclasses import dataclass

from conf.tables.catalogue import CLUSTER_JOURNAL as JOURNAL, PRODUCT_CLUSTERS as CLUSTERS
from conf.tables.customers import CUSTOMER_PROPENSITIES, NEXT_ACTIONS
from conf.tables.decisions import DECISION_TABLES
from conf.tables.interests import FEATURE_COVERAGE as FEATURES_KNOWN
from conf.tables.items import ITEMS_PUBLISHED
from conf.tables.needs import NEED_TABLES
from conf.tables.offers import (
    CHARACTERISTIC_RECOMMENDATIONS,
    CONTACTS,
    FILE_MEMBERS,
    NEXT_BEST_OFFER,
    OFFER_OUTCOMES,
    ORGANIZATION_CHARACTERISTICS,
)
from conf.tables.runs import DATA_QUALITY, KPI_RULES, MODEL_COMPARISON, MODEL_VERSIONS, NIGHTLY_RUNS, UPLIFT_VERDICTS
from conf.tables.segments import (
    DS,
    LOOK_ALIKE_CURVES,
    SEGMENT_AFFINITIES,
    SEGMENT_MEMBERS,
    SEGMENT_OVERLAPS,
    SEGMENTS,
)
from conf.tables.table import Table

#: published tables of items that have another name in the lake
IN_LAKE = {"bought_together": "products_together"}
#: the dictionary of the night's features
FEATURE_COVERAGE = Table(
    "feature_coverage",
    FEATURES_KNOWN.grain,
    ("ds", *FEATURES_KNOWN.key),
    (DS, *FEATURES_KNOWN.columns),
)

#: what the catalogue layer says; a product that is not listed is a cluster of its own under its own id
PRODUCT_CLUSTERS = Table(
    "product_clusters",
    "one product that shares its cluster on one night; a product not listed is a cluster of its own, named by its id",
    ("ds", "product_id"),
    (DS, *CLUSTERS.columns),
)

CLUSTER_JOURNAL = Table(
    "cluster_journal", JOURNAL.grain, ("ds", "event", "cluster_id", "subject"), (DS, *JOURNAL.columns)
)


@dataclass(frozen=True)
class Publication:
    """A table of the score database.

    ``lake``: table of the lake that the stage ``publish`` loads; None: it is written at another moment.
    ``large``: it grows with the customers; PostgreSQL keeps each of its nights in a partition.
    """

    table: Table
    lake: str | None = None
    large: bool = False


def publications(customer_scores: Table) -> tuple[Publication, ...]:
    """Return all tables that a night publishes.

    Args:
        customer_scores: the table of customers' scores, with the columns of the models (``training.tables``).
    """
    return (
        Publication(NEXT_BEST_OFFER, "scores/next_best_offer", large=True),
        Publication(customer_scores, "scores/customer_scores", large=True),
        *(Publication(t, f"scores/{t.name}", large=t.name != "decision_limits") for t in DECISION_TABLES),
        Publication(SEGMENTS, "scores/segments"),
        Publication(SEGMENT_MEMBERS, "scores/segment_members", large=True),
        Publication(PRODUCT_CLUSTERS, "catalogue/shared_clusters"),
        Publication(CLUSTER_JOURNAL, "catalogue/cluster_journal"),
        Publication(SEGMENT_AFFINITIES, "scores/segment_affinities"),
        Publication(SEGMENT_OVERLAPS, "scores/segment_overlaps"),
        Publication(LOOK_ALIKE_CURVES, "scores/look_alike_curves"),
        Publication(FEATURE_COVERAGE, "features/feature_coverage"),
        *(Publication(table, f"features/{IN_LAKE.get(table.name, table.name)}") for table in ITEMS_PUBLISHED),
        Publication(CHARACTERISTIC_RECOMMENDATIONS, "scores/characteristic_recommendations", large=True),
        *(Publication(table, f"scores/{table.name}") for table in NEED_TABLES),
        Publication(CUSTOMER_PROPENSITIES, "scores/customer_propensities", large=True),
        Publication(KPI_RULES, "models/kpi_rules"),
        Publication(UPLIFT_VERDICTS, "models/uplift_verdicts"),
        Publication(ORGANIZATION_CHARACTERISTICS, "scores/organization_characteristics"),
        Publication(NEXT_ACTIONS, "scores/next_actions", large=True),
        Publication(OFFER_OUTCOMES),
        Publication(MODEL_VERSIONS, "models/model_versions"),
        Publication(MODEL_COMPARISON, "models/model_comparison"),
        Publication(DATA_QUALITY, "quality/data_quality"),
        Publication(NIGHTLY_RUNS),
        Publication(CONTACTS),
        Publication(FILE_MEMBERS),
    )
