"""Tables of the catalogue layer: which products are one product, and what changed in that from night to night."""

from __future__ import annotations

from conf.tables.table import Column, Table

PRODUCT_CLUSTERS = Table(
    "product_clusters",
    "one product (SKU) of the CRM; a cluster holds the writings of one product",
    ("product_id",),
    (
        Column("product_id", "string", "the CRM's key of the product", nullable=False),
        Column("title", "string", "the text that was compared; null where the source has none"),
        Column("cluster_id", "string", "stable id of the cluster: the product that founded it", nullable=False),
        Column("is_clusteroid", "boolean", "the member that stands for its cluster", nullable=False),
        Column("confidence", "double", "weighted Jaccard similarity to the clusteroid, 0..1; 1 by hand or by itself"),
        Column("reason", "string", "what the link rests on, in words", nullable=False),
    ),
)

CLUSTER_JOURNAL = Table(
    "cluster_journal",
    "one change of the clusters against the night before; the first night has none",
    ("event", "cluster_id", "subject"),
    (
        Column(
            "event",
            "string",
            "new, gone: a cluster; merged: subject went into cluster_id; split: cluster_id came out of subject; "
            "joined, moved: product subject into cluster_id",
            nullable=False,
        ),
        Column("cluster_id", "string", "cluster as of this night", nullable=False),
        Column("subject", "string", "cluster or product that the event is about", nullable=False),
        Column("products", "long", "products concerned", nullable=False),
        Column("from_cluster_id", "string", "cluster of a moved product the night before; else null"),
    ),
)

CATALOGUE: dict[str, Table] = {table.name: table for table in (PRODUCT_CLUSTERS, CLUSTER_JOURNAL)}
