"""Tables of a training that are no models: carried from night to night until the next training."""

from __future__ import annotations

from datetime import date

import pyarrow as pa

from conf.tables.runs import KPI_RULES, UPLIFT_VERDICTS
from conf.tables.types import arrow_schema
from jobs.lake.lake import Lake
from jobs.stages import Stage

STUDIES = {"kpi_rules": KPI_RULES, "uplift_verdicts": UPLIFT_VERDICTS}


def carried(lake: Lake, day: date) -> dict[str, pa.Table]:
    """Return the tables of the last training up to ``day``, as rows of ``day``; empty where there was none."""
    tables = {}
    for name, table in STUDIES.items():
        schema = arrow_schema(table)
        last = day if lake.manifest(Stage.TRAIN, day) else lake.newest(Stage.TRAIN, day)
        rows = schema.empty_table()
        if last is not None and lake.has(f"models/{name}", last):
            rows = lake.dataset(f"models/{name}", last).to_table().select(schema.names).cast(schema)
        tables[name] = rows.set_column(0, schema.field("ds"), pa.array([day] * rows.num_rows, pa.date32()))
    return tables
