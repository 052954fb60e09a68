from __future__ import annotations

from datetime import date

import pytest
from pyspark.sql import functions as F

from features.lines import basket_types, lines, money, within


def test_lines_sign_returns_and_keep_what_has_no_product(crm, rows):
    order_lines = crm.lines(
        "c1 o1 2017-06-01 milk 0.1001 discount=0.05 quantity=2",
        "c1 o2 2017-06-02 milk 3.00 discount=0.10 return=yes",
        "c1 o3 2017-06-02 milk -3.00 discount=-0.10 return=yes",
        "c1 o4 2017-06-03 fuel 20.00 quantity=8963.5",
        "c1 o5 2017-06-04 unheard 5.00",
        "c1 o6 2017-06-05 untyped 100000000000.0001",
    )
    products = crm.products("milk MILK DAIRY", "fuel GAS FUEL counted=no offerable=no", "untyped - DAIRY")
    result = rows(lines(order_lines, products), "order_id")
    assert (result["o1"]["amount"], result["o1"]["discount"], result["o1"]["pieces"]) == (1001, 500, 2000)
    for signed_either_way in ("o2", "o3"):
        row = result[signed_either_way]
        assert (row["amount"], row["discount"], row["pieces"], row["is_sale"]) == (-30000, -1000, None, False)
    assert (result["o4"]["pieces"], result["o4"]["offerable"]) == (None, False)
    assert (result["o5"]["product_type"], result["o5"]["offerable"], result["o5"]["amount"]) == (None, False, 50000)
    assert (result["o6"]["amount"], result["o6"]["offerable"]) == (1_000_000_000_000_001, False)


def test_basket_types_sum_the_lines_of_an_order_and_take_returns_off(crm, rows):
    order_lines = crm.lines(
        "c1 o1 2017-06-01 milk 2.00",
        "c1 o1 2017-06-01 cream 1.00",
        "c1 o1 2017-06-01 cream 0.50 return=yes",
        "c1 o2 2017-06-02 milk 2.00 return=yes",
    )
    result = rows(basket_types(order_lines, crm.products("milk DAIRY D", "cream DAIRY D")), "order_id", "product_type")
    assert {key: (row["amount"], row["bought"]) for key, row in result.items()} == {
        ("o1", "DAIRY"): (25000, True),
        ("o2", "DAIRY"): (-20000, False),
    }


@pytest.mark.parametrize(
    ("day", "inside"), [("2017-11-05", False), ("2017-11-06", True), ("2017-12-03", True), ("2017-12-04", False)]
)
def test_a_window_holds_as_many_days_as_it_says(spark, day, inside):
    frame = spark.createDataFrame([(date.fromisoformat(day),)], "ordered_on date")
    assert frame.where(within(date(2017, 12, 3), 28)).count() == inside


def test_money_is_in_the_currency(spark):
    assert spark.range(1).select(money(F.lit(12345))).first()[0] == 1.2345


def test_customers_stay_together_where_the_products_are_too_many_to_broadcast(crm, spark):
    """What reads whole histories in Arrow batches would otherwise see parts of them."""
    options = {
        "spark.sql.autoBroadcastJoinThreshold": "-1",
        "spark.sql.adaptive.coalescePartitions.enabled": "false",
        "spark.sql.shuffle.partitions": "4",
    }
    before = {name: spark.conf.get(name) for name in options}
    sold = crm.lines(*(f"c{n % 12} o{n} 2017-06-01 p{n % 7} 1.00" for n in range(120)))
    products = crm.products(*(f"p{n} TYPE{n} D" for n in range(7)))
    try:
        for name, value in options.items():
            spark.conf.set(name, value)
        placed = lines(sold, products).select("customer_id", F.spark_partition_id().alias("place")).distinct().collect()
    finally:
        for name, value in before.items():
            spark.conf.set(name, value)
    assert len(placed) == 12
    assert len({row["place"] for row in placed}) > 1
