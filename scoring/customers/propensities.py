"""Every configured label for every customer it can be asked of: probability, band and reasons.

One pass over the customers applies all models; O(customers x labels x inputs). n = customers of a batch.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import DataFrame, functions as F

from conf.settings.propensities import Amount, Propensity, Purchase, is_recorded
from conf.tables.customers import CUSTOMER_PROPENSITIES
from conf.tables.features import LABEL_HISTORY
from features.customers.labels import recorded
from features.customers.profile import liked_departments
from features.schemas import struct
from scoring.customers.driver_words import joined
from scoring.customers.phrases import LIKES, phrases
from scoring.offers.arbitration import PLACES
from scoring.predictions import Packed
from training.models.artifacts import Model, from_bytes
from training.propensity.amounts import chance_of_any
from training.propensity.inputs import HISTORY_INPUTS, LISTS, PROFILE_INPUTS, SERIES_INPUTS, eligible, wide

Batches = Iterator[pa.RecordBatch]
#: inputs named as reasons
MOST = 3
BANDS = np.array(["low", "middle", "high"], dtype=object)
#: what an input has to add to the log-odds to be a reason: 5 % more likely, about
_RAISES = 0.05
_TEXTS = ("customer_id", "label", "band", "reasons", "model", "standing")
_NUMBERS = ("probability", "expected")


def propensity_inputs(
    profile: DataFrame,
    purchase_series: DataFrame,
    history: DataFrame,
    customers: DataFrame | None,
    asked: Sequence[Propensity],
) -> DataFrame:
    """Put the inputs of all labels into one row per customer.

    Args:
        profile: ``PROFILE``.
        purchase_series: ``PURCHASE_SERIES`` of the same day.
        history: ``LABEL_HISTORY`` of the same day.
        customers: ``CUSTOMERS``, for recorded attributes; None where the source has none.
        asked: the labels.

    Returns:
        ``customer_id``, :data:`SERIES_INPUTS`, :data:`PROFILE_INPUTS`, :data:`LISTS`, ``history`` (structs of
        ``LABEL_HISTORY``) and ``recorded:<label>`` for attributes.
    """
    lists = history.groupBy("customer_id").agg(F.collect_list(F.struct(*LABEL_HISTORY.names[1:])).alias("history"))
    rows = (
        profile.select("customer_id", *PROFILE_INPUTS)
        .join(purchase_series.select("customer_id", *SERIES_INPUTS), "customer_id", "left")
        .join(liked_departments(profile), "customer_id", "left")
        .join(lists, "customer_id", "left")
    )
    attributes = [label for label in asked if is_recorded(label)]
    if attributes and customers is not None:
        rows = rows.join(recorded(customers, attributes), "customer_id", "left")
    return rows


def propensities(
    rows: DataFrame,
    models: Mapping[str, tuple[Packed, str]],
    standing: Mapping[str, str],
    asked: Sequence[Propensity],
    day: date,
) -> DataFrame:
    """Score every customer for every label that can be asked of them; attributes only where none is recorded.

    Args:
        rows: result of :func:`propensity_inputs`.
        models: label -> its model and how the tables name it; ``extra["bands"]`` holds the borders of its bands.
        standing: label -> standing of its model.
        asked: the labels, in the order of the rows of a customer.
        day: the night.

    Returns:
        ``CUSTOMER_PROPENSITIES``.
    """
    packed = {label: (model.files, name) for label, (model, name) in models.items()}
    labels = [label for label in asked if label.label in packed]
    schema = struct(CUSTOMER_PROPENSITIES)

    def apply(batches: Batches) -> Batches:
        loaded = {label: (from_bytes(files), name) for label, (files, name) in packed.items()}
        for batch in batches:
            yield score_batch(batch, loaded, standing, labels, day)

    return rows.mapInArrow(apply, schema)


def likely_labels(scores: DataFrame) -> DataFrame:
    """Return ``customer_id`` and ``likely``: the labels in whose band ``high`` a customer is, joined by ``;``.

    Args:
        scores: ``CUSTOMER_PROPENSITIES``.
    """
    labels = F.concat_ws(";", F.sort_array(F.collect_list("label"))).alias("likely")
    return scores.where("band = 'high'").groupBy("customer_id").agg(labels)


def score_batch(
    batch: pa.RecordBatch,
    models: Mapping[str, tuple[Model, str]],
    standing: Mapping[str, str],
    asked: Sequence[Propensity],
    day: date,
) -> pa.RecordBatch:
    """Score a batch of customers; see :func:`propensities`."""
    frame = _frame(batch, models, asked)
    titles = {label.label: label.title for label in asked}
    cells: dict[str, list[Any]] = {name: [] for name in (*_TEXTS, *_NUMBERS)}
    for label in asked:
        model, name = models[label.label]
        kept = eligible(frame, label)
        if f"recorded:{label.label}" in frame:
            kept = kept & frame[f"recorded:{label.label}"].isna().to_numpy()
        rows = frame[kept]
        score = np.asarray(model.predict(rows), dtype="float64")
        amount = isinstance(label, Amount)
        probability = np.round(chance_of_any(model, score) if amount else score, PLACES)
        # what stands on a border is below it: a model that separates nobody names nobody
        band = np.searchsorted(np.round(model.meta.extra["bands"], PLACES), np.round(score, PLACES), side="left")
        columns = {
            "customer_id": rows["customer_id"].to_numpy(dtype=object),
            "label": np.full(len(rows), label.label, dtype=object),
            "band": BANDS[band],
            "reasons": reasons(rows, model, label.label, titles),
            "model": np.full(len(rows), name, dtype=object),
            "standing": np.full(len(rows), standing[label.label], dtype=object),
            "probability": probability,
            "expected": np.round(score, PLACES) if amount else np.full(len(rows), np.nan),
        }
        for column, values in columns.items():
            cells[column].append(values)
    total = sum(len(part) for part in cells["label"])
    arrays: dict[str, pa.Array] = {name: pa.array(_joined(cells[name]), pa.string()) for name in _TEXTS}
    for name in _NUMBERS:
        arrays[name] = pa.array(np.concatenate([*cells[name], np.zeros(0)]), pa.float64(), from_pandas=True)
    arrays["ds"] = pa.array([day] * total, pa.date32())
    return pa.RecordBatch.from_pydict({name: arrays[name] for name in CUSTOMER_PROPENSITIES.names})


def reasons(rows: pd.DataFrame, model: Model, label: str, titles: Mapping[str, str]) -> np.ndarray:
    """Name the inputs that raise each customer's probability most (n,), with the customer's own numbers."""
    inputs = list(model.meta.inputs)
    added = np.asarray(model.contributions(rows))
    order = np.argsort(-added, axis=1, kind="stable")[:, :MOST]
    raises = np.take_along_axis(added, order, axis=1) > _RAISES
    words = np.full(order.shape, None, dtype=object)
    for place, name in enumerate(inputs):
        row, rank = np.nonzero((order == place) & raises)
        if len(row):
            values = rows[name].to_numpy(dtype="float64", na_value=np.nan)[row]
            words[row, rank] = phrases(name, values, label, dict(titles))
    return np.asarray(joined(words).to_numpy(zero_copy_only=False), dtype=object)


def _frame(batch: pa.RecordBatch, models: Mapping[str, tuple[Model, str]], asked: Sequence[Propensity]) -> pd.DataFrame:
    """Return the wide frame of a batch: all that the models take."""
    liked = sorted(
        {
            name.removeprefix(LIKES)
            for model, _ in models.values()
            for name in model.meta.inputs
            if name.startswith(LIKES)
        }
    )
    needed = {name.split(":")[0] for model, _ in models.values() for name in model.meta.inputs if ":" in name}
    scoped = {label.label for label in asked if isinstance(label, Purchase | Amount) and label.scope is not None}
    labels = sorted((needed - {LIKES.removesuffix(":")}) | scoped)
    structs: Any = batch.column("history")
    row = pc.list_parent_indices(structs).to_numpy(zero_copy_only=False)
    flat = structs.flatten()
    history = pd.DataFrame(
        {name: flat.field(name).to_numpy(zero_copy_only=False) for name in ("label", *HISTORY_INPUTS)}
    )
    flags = [name for name in batch.schema.names if name.startswith("recorded:")]
    customers = batch.select(["customer_id", *SERIES_INPUTS, *PROFILE_INPUTS, *LISTS, *flags]).to_pandas()
    return wide(customers, row, history, labels, liked)


def _joined(parts: list[np.ndarray]) -> np.ndarray:
    return np.concatenate([*parts, np.zeros(0, dtype=object)])
