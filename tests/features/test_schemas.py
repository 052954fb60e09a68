"""Batches have the declared types, whatever stands in a block."""

from __future__ import annotations

import pyarrow as pa
import pytest
from pyspark.sql import types as T

from features.schemas import typed_batch

SCHEMA = T.StructType([T.StructField("key", T.StringType()), T.StructField("born", T.DateType())])


def test_a_block_without_any_value_fits_the_others() -> None:
    blocks = [
        typed_batch([pa.array(["a"]), pa.array([None])], SCHEMA),
        typed_batch([pa.array([None]), pa.array([None])], SCHEMA),
    ]
    assert pa.Table.from_batches(blocks).schema.types == [pa.string(), pa.date32()]


def test_a_column_too_few_is_refused() -> None:
    with pytest.raises(ValueError, match="zip"):
        typed_batch([pa.array(["a"])], SCHEMA)
