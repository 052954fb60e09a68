"""First ingest of all exports up to 2017-12-03, against DuckDB turning the order files alone into Parquet."""

from __future__ import annotations

import tempfile
from datetime import date
from pathlib import Path

import duckdb

from bench.measures.timing import compare
from conf.settings.load import load
from jobs.ingest import ingest

DAY = date(2017, 12, 3)


def main() -> None:
    """Print the comparison."""
    settings = load()
    with tempfile.TemporaryDirectory() as folder:

        def ours() -> None:
            home = tempfile.mkdtemp(dir=folder)
            ingest.run(settings.model_copy(update={"home": home, "lake": f"{home}/lake"}), DAY)

        def peer() -> None:
            files = f"{settings.exports}/*/orders*.csv.gz"
            target = Path(tempfile.mkdtemp(dir=folder)) / "orders.parquet"
            with duckdb.connect() as engine:
                engine.execute(
                    f"copy (select * from read_csv('{files}', all_varchar = true, filename = true) "
                    f"where filename < '{settings.exports}/{DAY}~') to '{target}' (format parquet, compression zstd)"
                )

        compare("Ingest of eight exports, checked, hashed and numbered", ours, {"DuckDB, order files only": peer})


if __name__ == "__main__":
    main()
