"""The item side of a night's features: neighbours, repurchase intervals, lists of places, words.

Tables of products change slowly: they are taken over from an earlier night until they are a week old. Tables of
customers are made every night.
"""

from __future__ import annotations

import logging
from datetime import date
from functools import partial
from typing import TYPE_CHECKING

from conf.tables.items import CLUSTER_REPURCHASE
from conf.tables.types import arrow_schema
from features.customers.tags import customer_tags, tag_recommendations
from features.items.content import described_alike, distinctive_words, inverted_index, product_words
from features.items.offer_lists import offer_lists
from features.items.product_neighbours import (
    as_shown,
    product_items,
    product_sales,
    products_together,
    shown_products,
    similar_products,
)
from features.items.repurchase import cluster_repurchase, repurchase
from features.items.store_overlaps import store_overlaps
from features.lines import until
from jobs.features.feature_night import FeatureNight
from jobs.inputs.repeats import durables, shared_clusters
from jobs.inputs.suitability import mark_unfit
from jobs.lake.facts import FeatureFacts
from jobs.lake.lake import Lake
from jobs.lake.manifest import TableVersion
from jobs.stages import Stage
from jobs.tables.catalogue import SHARED_CLUSTERS
from jobs.tables.features import FEATURES
from scoring.offers.repeats import owned

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

log = logging.getLogger(__name__)
#: days for which the tables of products serve
FRESH_DAYS = 7
SETTLED = (
    "similar_products", "products_together", "repurchase", "cluster_repurchase", "product_index", "store_overlaps",
    "offer_lists",
)  # fmt: skip


def settled(lake: Lake, day: date) -> tuple[date, dict[str, TableVersion]] | None:
    """Return the newest tables of products and the day they were made on; None where that is too long ago."""
    earlier = lake.newest(Stage.FEATURES, day)
    if earlier is None:
        return None
    manifest = lake.need(Stage.FEATURES, earlier)
    made = date.fromisoformat(FeatureFacts.of(manifest).items.get("made_on", "0001-01-01"))
    names = [FEATURES[name] for name in SETTLED]
    if (day - made).days >= FRESH_DAYS or any(name not in manifest.tables for name in names):
        return None
    return made, {name: manifest.tables[name] for name in names}


def inputs_of_products(lake: Lake, day: date) -> dict[str, str]:
    """Return content hashes of the tables that are taken over and of the clusters, for the fingerprint."""
    settled_night = settled(lake, day)
    read = {} if settled_night is None else {name: table.content for name, table in settled_night[1].items()}
    return read | (
        {SHARED_CLUSTERS: lake.version(SHARED_CLUSTERS, day).content} if lake.has(SHARED_CLUSTERS, day) else {}
    )


def build_products(night: FeatureNight, order_lines: DataFrame, products: DataFrame) -> None:
    """Write the tables of products, or take them over from an earlier night.

    All but the lists of places, which need the night's segments: :func:`build_lists` writes them.
    """
    settled_night = settled(night.lake, night.day)
    if settled_night is not None:
        night.draft.facts["items"] = {"made_on": str(settled_night[0])}
        for name, table in settled_night[1].items():
            night.draft.carry(name, table.files)
        return
    night.draft.facts["items"] = {"made_on": str(night.day)}
    clusters = shared_clusters(night.lake, night.spark, night.day)
    night.write("repurchase", repurchase(order_lines, products, night.day))
    if clusters is None:
        night.draft.arrow(FEATURES["cluster_repurchase"], arrow_schema(CLUSTER_REPURCHASE).empty_table())
    else:
        types = _written(night, "repurchase")
        night.write("cluster_repurchase", cluster_repurchase(order_lines, products, clusters, types, night.day))
    sales = product_sales(order_lines, products, night.day)
    items = product_items(sales, clusters).persist()
    night.write("store_overlaps", store_overlaps(sales))
    night.write("products_together", products_together(sales, items))
    alike = similar_products(sales, items).persist()
    words = product_words(products).persist()
    telling = distinctive_words(words, products).persist()
    night.write("product_index", inverted_index(words, telling, items))
    cold = products.select("product_id").join(alike.select("product_id").distinct(), "product_id", "left_anti")
    night.write("similar_products", alike.unionByName(described_alike(words, telling, products, cold)))


def build_lists(night: FeatureNight, order_lines: DataFrame, products: DataFrame) -> None:
    """Write the lists of places where they are not taken over, and the words of customers with what they speak for."""
    sales = product_sales(order_lines, products, night.day)
    clusters = shared_clusters(night.lake, night.spark, night.day)
    shown = None if clusters is None else shown_products(sales, clusters).persist()
    if FEATURES["offer_lists"] not in night.draft.tables:
        parts = (_written(night, name) for name in ("segments", "similar_products", "products_together"))
        night.write("offer_lists", offer_lists(as_shown(sales, shown), *parts))
    index = _written(night, "product_index")
    tags = customer_tags(sales, index).persist()
    night.write("customer_tags", tags)
    suits = partial(_suiting, night, order_lines)
    night.write("tag_recommendations", tag_recommendations(tags, index, sales, suits=suits, shown=shown))


def _suiting(night: FeatureNight, order_lines: DataFrame, rows: DataFrame) -> DataFrame:
    """Keep the customers' products that the policy's hard filters allow and that are no durables they have."""
    durable = durables(night.lake, night.spark, night.day, night.draft.tables)
    if durable is not None:
        rows = rows.join(
            owned(order_lines.where(until(night.day)), durable), ["customer_id", "product_id"], "left_anti"
        )
    if not night.settings.policy.fits:
        return rows
    marked = mark_unfit(night.lake, night.spark, night.day, night.settings.policy, rows, "product_id")
    return marked.where("not unfit").drop("unfit")


def _written(night: FeatureNight, name: str) -> DataFrame:
    """Read a table that the draft has."""
    return night.lake.spark_files(night.spark, night.draft.tables[FEATURES[name]].files)
