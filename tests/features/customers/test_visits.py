"""Visits and their leading departments, by hand."""

from __future__ import annotations

from datetime import date

import pandas as pd
from pyspark.sql import SparkSession

from features.customers.visits import actions

NIGHT = date(2017, 12, 3)
ROWS = [
    ("a", date(2017, 12, 1), "MEAT", 50, True),
    ("a", date(2017, 12, 1), "DELI", 30, True),
    ("a", date(2017, 12, 1), "DELI", 30, True),  # two orders of one day: DELI leads with 60
    ("a", date(2017, 11, 20), "DELI", 10, True),
    ("a", date(2017, 11, 20), "MEAT", 10, True),  # equal: the last of the alphabet
    ("a", date(2017, 12, 4), "FUEL", 99, True),  # after the night
    ("b", date(2017, 12, 3), "FUEL", 20, True),
    ("b", date(2017, 12, 2), "FUEL", -20, False),  # a return is no visit
    ("c", date(2017, 12, 2), None, 5, True),  # of an unknown product
]


def test_visits_by_hand(spark: SparkSession) -> None:
    frame = pd.DataFrame(ROWS, columns=["customer_id", "ordered_on", "department", "amount", "is_sale"])
    lines = spark.createDataFrame(frame, "customer_id string, ordered_on date, department string, amount long, "
                                  "is_sale boolean")  # fmt: skip
    result = {row["customer_id"]: (row["actions"], row["days_ago"]) for row in actions(lines, NIGHT).collect()}
    assert result == {"a": (["DELI", "MEAT"], [2, 13]), "b": (["FUEL"], [0])}
    short = {row["customer_id"]: row["actions"] for row in actions(lines, NIGHT, most=1).collect()}
    assert short == {"a": ["DELI"], "b": ["FUEL"]}
