from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from conf.settings.propensities import Amount, Attribute, Scope
from conf.tables.features import HISTORY
from features.customers.label_history import label_history, scope_series
from features.customers.labels import recorded

SCOPES = {"fish": Scope(departments=["SEA"]), "tuna": Scope(departments=["SEA"], product_types=["TUNA"])}


@pytest.mark.spark
def test_history_up_to_a_day_and_purchases_after_it(crm: Any):
    products = crm.products("t TUNA SEA", "s SALMON SEA", "m MILK DAIRY")
    lines = crm.lines(
        "a 1 2017-10-01 t 5", "a 1 2017-10-01 s 7", "a 2 2017-10-11 s 2", "a 3 2017-11-01 t 4", "a 4 2017-10-12 m 9",
        "a 5 2017-10-13 t 50 return=yes", "b 6 2017-11-05 s 3", "c 7 2017-10-02 m 1", "d 8 2017-12-01 t 1",
    )  # fmt: skip
    rows = label_history(scope_series(lines, products, SCOPES), [date(2017, 10, 12)], 28).collect()
    result = {(row["customer_id"], row["label"]): row for row in rows}
    assert set(result) == {("a", "fish"), ("a", "tuna"), ("b", "fish")}  # d buys after the horizon, c no fish
    fish, tuna, new = result["a", "fish"], result["a", "tuna"], result["b", "fish"]
    assert (fish["visits_total"], fish["recency_days"], fish["spend_84"], fish["interval_days"]) == (2, 1, 14, 10)
    assert (tuna["visits_total"], tuna["recency_days"], tuna["spend_84"], tuna["interval_days"]) == (1, 11, 5, None)
    assert [new[column.name] for column in HISTORY] == [None] * len(HISTORY)  # nothing says that b will buy
    assert [(row["bought"], row["spent"]) for row in (fish, tuna, new)] == [(True, 4), (True, 4), (True, 3)]
    later = label_history(scope_series(lines, products, SCOPES), [date(2017, 11, 1)], 28).collect()
    assert {(r["customer_id"], r["label"]): r["bought"] for r in later} == {
        ("a", "fish"): False, ("a", "tuna"): False, ("b", "fish"): True,
    }  # fmt: skip


@pytest.mark.spark
def test_recorded_attributes_are_yes_no_or_unknown(crm: Any):
    customers = crm.table(
        "customers",
        [
            {"customer_id": "a", "gender": "f", "attributes": {"kids": "2"}},
            {"customer_id": "b", "gender": "m", "attributes": {"kids": "0"}},
            {"customer_id": "c", "attributes": {"pets": "1"}},
        ],
    )
    asked = [
        Attribute(kind="attribute", label="woman", title="is a woman", attribute="gender", values=["f"]),
        Attribute(kind="attribute", label="parent", title="has children", attribute="kids", values=["1", "2"]),
    ]
    rows = {row[0]: (row[1], row[2]) for row in recorded(customers, asked).collect()}
    assert rows == {"a": (True, True), "b": (False, False), "c": (None, None)}
    kids = Amount(kind="amount", label="kids", title="number of children", attribute="kids")
    assert {row[0]: row[1] for row in recorded(customers, [kids]).collect()} == {"a": 2.0, "b": 0.0, "c": None}
