from __future__ import annotations

from datetime import date

import numpy as np
import pytest

from features.items.product_neighbours import product_sales
from features.items.store_overlaps import store_overlaps

AS_OF = date(2017, 12, 3)


def test_stores_that_share_customers_make_groups(crm, rows):
    visits = {
        "north": range(6),
        "market": range(1, 7),
        "south": range(20, 24),
        "harbour": range(20, 25),
        "far": range(30, 32),
    }
    lines = [f"c{n} {store}{n} 2017-11-01 milk 1.00 store={store}" for store, who in visits.items() for n in who]
    lines += [
        "c20 once 2017-11-02 milk 1.00 store=north",
        *(f"c{n} late{n} 2017-12-04 milk 1.00 store=far" for n in range(6)),
    ]
    result = rows(
        store_overlaps(product_sales(crm.lines(*lines), crm.products("milk MILK D"), AS_OF)), "store_id", "other"
    )
    assert set(result) == {("north", "market"), ("market", "north"), ("south", "harbour"), ("harbour", "south")}
    pair = result["market", "north"]
    # 7 in the north, 6 at the market, 5 at both, 14 customers in all
    assert (pair["customers"], pair["share"]) == (5, pytest.approx(5 / 6))
    assert pair["lift"] == pytest.approx(5 * 14 / (6 * 7))
    assert pair["cosine"] == pytest.approx(5 / 42**0.5, abs=1e-6)
    group = {key[0]: row["community"] for key, row in result.items()}
    assert group["north"] == group["market"] != group["south"] == group["harbour"]
    weights = np.array([5 / 42**0.5, 4 / 20**0.5])
    assert pair["modularity"] == pytest.approx(1 - ((weights / weights.sum()) ** 2).sum(), abs=1e-5)


def test_one_store_or_none(crm):
    alone = crm.lines("a 1 2017-11-01 milk 1.00")
    assert store_overlaps(product_sales(alone, crm.products("milk MILK D"), AS_OF)).collect() == []
