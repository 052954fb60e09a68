"""Takes the rows of erased customers out of every file of the lake that a manifest names.

A file is written anew without the rows, every manifest that names it is switched to the new file by one atomic write,
and the old file is removed last: a crash leaves the lake readable, and the next run goes on. Content hashes of the
manifests change with the rows, and so do the inputs of the stages that read them.
"""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass, field, replace

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from features.canonical.mapping import ORIGIN
from jobs.inputs.erased import Erased
from jobs.lake.lake import Lake
from jobs.lake.manifest import File, Manifest, TableVersion
from jobs.lake.tables import LAYERS
from jobs.privacy.raw_rows import Origin

#: the column of every table of the lake, but raw ones, that says whose a row is
CUSTOMER = "customer_id"


@dataclass
class Scrubbed:
    """Rows removed by table, and files written anew."""

    rows: Counter[str] = field(default_factory=Counter)
    files: int = 0


def scrub(lake: Lake, customers: Collection[str], raw: dict[str, set[Origin]]) -> Scrubbed:
    """Remove the rows of ``customers`` from every file that a manifest names.

    Args:
        lake: where the tables are.
        customers: keys of the customers, as the clean layer writes them.
        raw: raw or quarantine table -> origin of the customers' rows in it.

    Returns:
        What was removed.
    """
    done = Scrubbed()
    replaced: dict[str, File] = {}
    for path in sorted(_named(lake)):
        table = path.split("/ds=")[0]
        gone = _marked(lake, path, customers, raw.get(table, set()))
        removed = int(pc.sum(gone).as_py() or 0) if gone is not None else 0
        if gone is None or not removed:
            continue
        rows = pq.read_table(f"{lake.base}/{path}", filesystem=lake.fs, partitioning=None)
        replaced[path] = _write(lake, path, rows.filter(pc.invert(gone)))
        done.rows[table] += removed
        done.files += 1
    if replaced:
        _switch(lake, replaced)
        for path in replaced:
            lake.fs.delete_file(f"{lake.base}/{path}")
    return done


def customers_of(lake: Lake, erased: Erased) -> set[str]:
    """Return the keys of erased customers that are in the lake."""
    keys: set[str] = set()
    for path in _named(lake):
        if CUSTOMER in pq.read_schema(f"{lake.base}/{path}", filesystem=lake.fs).names:
            column = pq.read_table(f"{lake.base}/{path}", columns=[CUSTOMER], filesystem=lake.fs, partitioning=None)
            keys |= {key for key in pc.unique(column[CUSTOMER]).to_pylist() if key is not None and key in erased}
    return keys


def _named(lake: Lake) -> set[str]:
    """Return the files that manifests name; a table's file may be named by several nights."""
    return {
        file.path
        for stage in set(LAYERS.values())
        for day in lake.days(stage)
        for table in lake.need(stage, day).tables.values()
        for file in table.files
    }


def _marked(lake: Lake, path: str, customers: Collection[str], raw: set[Origin]) -> pa.ChunkedArray | pa.Array | None:
    """Return for each row of a file whether it goes; None where the file says nothing of customers."""
    place = f"{lake.base}/{path}"
    names = pq.read_schema(place, filesystem=lake.fs).names
    if CUSTOMER in names:
        keys = pq.read_table(place, columns=[CUSTOMER], filesystem=lake.fs, partitioning=None)[CUSTOMER]
        return pc.is_in(keys, pa.array(sorted(customers), keys.type))
    if not raw or not set(ORIGIN) <= set(names):
        return None
    rows = pq.read_table(place, columns=list(ORIGIN), filesystem=lake.fs, partitioning=None)
    files, numbers, days = zip(*sorted(raw), strict=True)
    wanted = pa.table({"_file": files, "_row": pa.array(numbers, pa.int64()), "_ds": pa.array(days, pa.date32())})
    with duckdb.connect() as engine:
        engine.register("origin", rows.append_column("n", pa.array(range(rows.num_rows), pa.int64())))
        engine.register("wanted", wanted)
        hits = engine.execute("select n from origin semi join wanted using (_file, _row, _ds)").fetchnumpy()["n"]
    return pc.is_in(pa.array(range(rows.num_rows), pa.int64()), pa.array(hits, pa.int64()))


def _write(lake: Lake, path: str, rows: pa.Table) -> File:
    """Write what stays of a file next to it, and return it as manifests name it."""
    folder = path.rsplit("/", 1)[0]
    new = f"{folder}/part-{uuid.uuid4().hex[:12]}.parquet"
    pq.write_table(rows, f"{lake.base}/{new}", filesystem=lake.fs, compression="zstd")
    return lake.audit(new)


def _switch(lake: Lake, replaced: dict[str, File]) -> None:
    """Let every manifest name the new files in the place of the old ones, and the new contents of what it was made of.

    A night then still builds on the night before. Fingerprints stay as they were: a stage that is run again for such a
    night is made anew.
    """
    manifests = {(stage, day): lake.need(stage, day) for stage in set(LAYERS.values()) for day in lake.days(stage)}
    renamed = {place: _renamed(manifest, replaced) for place, manifest in manifests.items()}
    contents: dict[str, str] = {}
    for place, before in manifests.items():
        after = renamed[place]
        contents[before.content] = after.content
        contents |= {table.content: after.tables[name].content for name, table in before.tables.items()}
    for (stage, day), manifest in renamed.items():
        inputs = {name: contents.get(content, content) for name, content in manifest.inputs.items()}
        switched = replace(manifest, inputs=inputs)
        if switched != manifests[stage, day]:
            lake.put(f"_nights/{stage}/{day}.json", switched.to_json().encode())


def _renamed(manifest: Manifest, replaced: dict[str, File]) -> Manifest:
    tables = {
        name: TableVersion(
            tuple(
                replace(replaced[file.path], part=file.part) if file.path in replaced else file for file in table.files
            )
        )
        for name, table in manifest.tables.items()
    }
    return replace(manifest, tables=tables)
