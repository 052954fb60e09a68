"""Tables that a night publishes to the database (schema ``nbo``; without the prefix in SQLite).

Score tables hold no run ids, durations, time stamps or registry version numbers: the same night, configuration,
code and champions give the same rows. Those stand in ``nightly_runs`` and ``model_versions``.
"""

from __future__ import annotations

from conf.tables.catalogue import CLUSTER_JOURNAL as JOURNAL, PRODUCT_CLUSTERS as CLUSTERS
from conf.tables.customers import CUSTOMER_PROPENSITIES, CUSTOMER_SCORES, NEXT_ACTIONS
from conf.tables.interests import FEATURE_COVERAGE as FEATURES_KNOWN
from conf.tables.items import ITEMS_PUBLISHED
from conf.tables.needs import NEED_TABLES
from conf.tables.offers import (
    CHARACTERISTIC_RECOMMENDATIONS,
    CONTACTS,
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

PUBLISHED: dict[str, Table] = {
    table.name: table
    for table in (
        NEXT_BEST_OFFER,
        CUSTOMER_SCORES,
        SEGMENTS,
        SEGMENT_MEMBERS,
        PRODUCT_CLUSTERS,
        CLUSTER_JOURNAL,
        SEGMENT_AFFINITIES,
        SEGMENT_OVERLAPS,
        LOOK_ALIKE_CURVES,
        FEATURE_COVERAGE,
        *ITEMS_PUBLISHED,
        CHARACTERISTIC_RECOMMENDATIONS,
        *NEED_TABLES,
        CUSTOMER_PROPENSITIES,
        KPI_RULES,
        UPLIFT_VERDICTS,
        ORGANIZATION_CHARACTERISTICS,
        NEXT_ACTIONS,
        OFFER_OUTCOMES,
        MODEL_VERSIONS,
        MODEL_COMPARISON,
        DATA_QUALITY,
        NIGHTLY_RUNS,
        CONTACTS,
    )
}
