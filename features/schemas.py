"""Turns table declarations into Spark schemas, and holds frames to them."""

from __future__ import annotations

import re

from pyspark.sql import DataFrame, types as T

from conf.tables.table import Table

_SIMPLE: dict[str, T.DataType] = {
    "string": T.StringType(),
    "int": T.IntegerType(),
    "long": T.LongType(),
    "float": T.FloatType(),
    "double": T.DoubleType(),
    "boolean": T.BooleanType(),
    "date": T.DateType(),
    "timestamp": T.TimestampType(),
    "array<string>": T.ArrayType(T.StringType()),
    "array<int>": T.ArrayType(T.IntegerType()),
    "array<float>": T.ArrayType(T.FloatType()),
    "map<string,string>": T.MapType(T.StringType(), T.StringType()),
}


def spark_type(name: str) -> T.DataType:
    """Return the Spark type of a declared type name.

    Raises:
        ValueError: the name is no declared type.
    """
    decimal = re.fullmatch(r"decimal\((\d+),(\d+)\)", name)
    if decimal:
        return T.DecimalType(int(decimal[1]), int(decimal[2]))
    if name not in _SIMPLE:
        raise ValueError(f"unknown column type {name}; have {sorted(_SIMPLE)} and decimal(p,s)")
    return _SIMPLE[name]


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
