"""Which rows may be learnt from, by the days they bear."""

from __future__ import annotations

from datetime import date

import pandas as pd

from training.evaluation.leakage import SplitDays, leaking_sets, leaks, part, split

NIGHT, GATE, VALIDATION, TRAINING = date(2017, 12, 3), date(2017, 11, 5), date(2017, 10, 8), date(2017, 9, 10)


def rows(*days: date) -> pd.DataFrame:
    return pd.DataFrame({"as_of": list(days), "customer_id": [f"c{n}" for n in range(len(days))]})


def test_labels_that_end_before_the_next_window_begins_are_no_leak() -> None:
    between = date(2017, 9, 30)  # reaches into the validation window: for a last fit alone
    result = split(rows(TRAINING), rows(GATE), 28, rows(VALIDATION), refit=rows(TRAINING, between, VALIDATION))
    assert leaks(result, NIGHT) == []


def test_a_single_row_of_a_later_day_is_found_in_each_part() -> None:
    early, late = rows(TRAINING, TRAINING), rows(TRAINING, date(2017, 9, 11))
    assert leaks(split(late, rows(GATE), 28, rows(VALIDATION)), NIGHT) == [
        "the labels of 1 training row(s) end after 2017-10-08, when the validation window begins"
    ]
    assert leaks(split(rows(date(2017, 10, 9)), rows(GATE), 28), NIGHT) == [
        "the labels of 1 training row(s) end after 2017-11-05, when the gate window begins"
    ]
    assert leaks(split(early, rows(GATE), 28, rows(VALIDATION, date(2017, 10, 9))), NIGHT) == [
        "the labels of 1 validation row(s) end after 2017-11-05, when the gate window begins"
    ]
    assert leaks(split(early, rows(GATE), 28, rows(VALIDATION), refit=rows(GATE)), NIGHT) == [
        "the labels of 1 last fit's row(s) end after 2017-11-05, when the gate window begins"
    ]
    assert leaks(split(early, rows(GATE, date(2017, 11, 6)), 28, rows(VALIDATION)), NIGHT) == [
        "the labels of 1 gate row(s) end after 2017-12-03, when the night is"
    ]


def test_labels_of_different_lengths_count_each() -> None:
    train = rows(TRAINING, TRAINING)
    assert leaks(SplitDays(part(train, pd.Series([28, 56])), part(rows(GATE), 28)), NIGHT) == []
    (fault,) = leaks(SplitDays(part(train, pd.Series([28, 57])), part(rows(GATE), 28)), NIGHT)
    assert fault.startswith("the labels of 1 training row(s)")


def test_labels_without_a_horizon_are_told_by_other_customers() -> None:
    train, gate = rows(GATE, GATE), rows(GATE, GATE, GATE)
    assert leaks(split(train, gate[2:], 28, by_customer=True), NIGHT) == []
    assert leaks(split(train, gate, 28, by_customer=True), NIGHT) == ["2 judged customer(s) were learnt from"]


def test_a_trial_that_tells_no_days_is_refused() -> None:
    assert leaks(None, NIGHT) == ["it does not tell of which days its rows are"]


def test_inputs_that_foresee_are_told_by_set() -> None:
    changed = {"purchase_series": ["gap_max", "rate"], "pairs": ["score"]}
    assert leaking_sets({"purchase_series", "customers"}, changed, GATE) == [
        "inputs of set purchase_series change when nothing after 2017-11-05 is known: gap_max, rate"
    ]
