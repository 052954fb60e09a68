"""Which stores share their customers, and the groups of stores that such sharing makes."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pyarrow as pa
from pyspark.sql import DataFrame, functions as F

from conf.tables.items import STORE_OVERLAPS
from features.items.bought_together import with_names
from features.items.communities import communities
from features.items.item_item import basket_of, neighbours, numbered
from features.items.nearest import NearestConfig
from features.schemas import conform

#: stores share an audience from three common customers on
OVERLAP = NearestConfig(weighting="cosine", top=50, least=3, most_items=200, most_baskets=100_000)


def store_overlaps(sales: DataFrame) -> DataFrame:
    """Compare the stores' audiences; see ``neighbours`` for the cost. One task groups stores.

    Args:
        sales: from :func:`features.items.product_neighbours.product_sales`.

    Returns:
        ``STORE_OVERLAPS``; stores that share with none are not in it.
    """
    stores = numbered(sales, "store_id")
    visits = sales.select("customer_id", "store_id").distinct().join(F.broadcast(stores), "store_id")
    pairs = neighbours(visits.select(basket_of("customer_id"), "item"), OVERLAP)
    grouped = pairs.repartitionById(1, F.lit(0)).mapInArrow(
        _grouped, f"{', '.join(f'{field.name} {field.dataType.simpleString()}' for field in pairs.schema)}, "
        "community int, modularity double",
    )  # fmt: skip
    described = {
        "customers": F.round("baskets").cast("long"),
        "share": F.col("baskets") / F.col("baskets_item"),
        "lift": F.col("baskets") * F.col("baskets_all") / (F.col("baskets_item") * F.col("baskets_other")),
        "cosine": F.round("score", 6),
    }
    return conform(with_names(grouped, stores, "store_id").withColumns(described), STORE_OVERLAPS)


def _grouped(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Add the community of each store."""
    held = list(batches)
    if not held:
        return
    table = pa.Table.from_batches(held)
    names, cells = np.unique(np.concatenate([table["item"].to_numpy(), table["other"].to_numpy()]), return_inverse=True)
    one, other = cells[: table.num_rows], cells[table.num_rows :]
    weights = np.zeros((len(names), len(names)))
    weights[one, other] = table["score"].to_numpy()
    # of a store with more than the kept neighbours one direction may be missing
    group, modularity = communities(np.maximum(weights, weights.T))
    table = table.append_column("community", pa.array(group[one].astype(np.int32)))
    yield from table.append_column("modularity", pa.array(np.full(len(one), round(modularity, 6)))).to_batches()
