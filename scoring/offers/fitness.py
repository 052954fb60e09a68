"""Which products suit a customer: tyres for the customer's car, clothes of their size (``policy.fits``).

A product attribute may name several values, separated by ``|``. A product without the attribute suits everyone.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce

from pyspark.sql import Column, DataFrame, functions as F

from conf.settings.schema import Fit

SEPARATOR = r"\s*\|\s*"


def wanted(rule: Fit, customers: DataFrame, order_lines: DataFrame, products: DataFrame) -> DataFrame:
    """Return the values that suit every customer with at least one on record: ``customer_id`` and ``values``.

    Args:
        rule: compares with an attribute of the customer, or of products of a type that the customer bought.
        customers: ``CUSTOMERS``.
        order_lines: ``ORDER_LINES`` up to the night.
        products: ``PRODUCTS``.
    """
    if rule.customer is not None:
        value = F.col(rule.customer) if rule.customer in customers.columns else _attribute(rule.customer)
        recorded = customers.select("customer_id", value.cast("string").alias("value"))
    else:
        owned = products.where(F.col("product_type") == F.lit(rule.owned_type))
        owned = owned.select("product_id", _attribute(str(rule.owned)).alias("value"))
        recorded = (
            order_lines.where("not is_return").join(F.broadcast(owned), "product_id").select("customer_id", "value")
        )
    recorded = recorded.where("value is not null").select("customer_id", F.explode(_values("value")).alias("value"))
    return recorded.groupBy("customer_id").agg(F.collect_set("value").alias("values"))


def offered(rule: Fit, products: DataFrame, key: str) -> DataFrame:
    """Return the attribute's values of every offer: ``key`` and ``values``; what suits everyone is left out.

    Args:
        rule: names the attribute.
        products: ``PRODUCTS``, with ``key``.
        key: ``product_id``; or ``product_type``, ``offer_id``: what suits everyone if one of its products does.
    """
    kept = products.where("offerable").where(F.col(key).isNotNull())
    value = kept.select(key, _values_of(_attribute(rule.attribute)).alias("value"))
    of_key = value.groupBy(key).agg(
        F.flatten(F.collect_list("value")).alias("values"), F.bool_or(F.col("value").isNull()).alias("_any")
    )
    return of_key.where("not _any").drop("_any")


def with_unfit(
    rows: DataFrame, key: str, rules: Sequence[Fit], customers: DataFrame, order_lines: DataFrame, products: DataFrame
) -> DataFrame:
    """Add ``unfit``: true where a rule forbids the offer.

    Args:
        rows: ``customer_id`` and ``key``.
        key: ``product_id``, ``product_type`` or ``offer_id``; the last as a column of ``products``, null where none.
        rules: ``policy.fits``; an offer has to pass all of them.
        customers: ``CUSTOMERS``.
        order_lines: ``ORDER_LINES`` up to the night.
        products: ``PRODUCTS``.
    """
    broken: list[Column] = []
    for number, rule in enumerate(rules):
        theirs = wanted(rule, customers, order_lines, products).withColumnRenamed("values", f"_theirs{number}")
        ours = offered(rule, products, key).withColumnRenamed("values", f"_ours{number}")
        rows = rows.join(F.broadcast(ours), key, "left").join(theirs, "customer_id", "left")
        unknown = F.lit(rule.unknown == "refuse")
        differ = ~F.arrays_overlap(f"_ours{number}", f"_theirs{number}")
        broken.append(F.col(f"_ours{number}").isNotNull() & F.coalesce(differ, unknown))
    unfit = reduce(lambda left, right: left | right, broken, F.lit(False))
    helpers = [f"_{side}{number}" for number in range(len(rules)) for side in ("ours", "theirs")]
    return rows.withColumn("unfit", unfit).drop(*helpers)


def _attribute(name: str) -> Column:
    return F.try_element_at("attributes", F.lit(name))


def _values(column: str) -> Column:
    return _values_of(F.col(column))


def _values_of(value: Column) -> Column:
    return F.split(F.lower(F.trim(value)), SEPARATOR)
