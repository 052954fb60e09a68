"""How often customers came back to a product type, counted on the last days of the history itself.

What a customer did up to a day of the past is held against what they did after it, so that a young company's own
weeks say how probable a repeat purchase is, before any model can be trained.
"""

from __future__ import annotations

from datetime import date, timedelta

from pyspark.sql import DataFrame, functions as F

from features.customers.labels import type_purchases
from features.type_pairs import type_pairs

#: larger counts and ages are counted as these: the table stays small whatever the history
MOST_BASKETS, MOST_WEEKS = 20, 52


def counted_days(first: date, as_of: date, horizon_days: int) -> int:
    """Return over how many days after the cut purchases are counted: the horizon, or half of a shorter history.

    >>> counted_days(date(2025, 1, 1), date(2025, 4, 2), 28), counted_days(date(2025, 1, 1), date(2025, 1, 20), 28)
    (28, 10)
    """
    return max(1, min(horizon_days, ((as_of - first).days + 1) // 2))


def repeat_counts(order_lines: DataFrame, products: DataFrame, as_of: date, days: int) -> DataFrame:
    """Count pairs of a customer and a product type by their history up to ``days`` before ``as_of``.

    Args:
        order_lines: ``ORDER_LINES``; lines after ``as_of`` are ignored.
        products: ``PRODUCTS``.
        as_of: last day that may be seen.
        days: days after the cut in which a repeat purchase counts.

    Returns:
        ``baskets`` (1 to :data:`MOST_BASKETS`), ``weeks_since_last`` and ``weeks_since_first`` (0 to
        :data:`MOST_WEEKS`), ``pairs`` and ``repeated``: how many of them were bought again in the days after the cut.
        One row per combination, at most some thousand. O(lines), two shuffles.
    """
    cut = as_of - timedelta(days=days)
    again = type_purchases(order_lines, products, cut, days).select(
        "customer_id", "product_type", F.lit(1).alias("_again")
    )
    history = type_pairs(order_lines, products, cut).join(again, ["customer_id", "product_type"], "left")
    weeks = {
        f"weeks_since_{which}": F.least(F.floor(F.datediff(F.lit(cut), f"{which}_on") / 7), F.lit(MOST_WEEKS)).cast(
            "int"
        )
        for which in ("last", "first")
    }
    baskets = F.least("baskets_total", F.lit(MOST_BASKETS)).cast("int")
    return (
        history.select(baskets.alias("baskets"), *(column.alias(name) for name, column in weeks.items()), "_again")
        .groupBy("baskets", *weeks)
        .agg(F.count("*").alias("pairs"), F.coalesce(F.sum("_again"), F.lit(0)).alias("repeated"))
    )
