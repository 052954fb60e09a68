"""What the stage ``catalogue`` publishes."""

from __future__ import annotations

from conf.tables.catalogue import CLUSTER_JOURNAL, PRODUCT_CLUSTERS
from jobs.lake.tables import LakeTable

#: every product with its cluster
CLUSTERS = LakeTable("catalogue/product_clusters", PRODUCT_CLUSTERS)
#: the products that share a cluster, which is what the database gets
SHARED_CLUSTERS = LakeTable("catalogue/shared_clusters", PRODUCT_CLUSTERS)
#: what changed since the night before
JOURNAL = LakeTable("catalogue/cluster_journal", CLUSTER_JOURNAL)
#: products as they were when they were last compared
KNOWN = LakeTable("catalogue/known_products")
