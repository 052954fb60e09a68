"""What the models of churn, value and survival say of each customer, in one pass over ``PURCHASE_SERIES``.

n = rows of an Arrow batch. Models travel to the workers as bytes; O(customers x inputs).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
import pandas as pd
import pyarrow as pa
from pyspark.sql import DataFrame, functions as F, types as T

from features.customers.series_labels import own_limit
from scoring.customers.driver_words import driver_words
from scoring.offers.arbitration import PLACES
from scoring.predictions import Packed
from training.churn import churn
from training.models.artifacts import Model, from_bytes
from training.survival import survival
from training.value import value

Batches = Iterator[pa.RecordBatch]
#: names of the models, in the order they are applied
MODELS = (churn.NAME, churn.OWN_NAME, value.NAME, survival.NAME)
#: weeks ahead at which it is told who is still active
STAYS = (4, 8, 12)
#: what a batch gains: a number each, NaN where a customer is not scored
NUMBERS = (
    "churn_probability",
    "own_limit_days",
    "outlasts_own_limit",
    "expected_spend",
    "spend_low",
    "spend_high",
    *(f"active_in_{weeks}_weeks" for weeks in STAYS),
    "weeks_to_leave",
)
#: what drives the scores, in words
REASONS = ("churn_reasons", "value_reasons")
#: drivers told of a score
MOST = 3


def series_scores(told: DataFrame, models: Mapping[str, Packed], active_days: int) -> DataFrame:
    """Score every customer with a basket.

    Args:
        told: ``PURCHASE_SERIES``.
        models: by their names; those that are missing score nobody.
        active_days: churn and survival are told of customers with a purchase in these days.

    Returns:
        ``customer_id``, :data:`NUMBERS` and :data:`REASONS`; null where not scored.
    """
    packed = {name: models[name].files for name in MODELS if name in models}
    fields = [T.StructField(name, T.DoubleType()) for name in NUMBERS]
    fields += [T.StructField(name, T.StringType()) for name in REASONS]

    def apply(batches: Batches) -> Batches:
        loaded = {name: from_bytes(files) for name, files in packed.items()}
        for batch in batches:
            yield scored_batch(batch, loaded, active_days)

    key = told.schema["customer_id"]
    rows = told.mapInArrow(apply, T.StructType([key, *fields]))
    return rows.withColumns({name: F.round(name, PLACES) for name in NUMBERS})


def scored_batch(batch: pa.RecordBatch, models: Mapping[str, Model], active_days: int) -> pa.RecordBatch:
    """Return ``customer_id``, :data:`NUMBERS` and :data:`REASONS` of a batch of ``PURCHASE_SERIES``."""
    frame = batch.to_pandas()
    size = len(frame)
    active = frame["recency_days"].to_numpy() < active_days
    columns: dict[str, pa.Array] = {"customer_id": batch.column("customer_id")}
    numbers = {name: np.full(size, np.nan) for name in NUMBERS}
    reasons: dict[str, pa.Array] = {name: pa.nulls(size, pa.string()) for name in REASONS}
    if churn.NAME in models:
        model = models[churn.NAME]
        numbers["churn_probability"][active] = model.predict(frame[active])
        words = driver_words(strongest(model, frame[active]), frame[active])
        place = np.where(active, np.cumsum(active) - 1, 0)
        reasons["churn_reasons"] = words.take(pa.array(place, pa.int64(), mask=~active))
    if value.NAME in models:
        model = models[value.NAME]
        numbers["expected_spend"] = model.predict(frame)
        numbers["spend_low"], numbers["spend_high"] = value.interval(model, frame)
        reasons["value_reasons"] = driver_words(strongest(model, frame, both_ways=True), frame)
    if survival.NAME in models:
        alive = models[survival.NAME].predict(frame[active])
        for weeks in STAYS:
            numbers[f"active_in_{weeks}_weeks"][active] = alive[:, weeks - 1]
        numbers["weeks_to_leave"][active] = survival.weeks_to_leave(alive)
    limit = own_limit(frame["gap_p95"].to_numpy(), frame["visits_total"].to_numpy())
    numbers["own_limit_days"] = limit
    if churn.OWN_NAME in models:
        absent = frame["recency_days"].to_numpy()
        numbers["outlasts_own_limit"][absent > limit] = 1.0
        within = absent <= limit
        numbers["outlasts_own_limit"][within] = models[churn.OWN_NAME].predict(frame[within])
    columns |= {name: pa.array(values, pa.float64(), from_pandas=True) for name, values in numbers.items()}
    return pa.RecordBatch.from_pydict(columns | reasons)


def strongest(model: Model, frame: pd.DataFrame, both_ways: bool = False) -> np.ndarray:
    """Return the names of the inputs that drive a score most (n, :data:`MOST`), None where there are fewer.

    Args:
        model: with exact or approximate contributions.
        frame: its inputs.
        both_ways: of customers whose score is below the mean, tell what lowers it; else only what raises it.
    """
    added = np.round(model.contributions(frame), 6)
    if both_ways:
        added = added * np.where(added.sum(axis=1) < 0, -1, 1)[:, None]
    order = np.argsort(-added, axis=1, kind="stable")[:, :MOST]
    names = np.array(model.meta.inputs, dtype=object)[order]
    names[np.take_along_axis(added, order, axis=1) <= 0] = None
    return names
