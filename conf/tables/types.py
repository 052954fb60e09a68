"""What a declared column type is in Arrow and in SQL; Spark's types follow from Arrow's (``features.schemas``)."""

from __future__ import annotations

import re
from typing import NamedTuple

import pyarrow as pa

from conf.tables.table import Table


class TypeNames(NamedTuple):
    """A declared type: Arrow's type, and the name of SQLAlchemy's; None where no published table may have it."""

    arrow: pa.DataType
    sql: str | None = None


TYPES = {
    "string": TypeNames(pa.string(), "Text"),
    "int": TypeNames(pa.int32(), "Integer"),
    "long": TypeNames(pa.int64(), "BigInteger"),
    "float": TypeNames(pa.float32()),
    "double": TypeNames(pa.float64(), "Double"),
    "boolean": TypeNames(pa.bool_(), "Boolean"),
    "date": TypeNames(pa.date32(), "Date"),
    "timestamp": TypeNames(pa.timestamp("us", "UTC"), "DateTime"),
    "array<string>": TypeNames(pa.list_(pa.string())),
    "array<int>": TypeNames(pa.list_(pa.int32())),
    "array<float>": TypeNames(pa.list_(pa.float32())),
    "map<string,string>": TypeNames(pa.map_(pa.string(), pa.string())),
}


def arrow_type(name: str) -> pa.DataType:
    """Return the Arrow type of a declared type name.

    Raises:
        ValueError: the name is no declared type.
    """
    decimal = re.fullmatch(r"decimal\((\d+),(\d+)\)", name)
    if decimal:
        return pa.decimal128(int(decimal[1]), int(decimal[2]))
    if name not in TYPES:
        raise ValueError(f"unknown column type {name}; have {sorted(TYPES)} and decimal(p,s)")
    return TYPES[name].arrow


def arrow_schema(table: Table) -> pa.Schema:
    """Return the Arrow schema of ``table``; all columns nullable, since Parquet does not keep the opposite."""
    return pa.schema([pa.field(column.name, arrow_type(column.type)) for column in table.columns])


def sql_type(name: str) -> str:
    """Return the name of the SQLAlchemy type of a declared type name.

    Raises:
        ValueError: no published table may have a column of this type.
    """
    sql = TYPES[name].sql if name in TYPES else None
    if sql is None:
        raise ValueError(f"a published table cannot have a column of type {name}; publish it as another type")
    return sql
