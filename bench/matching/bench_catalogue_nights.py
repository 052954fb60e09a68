"""A night of 1 % new products against clustering all of them, by the catalogue stage; and whether ids last."""

from __future__ import annotations

import argparse
import tempfile
import time
from datetime import date, timedelta
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from bench.inputs.catalogue_titles import quality, real_titles
from bench.matching.bench_catalogue import DATA, written
from bench.measures.timing import Meter
from conf.settings.load import load
from conf.tables.canonical import CANONICAL
from conf.tables.types import arrow_schema
from jobs.catalogue.build_catalogue import CLUSTERS, JOURNAL, run
from jobs.lake.lake import Lake
from jobs.lake.manifest import Manifest
from jobs.spark import session
from jobs.stages import Stage

FIRST, NEW, FEW = date(2017, 12, 3), 0.01, 0.001


def main() -> None:
    """Print a line a night."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--products", type=int, default=1_000_000)
    parser.add_argument("--titles", type=Path, metavar="DIR", help="keep the titles here (default: made every time)")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as home:
        settings = load().model_copy(update={"home": home, "lake": f"{home}/lake"})
        session(settings, "bench")
        titles = real_titles(DATA, "report")
        table = pq.read_table(written(given.titles or Path(home), titles, given.products, "report"))
        lake, old = Lake(settings.lake), int(given.products * (1 - NEW))
        for before, rows in ((2, 20_000), (1, 20_200)):  # compiles and starts what either kind of night needs
            publish(lake, FIRST - timedelta(days=before), table.slice(0, rows))
            run(settings, FIRST - timedelta(days=before))
        for before in (2, 1):
            for stage in (Stage.CATALOGUE, Stage.VALIDATE):
                lake.fs.delete_file(f"{lake.base}/_nights/{stage}/{FIRST - timedelta(days=before)}.json")
        taken = []
        print(f"{'night':<28} {'products':>10} {'wall s':>8} {'cpu s':>8} {'P':>6} {'R':>6}  journal")
        for after, (name, rows, options) in enumerate(
            [
                ("all, first", table.slice(0, old), {}),
                (f"{NEW:.0%} new", table, {}),
                ("nothing new", table, {}),
                ("all anew, ids kept", table, {"recluster": True}),
                (f"{FEW:.1%} changed, {FEW:.1%} gone", with_changes(table), {}),
            ]
        ):
            day = FIRST + timedelta(days=after)
            publish(lake, day, rows)
            wall = time.perf_counter()
            with Meter() as meter:
                run(settings, day, **options)
            seconds, used = time.perf_counter() - wall, meter.seconds
            taken.append((seconds, used))
            clusters = lake.arrow(CLUSTERS, day, ["product_id", "cluster_id"]).to_pandas()
            order = clusters["product_id"].astype(int)
            precision, recall, _ = quality(table["group"].to_numpy()[order], clusters["cluster_id"].to_numpy())
            figures = f"{seconds:>8.2f} {used:>8.2f} {precision:>6.3f} {recall:>6.3f}"
            print(f"{name:<28} {rows.num_rows:>10,} {figures}  {events(lake, day)}", flush=True)
        (all_wall, all_cpu), (new_wall, new_cpu) = taken[:2]
        print(f"{NEW:.0%} new / all: {new_wall / all_wall:.1%} of the wall time, {new_cpu / all_cpu:.1%} of the CPU")
        print(f"old products whose id changed overnight: {changed(lake)}")


def publish(lake: Lake, day: date, rows: pa.Table) -> None:
    """Write the products of a night's clean layer."""
    schema = arrow_schema(CANONICAL["products"])
    given = {"product_id": rows["product_id"].cast(pa.string()), "title": rows["title"]}
    flags = {name: pa.repeat(True, rows.num_rows) for name in ("counted", "offerable")}
    columns = [
        (given | flags)[name] if name in given | flags else pa.nulls(rows.num_rows, schema.field(name).type)
        for name in schema.names
    ]
    with lake.draft(Stage.VALIDATE, day) as draft:
        draft.arrow("clean/products", pa.Table.from_arrays(columns, schema=schema))
        draft.commit(Manifest(stage="validate", ds=str(day), version=""))


def with_changes(table: pa.Table) -> pa.Table:
    """Return the titles with a word more for some products, and without some others."""
    drawn = np.random.default_rng(1).permutation(table.num_rows)
    few = int(table.num_rows * FEW)
    titles = table["title"].to_numpy().copy()
    titles[drawn[:few]] += " special"
    changed = table.set_column(table.schema.get_field_index("title"), "title", pa.array(titles, pa.string()))
    return changed.take(pa.array(np.sort(drawn[: table.num_rows - few])))


def events(lake: Lake, day: date) -> str:
    """Return how many events of each kind the night's journal has."""
    counts = lake.arrow(JOURNAL, day).group_by("event").aggregate([("subject", "count")]).sort_by("event").to_pylist()
    return ", ".join(f"{row['event']} {row['subject_count']:,}" for row in counts)


def changed(lake: Lake) -> int:
    """Return the products of the first night that are in another cluster on the second."""
    with duckdb.connect() as engine:
        for name, day in (("first", FIRST), ("second", FIRST + timedelta(days=1))):
            engine.register(name, lake.dataset(CLUSTERS, day))
        ((count,),) = engine.execute(
            "select count(*) from first join second using (product_id) where first.cluster_id <> second.cluster_id"
        ).fetchall()
    return int(count)


if __name__ == "__main__":
    main()
