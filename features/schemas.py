"""Turns table declarations into Spark schemas, and holds frames to them."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa
from pyspark.sql import DataFrame, types as T
from pyspark.sql.pandas.types import from_arrow_type, to_arrow_type

from conf.tables.table import Table
from conf.tables.types import arrow_type


def spark_type(name: str) -> T.DataType:
    """Return the Spark type of a declared type name.

    Raises:
        ValueError: the name is no declared type.
    """
    return from_arrow_type(arrow_type(name))


def struct(table: Table) -> T.StructType:
    """Return the Spark schema of ``table``; all columns nullable, since Parquet does not keep the opposite."""
    return T.StructType([T.StructField(column.name, spark_type(column.type)) for column in table.columns])


def conform(frame: DataFrame, table: Table) -> DataFrame:
    """Return ``frame`` with exactly the columns, order and types of ``table``.

    Raises:
        ValueError: a declared column is missing.
    """
    missing = [name for name in table.names if name not in frame.columns]
    if missing:  # DataFrame.to() alone would fill these with NULL
        raise ValueError(f"{table.name}: missing column(s) {missing}; have {frame.columns}")
    return frame.to(struct(table))


def typed_batch(columns: Sequence[pa.Array], schema: T.StructType) -> pa.RecordBatch:
    """Return the columns as a batch of ``schema``, whatever stands in it.

    Arrow takes a column's type from its values. Of a block without any it would be ``null``, and the blocks of one
    partition would not fit each other.
    """
    fields = zip(columns, schema.fields, strict=True)
    typed = [
        column.cast(to_arrow_type(field.dataType)) if pa.types.is_null(column.type) else column
        for column, field in fields
    ]
    return pa.record_batch(typed, names=schema.names)
