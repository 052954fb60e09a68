from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from features.customers.discounts import PRIOR_PURCHASES, discounts
from scoring.customers.customer_scores import discount_bands

DAY = date(2017, 10, 12)


@pytest.mark.spark
def test_dependence_by_hand(crm: Any):
    products = crm.products("t TUNA SEA", "s SALMON SEA", "f FUEL CARS counted=no")
    lines = crm.lines(
        "a 1 2017-10-01 t 5 discount=1", "a 1 2017-10-01 t 5", "a 2 2017-10-02 s 5", "a 3 2017-10-03 t 5 discount=1",
        "b 4 2017-10-01 t 5", "b 5 2017-10-02 t 5", "b 6 2017-10-13 t 5 discount=1", "b 7 2016-10-01 t 5 discount=1",
        "c 8 2017-10-01 f 5 discount=1", "a 9 2017-10-05 t 5 discount=1 return=yes",
    )  # fmt: skip
    result = {row["customer_id"]: row for row in discounts(lines, products, DAY).collect()}
    # tuna: 2 of 4 purchases at a discount, salmon: 0 of 1; later lines, old ones, returns and fuel have no part in it
    assert set(result) == {"a", "b"}
    a, b = result["a"], result["b"]
    assert (a["purchases"], a["discounted_share"], a["expected_share"]) == (3, 2 / 3, pytest.approx(1 / 3))
    assert (b["purchases"], b["discounted_share"], b["expected_share"]) == (2, 0.0, 0.5)
    assert a["dependence"] == pytest.approx((2 + PRIOR_PURCHASES / 3) / (3 + PRIOR_PURCHASES))
    assert b["dependence"] == pytest.approx(PRIOR_PURCHASES / 2 / (2 + PRIOR_PURCHASES))
    assert 0 <= a["dependence_low"] < a["dependence"] < a["dependence_high"] <= 1


@pytest.mark.spark
def test_bands_go_by_the_interval(spark: Any):
    ends = [("o", 0.95, 0.99), ("m", 0.65, 0.95), ("x", 0.3, 0.95), ("s", 0.1, 0.4)]
    schema = "customer_id string, dependence double, dependence_low double, dependence_high double"
    rows = spark.createDataFrame([(name, 0.5, low, high) for name, low, high in ends], schema)
    assert [row["discount_band"] for row in discount_bands(rows).collect()] == ["only", "mostly", "mixed", "seldom"]
