"""What a customer does next, and when: the forecast of the pinned model, in Arrow batches."""

from __future__ import annotations

from datetime import date

import numpy as np
import pyarrow as pa
from pyspark.sql import DataFrame

from conf.tables.customers import NEXT_ACTIONS
from features.schemas import struct
from scoring.offers.arbitration import PLACES
from scoring.predictions import Batches, Packed
from training.evaluation.top_k import best_columns
from training.models.artifacts import from_bytes
from training.next_action.forecast import NextAction

#: actions that are published of a customer
MOST = 5


def next_actions(visits: DataFrame, model: Packed, day: date, named: str) -> DataFrame:
    """Tell each customer's most probable next actions; O(customers x visits x units).

    Args:
        visits: ``ACTIONS`` of the night.
        model: the next-action model.
        day: the night.
        named: name and hash of the model.

    Returns:
        ``NEXT_ACTIONS``; at most :data:`MOST` rows per customer with a visit, ties by the order of the model's actions.
    """
    files = model.files

    def apply(batches: Batches) -> Batches:
        loaded = from_bytes(files)
        if not isinstance(loaded, NextAction):
            raise TypeError(f"model {loaded.meta.name} forecasts no next action; train it again")
        for batch in batches:
            yield action_batch(batch, loaded, day, named)

    return visits.mapInArrow(apply, struct(NEXT_ACTIONS))


def action_batch(batch: pa.RecordBatch, model: NextAction, day: date, named: str) -> pa.RecordBatch:
    """Rank the next actions for a batch of customers; see :func:`next_actions`."""
    probability, days = model.forecast(batch.to_pandas())
    probability = np.round(probability, PLACES)
    best = best_columns(probability.astype("float64"), min(MOST, probability.shape[1]))
    row = np.repeat(np.arange(len(best)), best.shape[1])
    column = best.ravel()
    comes = column < days.shape[1]
    later = np.rint(days[row, np.minimum(column, days.shape[1] - 1)]).astype("int32")
    expected = pa.array(later + np.int32((day - date(1970, 1, 1)).days), mask=~comes).cast(pa.date32())
    return pa.RecordBatch.from_pydict(
        {
            "ds": pa.array([day] * len(row), pa.date32()),
            "customer_id": batch.column("customer_id").take(pa.array(row, pa.int64())),
            "rank": pa.array(np.tile(np.arange(1, best.shape[1] + 1), len(best)), pa.int32()),
            "action": pa.array(np.array(model.meta.outputs, dtype=object)[column], pa.string()),
            "probability": pa.array(probability[row, column], pa.float64()),
            "expected_day": expected,
            "model": pa.array([named] * len(row), pa.string()),
        }
    )
