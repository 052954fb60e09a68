from __future__ import annotations

from typing import Any

import pyarrow as pa
import pyarrow.dataset as pads
import pytest

from scoring.sanity import faults, summary

NAN = float("nan")


def tables(offers: int = 2, **changed: list[Any]) -> tuple[pads.Dataset, pads.Dataset, pads.Dataset]:
    ids = [f"c{i}" for i in range(3) for _ in range(offers)]
    size = len(ids)
    ranking = {
        "customer_id": ids,
        "propensity": [0.1 + 0.1 * i for i in range(size)],
        "offer_rank": [i % offers + 1 for i in range(size)],
    }
    given = {
        "customer_id": ids,
        "offer_id": [f"type:{i % offers}" for i in range(size)],
        "propensity": [0.1 + 0.1 * i for i in range(size)],
        "response_probability": pa.array([None] * size, pa.float64()),
        "expected_value": [-0.1 * i for i in range(size)],
        "is_discovery": [i == 0 for i in range(size)],
        "offer_kind": ["coupon"] + ["product_type"] * (size - 1),
        "candidate_source": ["campaign"] + ["popular"] * (size - 1),
    }
    customers = {
        "customer_id": ["c0", "c1", "c2"], "churn_probability": [0.1, None, 0.3], "is_cold": [True, False, False],
        "treatment": ["control", "treated", "treated"], "contactable": [True, False, True],
        "blocked_by": [None, "opted out", None],
    }  # fmt: skip
    for name, values in changed.items():
        where, column = name.split("__")
        {"ranking": ranking, "offers": given, "customers": customers}[where][column] = values
    return tuple(pads.dataset(pa.table(columns)) for columns in (ranking, given, customers))  # type: ignore[return-value]


def test_scores_that_make_sense_have_no_fault():
    assert faults(*tables(), per_customer=2) == []


@pytest.mark.parametrize(
    ("changed", "fault"),
    [
        ({"ranking__propensity": [NAN, *[0.1] * 5]}, "ranking.propensity: 1 of 6 values are NaN or infinite"),
        ({"ranking__propensity": [0.2] * 6}, "ranking.propensity: all 6 values are the same"),
        ({"offers__propensity": [1.2, *[0.1] * 5]}, "offers.propensity: 1 of 6 values lie outside 0..1"),
        ({"offers__expected_value": [float("inf"), *[0.1] * 5]}, "offers.expected_value: 1 of 6 values are NaN"),
        ({"offers__response_probability": [-0.1, *[0.1] * 5]}, "offers.response_probability: 1 of 6 values lie"),
        ({"customers__churn_probability": [0.5, 0.5, None]}, "customers.churn_probability: all 2 values are the same"),
        ({"offers__offer_id": ["x", "x", "y", "z", "y", "z"]}, "1 offer(s) stand twice in a customer's list"),
        ({"customers__customer_id": ["c0", "c1", "c9"]}, "1 customer(s) have no product types ranked"),
        ({"offers__customer_id": ["c0", "c0", "c1", "c1", "c2", "x"]}, "1 customer(s) have fewer offers than 2"),
    ],
)
def test_each_fault_is_named(changed, fault):
    result = faults(*tables(**changed), per_customer=2)
    assert [text for text in result if text.startswith(fault)], result


def test_a_small_catalogue_may_make_shorter_lists():
    assert faults(*tables(offers=1), per_customer=5) == []


def test_what_the_rules_remove_makes_a_shorter_list_and_no_fault():
    ranks = pa.array([1, None, 1, 2, 1, 2], pa.int32())
    given = tables(ranking__offer_rank=ranks, offers__customer_id=["c0", "x", "c1", "c1", "c2", "c2"])
    assert faults(*given, per_customer=2) == []
    assert summary(*given[1:], per_customer=2)["short_lists"] == 1


def test_no_fault_names_a_customer():
    result = faults(*tables(customers__customer_id=["c0", "c1", "secret"]), per_customer=2)
    assert result
    assert not [text for text in result if "secret" in text]


def test_summary_counts_by_what_the_report_asks():
    _, offers, customers = tables()
    assert summary(offers, customers, per_customer=2) == {
        "customers": 3, "short_lists": 0, "cold_customers": 1, "control_customers": 1, "control_share": 0.333333,
        "contactable_customers": 2, "discoveries": 1, "blocked": {"opted out": 1},
        "offers_by_kind": {"coupon": 1, "product_type": 5}, "offers_by_source": {"campaign": 1, "popular": 5},
    }  # fmt: skip
