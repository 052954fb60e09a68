"""Candidates for the product-type offers of every customer, with the inputs of the ranker.

Five sources: what the customer buys often, what is bought together with it, what similar customers buy (a linear
item-to-item model, and ALS where its score is 0), what is popular in the segment, and what is popular with everyone.
Customers with fewer than two baskets get the popular ones.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from pyspark.sql import Column, DataFrame, functions as F, types as T
from scipy import sparse

from conf.settings.schema import ProductTypeOffers
from scoring.offers.candidate_blocks import EXTRA, CandidateConfig, TypeCatalogue, candidate_blocks
from scoring.offers.item_weights import item_weights
from training.rankers.inputs import CUSTOMER, HISTORY, PAIR, SOURCE_RANKS, SOURCES, TYPE

#: of the product type: needed for the value of its offer, no input of the ranker
_WORTH = "spend_per_new_buyer_28"


def offerable(product_types: DataFrame, rules: ProductTypeOffers) -> DataFrame:
    """Keep the product types that may be offered.

    Args:
        product_types: ``PRODUCT_TYPES``.
        rules: ``offers.product_types`` of the settings.

    Returns:
        ``PRODUCT_TYPES`` with enough buyers and in no excluded department.
    """
    return product_types.where(is_offerable(rules))


def is_offerable(rules: ProductTypeOffers) -> Column:
    """Return the condition that a row of ``PRODUCT_TYPES`` is offered."""
    kept = F.col("buyers") >= rules.min_buyers
    if rules.exclude_departments:
        kept &= ~F.coalesce(F.col("department"), F.lit("")).isin(rules.exclude_departments)
    return kept


def candidates(
    profile: DataFrame,
    product_types: DataFrame,
    affinity: DataFrame,
    bought_together: DataFrame,
    als_users: DataFrame,
    als_items: DataFrame,
    config: CandidateConfig = CandidateConfig(),  # noqa: B008 - frozen
    segments: DataFrame | None = None,
) -> DataFrame:
    """Return the product types worth ranking for every customer, cold ones included.

    There are some thousand product types: their tables (factors, pairs, popularity) are collected and sent to the
    workers; no table that grows with customers is. O(customers x types x factors), one shuffle by customer.

    Args:
        profile: ``PROFILE``; its customers are the ones that get candidates.
        product_types: ``PRODUCT_TYPES`` that may be offered (:func:`offerable`).
        affinity: ``AFFINITY`` of the same day.
        bought_together: ``BOUGHT_TOGETHER``.
        als_users: ``ALS_USERS``.
        als_items: ``ALS_ITEMS``.
        config: candidates per source.
        segments: ``SEGMENTS``; without it nothing is popular in a segment.

    Returns:
        One row per customer and candidate: ``customer_id``, ``product_type``, ``source`` (of :data:`SOURCES`, the one
        with the best rank), ``<source>_rank`` (null: not picked by it), ``segment_popularity``, ``segment_share_28``,
        ``type_spend_per_new_buyer_28``, and the :data:`training.rankers.inputs.RANKER_INPUTS`.
    """
    history = affinity.groupBy("customer_id").agg(F.collect_list(F.struct("product_type", *HISTORY)).alias("history"))
    catalogue = _catalogue(product_types, affinity, history, bought_together, als_items, segments, config)
    customers = profile.select("customer_id", "is_cold").join(history, "customer_id", "left")
    customers = customers.join(als_users.select("customer_id", "factors"), "customer_id", "left")
    segment = F.lit(None).cast("string")
    if segments is not None:
        customers = customers.join(segments.select("customer_id", "segment_id"), "customer_id", "left")
        segment = F.col("segment_id")
    customers = customers.select("customer_id", "is_cold", segment.alias("segment_id"), "factors", "history")
    arrow, spark = _schemas()
    picked = customers.mapInArrow(candidate_blocks(catalogue, config, arrow), spark)
    picked = picked.withColumnsRenamed({name: f"pair_{name}" for name in HISTORY})
    return _with_inputs(picked, profile, product_types)


def _with_inputs(picked: DataFrame, profile: DataFrame, product_types: DataFrame) -> DataFrame:
    """Add the ranker's inputs about the customer and the product type."""
    customer = profile.select(
        "customer_id",
        F.col("department_affinity").alias("_departments"),
        *(F.col(name).cast("double").alias(f"customer_{name}") for name in CUSTOMER),
    )
    product_type = product_types.select(
        "product_type",
        "department",
        *(F.col(name).cast("double").alias(f"type_{name}") for name in (*TYPE, _WORTH)),
        _ratio(F.col("baskets_84"), F.col("buyers_84")).alias("type_baskets_per_buyer_84"),
        _ratio(3 * F.col("buyers_28"), F.col("buyers_84")).alias("type_trend"),
    )
    rows = picked.join(customer, "customer_id").join(F.broadcast(product_type), "product_type")
    return rows.select(
        "customer_id",
        "product_type",
        "department",
        "source",
        *SOURCE_RANKS,
        "segment_popularity",
        "segment_share_28",
        *PAIR,
        _ratio(F.col("pair_days_since_last"), F.col("pair_interval_days")).alias("pair_due_ratio"),
        _ratio(F.col("pair_baskets_84"), F.col("customer_baskets_84")).alias("pair_share_84"),
        _ratio(F.col("pair_baskets_total"), F.col("customer_baskets_total")).alias("pair_share_total"),
        _ratio(F.col("pair_faded_baskets"), F.col("customer_baskets_84")).alias("pair_faded_share"),
        "als_score",
        "ease_score",
        "ease_new_score",
        "ease_lead",
        "ease_new_lead",
        "together_score",
        F.try_element_at("_departments", F.col("department")).cast("double").alias("department_affinity"),
        *(f"customer_{name}" for name in CUSTOMER),
        *(f"type_{name}" for name in (*TYPE, _WORTH)),
        "type_baskets_per_buyer_84",
        "type_trend",
        "customer_new_types_84",
        "type_new_share_28",
    )


def _catalogue(
    product_types: DataFrame,
    affinity: DataFrame,
    history: DataFrame,
    bought_together: DataFrame,
    als_items: DataFrame,
    segments: DataFrame | None,
    config: CandidateConfig,
) -> TypeCatalogue:
    """Collect the tables of the product types (some thousand rows)."""
    types = product_types.select("product_type", "popularity_28").toArrow().to_pydict()
    order = sorted(range(len(types["product_type"])), key=types["product_type"].__getitem__)
    names = [types["product_type"][i] for i in order]
    place = {name: i for i, name in enumerate(names)}
    popularity = np.array([types["popularity_28"][i] or 0.0 for i in order])

    items = als_items.select("product_type", "factors").toArrow().to_pydict()
    size = max((len(row) for row in items["factors"]), default=0)
    factors = np.zeros((len(names), size))
    for name, row in zip(items["product_type"], items["factors"], strict=True):
        if name in place:
            factors[place[name]] = row

    strong = bought_together.where("llr > 0").select("product_type", "other", "confidence")
    pairs = strong.toArrow().to_pydict()
    cells = sorted(
        (place[a], place[b], strength)
        for a, b, strength in zip(*pairs.values(), strict=True)
        if a in place and b in place
    )
    row, column, value = zip(*cells, strict=True) if cells else ((), (), ())
    together = sparse.csr_matrix((value, (row, column)), shape=(len(names), len(names)), dtype=float)
    by_segment, shares = ({}, {}) if segments is None else _by_segment(segments, affinity, place, popularity, config)
    weights = item_weights(history, names, popularity)
    return TypeCatalogue(names, factors, weights, together, popularity, by_segment, shares)


def _by_segment(
    segments: DataFrame,
    affinity: DataFrame,
    place: dict[str, int],
    popularity: np.ndarray,
    config: CandidateConfig,
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Return the share of a segment's members who bought a type in 28 days: shrunk towards all, and as counted."""
    members: dict[str, int] = dict(segments.groupBy("segment_id").count().toArrow().to_pandas().itertuples(index=False))
    bought = affinity.where("baskets_28 > 0").join(segments.select("customer_id", "segment_id"), "customer_id")
    counts = bought.groupBy("segment_id", "product_type").count().toArrow().to_pydict()
    bought_by = {segment: np.zeros(len(popularity)) for segment in members}
    for segment, name, buyers in zip(*counts.values(), strict=True):
        if name in place:
            bought_by[segment][place[name]] += buyers
    prior = config.segment_prior
    shrunk = {
        name: np.round((prior * popularity + buyers) / (members[name] + prior), 9) for name, buyers in bought_by.items()
    }
    return shrunk, {name: buyers / members[name] for name, buyers in bought_by.items()}


def _ratio(above: Column, below: Column) -> Column:
    """Divide; null where the divisor is 0 or null."""
    return above.cast("double") / F.nullif(below.cast("double"), F.lit(0.0))


def _schemas() -> tuple[pa.Schema, T.StructType]:
    values = sorted([*HISTORY, *EXTRA])
    ranks = [f"{source}_rank" for source in SOURCES]
    texts = ["customer_id", "product_type", "source"]
    arrow = pa.schema(
        [(n, pa.string()) for n in texts] + [(n, pa.int32()) for n in ranks] + [(n, pa.float64()) for n in values]
    )
    spark = T.StructType(
        [T.StructField(n, T.StringType()) for n in texts]
        + [T.StructField(n, T.IntegerType()) for n in ranks]
        + [T.StructField(n, T.DoubleType()) for n in values]
    )
    return arrow, spark
