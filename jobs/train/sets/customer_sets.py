"""Writes the training sets of one window: ``customers`` with what they bought after, and ``pairs`` of candidates."""

from __future__ import annotations

from datetime import date

from pyspark.sql import DataFrame, functions as F

from features.customers.labels import active_after, recorded
from features.customers.profile import liked_departments
from features.items.als import AlsConfig, factorize
from features.items.bought_together import bought_together
from features.items.product_types import product_types
from jobs.train.sets.set_source import SetSource
from scoring.offers.candidates import candidates, is_offerable, offerable
from training.characteristics.examples import examples, organization_fields
from training.rankers.inputs import RANKER_INPUTS, SOURCE_RANKS


def write_customers(
    source: SetSource,
    as_of: date,
    night: date,
    clean: dict[str, DataFrame],
    who: DataFrame,
    liking: DataFrame,
    bought: DataFrame,
) -> None:
    """Write a window of ``customers``, with what they bought within the horizon."""
    after = active_after(clean["order_lines"], night, source.settings.horizon_days)
    fields = organization_fields(clean["customers"], clean["organizations"]) if "organizations" in clean else None
    lists = bought.groupBy("customer_id").agg(F.sort_array(F.collect_list("product_type")).alias("bought"))
    rows = examples(source.sample(who, source.settings.models.max_customers), liking, fields)
    rows = rows.join(lists, "customer_id", "left").join(liked_departments(who), "customer_id", "left")
    if asked := source.settings.propensities.attributes:
        rows = rows.join(recorded(clean["customers"], asked), "customer_id", "left")
    rows = rows.join(after.withColumn("returned", F.lit(True)), "customer_id", "left").fillna(False, ["returned"])
    source.write(rows, "customers", as_of)


def write_pairs(
    source: SetSource,
    as_of: date,
    night: date,
    clean: dict[str, DataFrame],
    who: DataFrame,
    liking: DataFrame,
    bought: DataFrame,
) -> None:
    """Write a window of ``pairs``, and of the gate the product types, ``items``."""
    orders, products = clean["order_lines"], clean["products"]
    rules, eligible = source.settings.offers.product_types, product_types(orders, products, night)
    types = offerable(eligible, rules)
    users, items = factorize(liking, AlsConfig())
    sampled = source.sample(who, source.settings.models.max_ranker_customers)
    pairs = candidates(sampled, types, liking, bought_together(orders, products, night), users, items)
    keys = ["customer_id", "product_type"]
    rows = pairs.join(bought.select(*keys, F.lit(True).alias("bought")), keys, "left").fillna(False, ["bought"])
    source.write(rows.select(*keys, *SOURCE_RANKS, *RANKER_INPUTS, "bought"), "pairs", as_of)
    if as_of == source.windows.gate:  # for the figures of the lists, which only the gate has
        sold = eligible.select("product_type", "department", "buyers", is_offerable(rules).alias("offered"))
        source.write(sold, "items", as_of)
