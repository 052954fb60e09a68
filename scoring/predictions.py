"""Applies models to Spark frames: the model's bytes travel to the workers, rows come in Arrow batches.

n = rows of a batch, l = labels. Each function returns what ``mapInArrow`` needs; a partition loads the model once.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import DataFrame, types as T

from training.evaluation.top_k import ranks_of
from training.models.artifacts import META, Meta, Model, from_bytes

Batches = Iterator[pa.RecordBatch]
#: rows that a batch of predictions holds at most
BLOCK = 4096


@dataclass(frozen=True)
class Packed:
    """A model as its files: cheap to hold and to send, unpacked where it is applied."""

    files: dict[str, bytes]

    @property
    def meta(self) -> Meta:
        """What the model is."""
        return Meta.from_json(self.files[META].decode())


def with_probabilities(rows: DataFrame, models: dict[str, Packed]) -> DataFrame:
    """Return ``rows`` with a new column per model, its probability; O(rows x inputs).

    Args:
        rows: the models' inputs among other columns.
        models: new column -> model.
    """
    packed = {name: model.files for name, model in models.items()}

    def apply(batches: Batches) -> Batches:
        loaded = {name: from_bytes(files) for name, files in packed.items()}
        for batch in batches:
            scored = batch
            for name, model in loaded.items():
                values = np.asarray(model.predict(batch.select(list(model.meta.inputs)).to_pandas()), dtype="float64")
                scored = scored.append_column(name, pa.array(values, pa.float64()))
            yield scored

    if not models:
        return rows
    return rows.mapInArrow(apply, _extended(rows, *(T.StructField(name, T.DoubleType()) for name in models)))


def with_split_probability(rows: DataFrame, column: str, flag: str, models: dict[bool, Packed]) -> DataFrame:
    """Return ``rows`` with ``column`` filled by one model where ``flag`` holds and by another where it does not.

    Args:
        rows: the models' inputs among other columns, the boolean ``flag``, and ``column``: a probability that stays
            where there is no model for the flag.
        column: column of doubles.
        flag: boolean column without nulls.
        models: value of the flag -> model.
    """
    packed = {value: model.files for value, model in models.items()}

    def apply(batches: Batches) -> Batches:
        loaded = {value: from_bytes(files) for value, files in packed.items()}
        for batch in batches:
            flags = batch.column(flag).to_numpy(zero_copy_only=False)
            values = np.array(batch.column(column).to_numpy(zero_copy_only=False), dtype="float64")
            for value, model in loaded.items():
                chosen = np.flatnonzero(flags == value)
                values[chosen] = model.predict(batch.select(list(model.meta.inputs)).take(chosen).to_pandas())
            yield batch.set_column(batch.schema.get_field_index(column), column, pa.array(values, pa.float64()))

    return rows.mapInArrow(apply, rows.schema) if models else rows


def label_ranking(rows: DataFrame, model: Packed, top: int = 10, top_of_slice: int = 5) -> DataFrame:
    """Rank the labels of a network with one output per label for every customer; O(customers x labels).

    Args:
        rows: ``customer_id``, ``types`` (labels the customer has had, may be null) and the model's inputs.
        model: its outputs are the labels, ``extra["thresholds"]`` the probability from which each is recommended.
        top: labels kept of each customer.
        top_of_slice: labels kept among those the customer has had, and among the rest.

    Returns:
        ``customer_id``, ``characteristic``, ``probability``, ``above_threshold``, ``is_discovery``, ``rank`` (among
        all labels) and ``rank_in_slice``; ties go to the label that sorts first.
    """
    files = model.files

    def apply(batches: Batches) -> Batches:
        loaded = from_bytes(files)
        for batch in batches:
            for start in range(0, batch.num_rows, BLOCK):
                yield label_batch(batch.slice(start, BLOCK), loaded, top, top_of_slice)

    texts, flags = ("customer_id", "characteristic"), ("above_threshold", "is_discovery")
    fields = [T.StructField(n, T.StringType()) for n in texts] + [T.StructField("probability", T.DoubleType())]
    fields += [T.StructField(n, T.BooleanType()) for n in flags]
    fields += [T.StructField(n, T.IntegerType()) for n in ("rank", "rank_in_slice")]
    return rows.mapInArrow(apply, T.StructType(fields))


def label_batch(batch: pa.RecordBatch, model: Model, top: int, top_of_slice: int) -> pa.RecordBatch:
    """Rank the labels for a batch of customers; see :func:`label_ranking`."""
    place = np.argsort(np.array(model.meta.outputs, dtype=str), kind="stable")
    names = [model.meta.outputs[i] for i in place]
    limit = np.asarray(model.meta.extra["thresholds"], dtype="float64")[place]
    probability = np.round(np.asarray(model.predict(batch.to_pandas()), dtype="float64")[:, place], 6)
    bought = _membership(batch.column("types"), names)
    anything = np.ones_like(bought)
    rank = ranks_of(probability, anything, len(names))
    in_slice = np.where(bought, ranks_of(probability, bought, len(names)), ranks_of(probability, ~bought, len(names)))
    row, column = np.nonzero((rank <= top) | (in_slice <= top_of_slice))
    columns = {
        "customer_id": batch.column("customer_id").take(row),
        "characteristic": pa.array(names, pa.string()).take(column),
        "probability": pa.array(probability[row, column]),
        "above_threshold": pa.array((probability >= limit)[row, column]),
        "is_discovery": pa.array(~bought[row, column]),
        "rank": pa.array(rank[row, column], pa.int32()),
        "rank_in_slice": pa.array(in_slice[row, column], pa.int32()),
    }
    return pa.RecordBatch.from_pydict(columns)


def _membership(lists: Any, names: list[str]) -> np.ndarray:
    """Return a matrix (n, l): the list of the row holds the name of the column."""
    lengths = pc.fill_null(pc.list_value_length(lists), 0).to_numpy(zero_copy_only=False)
    where = pc.index_in(lists.flatten(), value_set=pa.array(names, pa.string()))
    is_member = where.is_valid().to_numpy(zero_copy_only=False)
    member = np.zeros((len(lists), len(names)), dtype=bool)
    member[np.repeat(np.arange(len(lists)), lengths)[is_member], where.drop_null().to_numpy(zero_copy_only=False)] = (
        True
    )
    return member


def _extended(rows: DataFrame, *fields: T.StructField) -> T.StructType:
    return T.StructType([*rows.schema.fields, *fields])
