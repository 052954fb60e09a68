"""What each customer's visits were about: the series of leading departments from which next actions are predicted.

A visit is a day with a purchase; its action is the department that got most of the money that day. One pass over the
lines; no shuffle beyond theirs.
"""

from __future__ import annotations

from datetime import date

from pyspark.sql import DataFrame, functions as F

from conf.tables.features import ACTIONS
from features.schemas import conform

#: visits kept of a customer, the newest
MOST_VISITS = 32


def actions(lines: DataFrame, as_of: date, most: int = MOST_VISITS) -> DataFrame:
    """Gather each customer's last visits.

    Args:
        lines: result of :func:`features.lines.lines`.
        as_of: the last day the series may see.
        most: visits kept of a customer.

    Returns:
        ``ACTIONS``; one row per customer with a visit. Of departments with equal amounts the last by the
        alphabet leads.
    """
    sold = lines.where(F.col("is_sale") & F.col("department").isNotNull() & (F.col("ordered_on") <= F.lit(as_of)))
    spent = sold.groupBy("customer_id", "ordered_on", "department").agg(F.sum("amount").alias("amount"))
    led = spent.groupBy("customer_id", "ordered_on").agg(F.max(F.struct("amount", "department")).alias("led"))
    visit = F.struct(F.datediff(F.lit(as_of), "ordered_on").alias("age"), F.col("led.department").alias("action"))
    series = led.groupBy("customer_id").agg(F.slice(F.sort_array(F.collect_list(visit)), 1, most).alias("visits"))
    return conform(
        series.select("customer_id", F.col("visits.action").alias("actions"), F.col("visits.age").alias("days_ago")),
        ACTIONS,
    )
