"""Product types that share baskets more often than by chance."""

from __future__ import annotations

from datetime import date

from pyspark.sql import Column, DataFrame, functions as F

from conf.tables.features import BOUGHT_TOGETHER
from features.items.item_item import basket_of, neighbours, numbered
from features.items.nearest import NearestConfig
from features.lines import basket_types, within
from features.schemas import conform

DAYS = 365
#: a pair of one basket is chance; longer baskets are left out; product types are few, so none of their baskets is
TYPES = NearestConfig(weighting="llr", top=30, least=2, most_items=60, most_baskets=2**31)
BASKET = ("customer_id", "order_id", "ordered_on")


def bought_together(
    order_lines: DataFrame, products: DataFrame, as_of: date, config: NearestConfig = TYPES
) -> DataFrame:
    """Find the product types that belong together; see :func:`features.items.item_item.neighbours` for the cost.

    Args:
        order_lines: ``ORDER_LINES``; lines after ``as_of`` are ignored.
        products: ``PRODUCTS``.
        as_of: last day the counts may see.
        config: pairs kept of a product type, and the longest basket that counts.

    Returns:
        ``BOUGHT_TOGETHER``. Ties go to more baskets, then to the name.
    """
    types = numbered(products.where("offerable"), "product_type")
    recent = basket_types(order_lines, products).where("bought").where(within(as_of, DAYS))
    events = recent.join(F.broadcast(types), "product_type").select(basket_of(*BASKET), "item")
    pairs = with_names(neighbours(events, config), types, "product_type")
    return conform(pairs.withColumns(strength()), BOUGHT_TOGETHER)


def with_names(pairs: DataFrame, names: DataFrame, column: str) -> DataFrame:
    """Put names in the place of numbers.

    Args:
        pairs: :data:`features.items.item_item.NEIGHBOURS`.
        names: ``column`` and ``item``, from :func:`features.items.item_item.numbered`.
        column: name of the item; the neighbour's is ``other``.
    """
    other = names.select(F.col("item").alias("_other"), F.col(column).alias("_name"))
    both = pairs.join(F.broadcast(names), "item").join(F.broadcast(other), F.col("other") == F.col("_other"))
    return both.drop("item", "other", "_other").withColumnRenamed("_name", "other")


def strength() -> dict[str, Column]:
    """Return the published columns of ``NEIGHBOURS`` weighted by ``llr``; ``baskets`` become whole."""
    return {
        "confidence": F.col("baskets") / F.col("baskets_item"),
        "lift": F.col("baskets") * F.col("baskets_all") / (F.col("baskets_item") * F.col("baskets_other")),
        "llr": F.round("score", 6),
        "baskets": F.round("baskets").cast("long"),
    }
