"""Great Expectations on pandas against Spark (``gx_spark_rows`` of the configuration): where do they cross?

Both do the same work on the same rows, made up, from where the night's own code decides to where it goes on; each size
has its wall seconds and CPU seconds (the JVM and the workers counted), and how far the results are apart. A small round
that does not count goes before, so that sessions are warm and the code is compiled.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from pyspark.sql import SparkSession

from bench.measures.timing import Meter
from conf.settings.load import load
from expectations.checkpoint import ROW_ID, Checkpoints, plain
from expectations.suites import SUITES
from jobs.spark import session

SIZES, WARM = (10_000, 100_000, 1_000_000, 3_000_000), 5_000
NIGHT = date(2017, 12, 3)


@dataclass(frozen=True)
class Engines:
    """Both ways to do one thing.

    Attributes:
        setting: what chooses between them, and from how many rows on Spark does it.
        alone: does it on one machine, and returns what is compared.
        spread: does it with Spark.
        apart: how far two results are apart, in words.
    """

    setting: str
    alone: Callable[[Any], Any]
    spread: Callable[[Any], Any]
    apart: Callable[[Any, Any], str]


def order_lines(folder: Path, rows: int) -> Path:
    """Write order lines as the night stages them; every thousandth breaks a rule."""
    rng, numbers = np.random.default_rng(7), np.arange(rows)
    alike = {"order_id": 10, "line_id": 1, "customer_id": 400, "product_id": 50}
    names = {name: pa.array(np.char.zfill((numbers // part).astype(str), 9)) for name, part in alike.items()}
    money = {name: rng.integers(low, 5_000, rows) for name, low in (("quantity", 1), ("amount", 0))}
    table = pa.table(
        {
            ROW_ID: pa.array(numbers),
            **names,
            **{name: _money(values) for name, values in money.items()},
            "discount": _money(np.where(numbers % 1000, 0, -1)),
            "ordered_at": pa.repeat(pa.scalar(datetime(2017, 12, 1, tzinfo=UTC), pa.timestamp("us", "UTC")), rows),
            "ordered_on": pa.repeat(pa.scalar(date(2017, 12, 1)), rows),
            "is_return": pa.array(np.zeros(rows, bool)),
            "_ds": pa.repeat(pa.scalar(NIGHT), rows),
            "_fault": pa.nulls(rows, pa.string()),
        }
    )
    file = folder / f"lines{rows}"
    file.mkdir()
    part = max(1, rows // 4)
    for start in range(0, rows, part):
        pq.write_table(table.slice(start, part), file / f"{start:09d}.parquet")
    return file


def expectations(spark: SparkSession, folder: Path) -> Engines:
    """Return the suite of the order lines, from the staged files to the numbers of the rows that break a rule."""
    rules = SUITES["order_lines"]
    columns = sorted({ROW_ID, *(column for rule in rules for column in rule.columns)})

    def check(rows: Any) -> list[tuple[str, bool, tuple[int, ...]]]:
        outcomes = Checkpoints(folder / "gx", folder / "docs").check("order_lines", rules, rows)
        return [(outcome.rule.name, outcome.passed, tuple(sorted(outcome.failed))) for outcome in outcomes]

    return Engines(
        f"gx_spark_rows {load().gx_spark_rows:,} rows",
        lambda file: check(plain(pq.read_table(file, columns=columns))),
        lambda file: check(spark.read.parquet(str(file)).select(columns)),
        lambda a, b: f"the same {sum(len(rows) for *_, rows in a):,} breaches" if a == b else "different outcomes",
    )


def measure(title: str, engines: Engines, make: Callable[[int], Any]) -> None:
    """Print a line per size."""
    print(f"\n{title}; Spark from {engines.setting} on", flush=True)
    for rows in (WARM, *SIZES):
        given, taken, results = make(rows), {}, []
        for name, work in (("one machine", engines.alone), ("Spark", engines.spread)):
            wall = time.perf_counter()
            with Meter() as meter:
                results.append(work(given))
            taken[name] = (time.perf_counter() - wall, meter.seconds)
        if rows == WARM:
            continue
        line = "; ".join(f"{name} wall {wall:6.1f} s, cpu {used:6.1f} s" for name, (wall, used) in taken.items())
        ratio = taken["Spark"][0] / taken["one machine"][0], taken["Spark"][1] / taken["one machine"][1]
        print(f"  {rows:>9,}: {line}; Spark / one machine {ratio[0]:.2f} wall, {ratio[1]:.2f} cpu; "
              f"apart: {engines.apart(*results)}", flush=True)  # fmt: skip


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.parse_args()
    home = Path(tempfile.mkdtemp())
    spark = session(load().model_copy(update={"home": str(home)}), "bench")
    try:
        measure("expectations, order lines", expectations(spark, home), lambda n: order_lines(home, n))
    finally:
        spark.stop()
        shutil.rmtree(home, ignore_errors=True)


def _money(values: np.ndarray) -> pa.Array:
    return pa.array(values).cast(pa.decimal128(19, 0)).cast(pa.decimal128(21, 2))


if __name__ == "__main__":
    main()
