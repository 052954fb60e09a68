from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from scoring.offers.candidate_blocks import ItemWeights
from scoring.offers.item_weights import counted, item_weights

NAMES = ["BREAD", "JAM", "TEA"]


def entry(name: str, baskets: int, first: int) -> dict[str, Any]:
    return {"product_type": name, "baskets_total": baskets, "days_since_first": first}


HISTORIES = [
    [entry("TEA", 1, 50), entry("JAM", 3, 27), entry("FUEL", 9, 1)],
    [entry("JAM", 1, 28)],
    None,
]


def test_what_is_summed_of_a_batch():
    often, ever, fresh, customers = counted(pa.array(HISTORIES), NAMES)
    steps = [round(16 * np.log1p(3)), round(16 * np.log1p(1))]
    assert ever.tolist() == [[0, 0, 0], [0, 2, 1], [0, 1, 1]]
    assert often.tolist() == [[0, 0, 0], [0, steps[0] ** 2 + steps[1] ** 2, steps[0] * steps[1]],
                              [0, steps[0] * steps[1], steps[1] ** 2]]  # fmt: skip
    assert fresh.tolist() == [0, 1, 0]
    assert customers.tolist() == [3]


def test_partitions_and_their_order_change_nothing(spark):
    schema = "history array<struct<product_type string, baskets_total long, days_since_first int>>"
    rows = [([tuple(one.values()) for one in history],) for history in HISTORIES if history]
    result = [item_weights(spark.createDataFrame(given, schema).repartition(n), NAMES, np.zeros(3))
             for n, given in ((1, rows), (3, rows[::-1]))]  # fmt: skip
    assert (result[0].often == result[1].often).all()
    assert (result[0].ever == result[1].ever).all()
    # with nothing else to explain them, weights are ridge regressions of one type on one other
    assert (result[0].ever[1, 2], result[0].ever[2, 1]) == pytest.approx((1 / 1002, 1 / 1001), rel=1e-5)
    assert result[0].new_share.tolist() == pytest.approx([0, 1 / 1, 0])  # one of the two lacked jam, and bought it


def test_what_is_not_modelled_scores_nothing():
    weights = ItemWeights(np.array([0, 2]), np.array([[0, 0.5], [0.25, 0]]), np.array([[0, 1.0], [2.0, 0]]), np.ones(3))
    often, ever = weights.scores(np.array([[3.0, 9.0, 0.0], [0.0, 1.0, 1.0]]))
    assert often.tolist() == [[0, 0, round(0.5 * np.log(4), 5)], [round(0.25 * np.log(2), 5), 0, 0]]
    assert ever.tolist() == [[0, 0, 1], [2, 0, 0]]
