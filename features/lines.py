"""Order lines beside what is known of their products: the frames that most features start from.

Spark finds a cached frame by its plan. A job that persists ``lines(order_lines, products)`` or
``basket_types(order_lines, products)`` therefore serves every feature, for every ``as_of``, from one scan.

Sums of money are taken over whole ten-thousandths (``long``): exact whatever the order of rows, and several times
faster than wide decimals.
"""

from __future__ import annotations

from datetime import date, timedelta

from pyspark.sql import Column, DataFrame, functions as F

#: canonical money has four decimals
MONEY_UNIT = 10_000
#: canonical quantities have three decimals
QUANTITY_UNIT = 1_000


def lines(order_lines: DataFrame, products: DataFrame) -> DataFrame:
    """Put each order line beside its product, customers kept together.

    Rows are partitioned by customer, so that what is grouped by customer afterwards needs no further shuffle: one
    shuffle of the order lines in all (two where the products are too many to broadcast), O(lines).

    Args:
        order_lines: ``ORDER_LINES``.
        products: ``PRODUCTS``; a line whose product is unknown stays, without type, department and brand.

    Returns:
        One row per order line: keys, day and moment of the order, ``amount`` and ``discount`` in ten-thousandths
        of the currency (negative for a return, however the source signs it), ``pieces`` in thousandths (null for
        a return and for what is not counted in pieces), ``is_sale``, and the product's attributes; an unknown product
        is neither counted nor offerable.
    """
    partitions = int(str(order_lines.sparkSession.conf.get("spark.sql.shuffle.partitions")))
    described = products.select("product_id", "product_type", "category", "department", "brand", "counted", "offerable")
    is_sale = ~F.col("is_return")
    return (
        order_lines.select(
            "customer_id",
            "order_id",
            "ordered_on",
            "ordered_at",
            "store_id",
            "product_id",
            is_sale.alias("is_sale"),
            signed(_units("amount", MONEY_UNIT)).alias("amount"),
            signed(_units("discount", MONEY_UNIT)).alias("discount"),
            F.when(is_sale, _units("quantity", QUANTITY_UNIT)).alias("pieces"),
        )
        .join(described, "product_id", "left")
        # after the join, which shuffles by product where there are too many of them to broadcast
        .repartition(partitions, "customer_id")
        .withColumn("pieces", F.when(F.col("counted"), F.col("pieces")))
        .withColumn("offerable", F.coalesce("offerable", F.lit(False)) & F.col("product_type").isNotNull())
        .withColumn("counted", F.coalesce("counted", F.lit(False)))
    )


def basket_types(order_lines: DataFrame, products: DataFrame) -> DataFrame:
    """Sum up the offerable product types of each order; O(lines), no shuffle beyond that of :func:`lines`.

    Args:
        order_lines: ``ORDER_LINES``.
        products: ``PRODUCTS``.

    Returns:
        One row per customer, order, day and product type: ``amount`` in ten-thousandths, returns taken off, and
        ``bought``: there is a line that is no return.
    """
    return (
        lines(order_lines, products)
        .where("offerable")
        .groupBy("customer_id", "order_id", "ordered_on", "product_type")
        .agg(F.sum("amount").alias("amount"), F.max("is_sale").alias("bought"))
    )


def until(as_of: date, column: str = "ordered_on") -> Column:
    """Return the condition that the day in ``column`` is not later than ``as_of``."""
    return F.col(column) <= F.lit(as_of)


def within(as_of: date, days: int, column: str = "ordered_on") -> Column:
    """Return the condition that the day is among the last ``days`` days up to and including ``as_of``."""
    return (F.col(column) > F.lit(as_of - timedelta(days=days))) & until(as_of, column)


def after(as_of: date, days: int, column: str = "ordered_on") -> Column:
    """Return the condition that the day is among the ``days`` days that follow ``as_of``."""
    return (F.col(column) > F.lit(as_of)) & (F.col(column) <= F.lit(as_of + timedelta(days=days)))


def money(units: Column) -> Column:
    """Turn ten-thousandths into the currency, as a double."""
    return units / F.lit(float(MONEY_UNIT))


def signed(amount: Column) -> Column:
    """Return an order line's money, negative for a return, however the source signs it."""
    return F.when(F.col("is_return"), -F.abs(amount)).otherwise(amount)


def _units(column: str, unit: int) -> Column:
    """Count the smallest units in a decimal: exact below 2e11, and much cheaper than decimal arithmetic."""
    return F.rint(F.col(column).cast("double") * F.lit(float(unit))).cast("long")
