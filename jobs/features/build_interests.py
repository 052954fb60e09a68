"""Interests and wide features of the night, and the coverage of every feature: how many customers have a value."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.dataset as pads
import pyarrow.parquet as pq

from conf.tables.features import FEATURES
from conf.tables.interests import FEATURE_COVERAGE, WIDE
from conf.tables.types import arrow_schema
from features.customers.customer_features import customer_features, interest_table
from features.customers.purchases import base, kinds, purchase_lists
from features.customers.wide import WideColumn, wide_columns
from features.lines import lines
from features.schemas import conform
from jobs.features.feature_night import FeatureNight
from jobs.lake.lake import Draft
from jobs.lake.manifest import TableVersion
from jobs.tables.features import FEATURES as FEATURE_TABLES

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

#: tables with a row a customer whose columns are features
CUSTOMER_TABLES = ("profile", "purchase_series", "interests")
#: unit by how a column's name starts or ends
_UNITS = (
    ("_days", "days"), ("tenure", "days"), ("recency", "days"), ("days_since", "days"), ("interval", "days"),
    ("gap_var", "ratio"), ("gap", "days"), ("spend", "currency"), ("basket_value", "currency"),
    ("last_basket_spend", "currency"), ("last_basket_lines", "lines"), ("largest_basket", "currency"),
    ("baskets", "baskets"), ("visits", "visits"), ("visit_rate", "visits a day"), ("lines", "lines"),
    ("basket_lines", "lines"), ("basket_pieces", "pieces"), ("types", "product types"), ("stores", "stores"),
    ("campaigns", "campaigns"), ("responses", "responses"), ("absences", "gaps"), ("absence", "probability"),
    ("share", "share"), ("loyalty", "share"), ("leakage", "share"), ("chance", "probability"), ("ratio", "ratio"),
    ("index", "ratio"), ("trend", "log ratio"), ("distance", "0..1"), ("is_", "yes or no"), ("drift", "yes or no"),
    ("switched", "yes or no"),
)  # fmt: skip


def build_interests(
    night: FeatureNight,
    order_lines: DataFrame,
    products: DataFrame,
    customers: DataFrame,
    profile: DataFrame,
) -> None:
    """Write ``interests`` and ``wide``, and ``feature_coverage`` of all features of customers.

    ``profile`` and ``purchase_series`` are written already.
    """
    bought = purchase_lists(lines(order_lines, products), night.day).persist()
    everybody = base(bought, kinds(products), night.day, night.timezone)
    interests = customer_features(bought, everybody, night.day, night.timezone).persist()
    night.write("interests", interest_table(interests, customers, profile, night.settings.source.life_stages))
    wide = night.write("wide", conform(interests, WIDE))
    night.draft.arrow(FEATURE_TABLES["feature_coverage"], _coverage(night.draft, wide, wide_columns(everybody)))
    for frame in (interests, bought):
        frame.unpersist()


def _coverage(draft: Draft, wide: TableVersion, columns: list[WideColumn]) -> pa.Table:
    """Count the customers with a value, from the footers of Parquet files and one pass over the places of ``wide``."""
    rows: list[tuple[str, int, str, str, str, float, float | None]] = []
    for name in CUSTOMER_TABLES:
        shares = _shares_with_value(draft, FEATURE_TABLES[name])
        for position, column in enumerate(FEATURES[name].columns):
            if column.name not in FEATURES[name].key and column.name in shares:
                rows.append((name, position, column.name, column.about, unit(column.name), shares[column.name], None))
    files = [f"{draft.lake.base}/{file.path}" for file in wide.files]
    there, nonzero = np.zeros(len(columns), dtype="int64"), np.zeros(len(columns), dtype="int64")
    for batch in pads.dataset(files, filesystem=draft.lake.fs, format="parquet").to_batches(
        columns=["places", "cells"]
    ):
        lists: list[Any] = [batch.column(name) for name in ("places", "cells")]
        places, cells = (column.flatten().to_numpy() for column in lists)
        there += np.bincount(places, minlength=len(columns))
        nonzero += np.bincount(places[cells != 0], minlength=len(columns))
    customers = max(wide.rows, 1)
    for position, one in enumerate(columns):
        share = there[position] / customers if one.absent == "missing" else 1.0
        rows.append(("wide", position, one.name, one.about, one.unit, share, nonzero[position] / customers))
    fields = zip(*rows, strict=True) if rows else [()] * len(FEATURE_COVERAGE.columns)
    schema = arrow_schema(FEATURE_COVERAGE)
    return pa.table([pa.array(values, field.type) for values, field in zip(fields, schema, strict=True)], schema=schema)


def unit(name: str) -> str:
    """Return the unit of a column; names carry their units."""
    return next((unit for part, unit in _UNITS if name.startswith(part)), None) or next(
        (unit for part, unit in _UNITS if part in name), "text"
    )


def _shares_with_value(draft: Draft, table: str) -> dict[str, float]:
    """Return the share of rows with a value, by column, from the statistics that files keep of themselves."""
    nulls: dict[str, int] = {}
    total = 0
    for file in draft.tables[table].files:
        footer = pq.read_metadata(f"{draft.lake.base}/{file.path}", filesystem=draft.lake.fs)
        total += footer.num_rows
        for group in (footer.row_group(number) for number in range(footer.num_row_groups)):
            for column in (group.column(number) for number in range(group.num_columns)):
                name, statistics = column.path_in_schema, column.statistics
                if "." not in name and statistics is not None and statistics.null_count is not None:
                    nulls[name] = nulls.get(name, 0) + statistics.null_count
    return {name: 1 - count / total if total else 0.0 for name, count in nulls.items()}
