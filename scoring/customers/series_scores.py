"""What the models of the purchase series say of customers, in one pass; every model of the registry with a score.

n = rows of an Arrow batch. Models travel to the workers as bytes; O(customers x inputs).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import numpy as np
import pandas as pd
import pyarrow as pa
from pyspark.sql import DataFrame, functions as F, types as T

from conf.errors import DataError
from scoring.customers.driver_words import driver_words
from scoring.offers.arbitration import PLACES
from scoring.predictions import Packed
from training import registry
from training.models.artifacts import Model, from_bytes
from training.scores import Scores
from training.spec import ModelSpec, loaded

Batches = Iterator[pa.RecordBatch]
_TYPES = {"double": T.DoubleType(), "string": T.StringType()}
_ARROW = {"double": pa.float64(), "string": pa.string()}


def series_scores(series: DataFrame, models: Mapping[str, Packed], active_days: int) -> DataFrame:
    """Score every customer with a basket.

    Args:
        series: ``PURCHASE_SERIES``.
        models: by their names; a model that is missing scores nobody.
        active_days: a customer is active with a purchase in these days.

    Returns:
        ``customer_id`` and the columns that the models declare; null where not scored.
    """
    packed = {spec.name: models[spec.name].files for spec in registry.series_models() if spec.name in models}
    columns = registry.score_columns()

    def apply(batches: Batches) -> Batches:
        loaded_models = {name: from_bytes(files) for name, files in packed.items()}
        for batch in batches:
            yield scored_batch(batch, loaded_models, active_days)

    key = series.schema["customer_id"]
    fields = [T.StructField(column.name, _TYPES[column.type]) for column in columns]
    rows = series.mapInArrow(apply, T.StructType([key, *fields]))
    numbers = [column.name for column in columns if column.type == "double"]
    return rows.withColumns({name: F.round(name, PLACES) for name in numbers})


def scored_batch(batch: pa.RecordBatch, models: Mapping[str, Model], active_days: int) -> pa.RecordBatch:
    """Return ``customer_id`` and the columns that the models declare, of a batch of ``PURCHASE_SERIES``.

    Raises:
        DataError: a model gives a column that it does not declare.
    """
    frame = batch.to_pandas()
    is_active = frame["recency_days"].to_numpy() < active_days
    columns: dict[str, pa.Array] = {"customer_id": batch.column("customer_id")}
    for spec, score in _scorers():
        columns |= _columns(spec, score(models.get(spec.name), frame, is_active), frame)
    return pa.RecordBatch.from_pydict(columns)


def _scorers() -> list[tuple[ModelSpec, Callable[..., Scores]]]:
    return [(spec, loaded(spec.score)) for spec in registry.series_models() if spec.score is not None]


def _columns(spec: ModelSpec, scores: Scores, frame: pd.DataFrame) -> dict[str, pa.Array]:
    """Return the declared columns of a model, null where it gives none; drivers are put into words."""
    given = {*scores.numbers, *scores.drivers}
    if unknown := given - {column.name for column in spec.columns}:
        raise DataError(f"model {spec.name} scores {sorted(unknown)}, which it does not declare; add them to its spec")
    columns: dict[str, pa.Array] = {}
    for column in spec.columns:
        if column.name in scores.numbers:
            columns[column.name] = pa.array(scores.numbers[column.name], pa.float64(), from_pandas=True)
        elif column.name in scores.drivers:
            columns[column.name] = _words(scores.drivers[column.name], scores.scored, frame)
        else:
            columns[column.name] = pa.array([None] * len(frame), _ARROW[column.type])
    return columns


def _words(names: np.ndarray, scored: np.ndarray | None, frame: pd.DataFrame) -> pa.Array:
    """Return drivers in words (n,); null for customers who are not scored."""
    if scored is None:
        return driver_words(names, frame)
    words = driver_words(names[scored], frame[scored])
    place = np.where(scored, np.cumsum(scored) - 1, 0)
    return words.take(pa.array(place, pa.int64(), mask=~scored))
