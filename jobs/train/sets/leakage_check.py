"""The guard against leaks: whether what models learn from changes when nothing after ``as_of`` is cut.

The gate window is built twice, from the clean layer of the night and from that layer without any later record, as a
night on that day would have built it. Every column that is no label has to be the same in both, and so have the rows:
a future purchase must not give a customer a row. It finds a leak however weak it is and whatever its column is
called. It cannot find what the source itself wrote into the past: a value without a date, such as a customer's
attribute that was changed later, is the same in both.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import DataFrame, functions as F

from features.customers.series_labels import NUMBERS
from jobs.train.sets.stored_sets import StoredSets
from training.next_action.inputs import windows
from training.propensity.inputs import HISTORY_INPUTS

#: the day from which on a record is cut; campaigns and offers are plans, products have no day
RECORDED_ON = {
    "customers": "registered_on",
    "consents": "changed_at",
    "order_lines": "ordered_on",
    "campaign_targets": "targeted_on",
    "touches": "touched_on",
    "responses": "responded_on",
}
#: columns of the sets that are of the days after ``as_of``
LABELS: dict[str, tuple[str, ...]] = {
    "customers": ("returned", "bought"),
    "pairs": ("bought",),
    "coupons": ("redeemed", "bought", "spend"),
    "purchase_series": ("returned", *NUMBERS),
    "labels": ("bought", "spent"),
    "visits": ("next", "days"),
}
_KEYS = ["customer_id", "product_type", "offer_id", "label"]
#: floating sums of many rows differ by their order
_RELATIVE, _ABSOLUTE = 1e-4, 1e-6


def recorded_by(clean: Mapping[str, DataFrame], as_of: date) -> dict[str, DataFrame]:
    """Leave out of the clean layer all that was recorded after ``as_of``; what has no day stays."""

    def cut(name: str, table: DataFrame) -> DataFrame:
        if name not in RECORDED_ON:
            return table
        day = F.col(RECORDED_ON[name]).cast("date")
        return table.where(day.isNull() | (day <= F.lit(as_of)))

    return {name: cut(name, table) for name, table in clean.items()}


def leaking_inputs(sets: StoredSets, without_future: StoredSets, names: set[str]) -> dict[str, list[str]]:
    """Return by set the inputs of the gate window that depend on later days; sets without any are left out.

    Args:
        sets: built from the whole clean layer.
        without_future: the gate window, built from :func:`recorded_by` it.
        names: sets that were built.
    """
    leaking = {
        name: _different(name, *(_inputs(stored, name) for stored in (sets, without_future))) for name in sorted(names)
    }
    return {name: columns for name, columns in leaking.items() if columns}


def _different(name: str, full: pd.DataFrame, without_future: pd.DataFrame) -> list[str]:
    keys = [key for key in _KEYS if key in full.columns]
    if not full[keys].equals(without_future[keys]):
        return [f"which rows there are ({len(full)} or {len(without_future)})"]
    inputs = [column for column in full.columns if column not in (*keys, "as_of", *LABELS[name])]
    return [
        column
        for column in inputs
        if column not in without_future.columns
        or not same(*(pa.array(frame[column]) for frame in (full, without_future)))
    ]


def _inputs(sets: StoredSets, name: str) -> pd.DataFrame:
    gate = sets.windows.gate
    if name == "visits":
        return windows(sets.visits(), (sets.night - gate).days, 1)
    if name == "purchase_series":
        return sets.purchase_series(gate)
    if name == "labels":  # a row without a history is as none, see training.propensity.inputs.wide
        rows = sets.labels(gate)
        return rows[rows[list(HISTORY_INPUTS)].notna().any(axis=1)].reset_index(drop=True)
    return sets.read(name, gate)


def same(one: Any, other: Any) -> bool:
    """Return whether two columns are equal, floating numbers nearly; lists are compared value by value.

    >>> same(pa.array([1.0, None]), pa.array([1.0000001, None]))
    True
    >>> same(pa.array([[1], [2, 3]]), pa.array([[1, 2], [3]]))
    False
    """
    if one.type != other.type or not one.is_null().equals(other.is_null()):
        return False
    if pa.types.is_list(one.type):
        return bool(pc.list_value_length(one).equals(pc.list_value_length(other))) and same(
            one.flatten(), other.flatten()
        )
    if pa.types.is_floating(one.type):
        here, there = (column.to_numpy(zero_copy_only=False) for column in (one, other))
        return bool(np.allclose(here, there, rtol=_RELATIVE, atol=_ABSOLUTE, equal_nan=True))
    return bool(one.equals(other))
