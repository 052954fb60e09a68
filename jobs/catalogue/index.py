"""The index of the clusters' titles in the lake: sorted Parquet tables, of which a night reads only what it looks up.

Each table is sorted by its first column and lies in small row groups, whose least and greatest value stand in the
file's footer; a look-up opens only the groups that can hold a wanted value. A night adds a file with what it learned.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, replace
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from features.catalogue.assign import BUCKETS, TITLES, TOKENS, WORDS, IndexFacts, bucket_rows, title_rows, word_rows
from features.catalogue.config import CatalogueConfig
from features.catalogue.vocabulary import Vocabulary
from jobs.lake.lake import Draft, Lake
from jobs.lake.manifest import Manifest

SCHEMAS = {"words": WORDS, "tokens": TOKENS, "titles": TITLES, "buckets": BUCKETS}
#: rows of a row group, and titles that are read at once while the index is made
GROUP, BATCH = 50_000, 200_000
#: a night of some new products reads nearly all buckets: differences of ascending hashes take two thirds of the room
#: that zstd needs and a quarter of its time
_OPTIONS: dict[str, dict[str, Any]] = {
    "buckets": {
        "compression": "none",
        "use_dictionary": False,
        "column_encoding": {"bucket": "DELTA_BINARY_PACKED", "row": "PLAIN"},
    }
}


def table(name: str) -> str:
    """Return where the lake has a table of the index."""
    return f"catalogue/index_{name}"


class LakeIndex:
    """The index as a night published it."""

    def __init__(self, lake: Lake, manifest: Manifest) -> None:
        """Open the footers of the index's files."""
        self._files = {
            name: [pq.ParquetFile(f"{lake.base}/{file.path}", filesystem=lake.fs) for file in _files(manifest, name)]
            for name in SCHEMAS
        }

    def find(self, table: str, wanted: np.ndarray) -> pa.Table:
        """Return the rows of ``table`` whose first column is among ``wanted``, which is ascending and distinct."""
        parts = [SCHEMAS[table].empty_table()]
        for file in self._files[table]:
            for number in range(file.num_row_groups):
                sought = _within(file, number, wanted)
                if len(sought):
                    parts.append(_rows_of(file.read_row_group(number), sought))
        return pa.concat_tables(part.cast(SCHEMAS[table]) for part in parts)


def write_index(
    engine: duckdb.DuckDBPyConnection, draft: Draft, words: Vocabulary, config: CatalogueConfig
) -> dict[str, int]:
    """Write the index of the clusters in ``named``, and return its facts; takes some 200 bytes of memory a cluster."""
    query = "from named where is_clusteroid and title is not null"
    shape = config.shape(words.titles)
    for name, part in word_rows(words).items():
        draft.arrow(table(name), _grouped([part], SCHEMAS[name]))
    titles, bands, first = [], [], 0
    for batch in engine.sql(f"select product_id, title {query} order by product_id").fetch_arrow_reader(BATCH):
        rows, keys = title_rows(batch["product_id"], batch["title"], words, config, first, shape)
        titles.append(rows)
        bands.append(keys)
        first += rows.num_rows
    draft.arrow(table("titles"), _grouped(titles, TITLES))
    titles.clear()
    every = np.concatenate(bands) if bands else np.zeros((0, shape[0]), np.uint32)
    draft.arrow(table("buckets"), _grouped(bucket_rows(every, 0), BUCKETS), **_OPTIONS["buckets"])
    return asdict(IndexFacts(words.titles, *shape, first))


def add_to_index(draft: Draft, before: Manifest, additions: dict[str, pa.Table]) -> dict[str, int]:
    """Take over the index of the night before, write what was added to it, and return its facts."""
    facts = IndexFacts(**before.facts["index"])
    for name, schema in SCHEMAS.items():
        draft.carry(table(name), _files(before, name))
        rows = additions.get(name, schema.empty_table())
        if rows.num_rows:
            draft.arrow(table(name), _grouped([rows], schema), **_OPTIONS.get(name, {}))
    return asdict(replace(facts, size=facts.size + (additions["titles"].num_rows if additions else 0)))


def _files(manifest: Manifest, name: str) -> tuple:
    return manifest.tables[table(name)].files


def _within(file: pq.ParquetFile, group: int, wanted: np.ndarray) -> np.ndarray:
    """Return which wanted values a row group can hold by the file's footer."""
    range_of_ids = file.metadata.row_group(group).column(0).statistics
    if range_of_ids is None:
        return wanted
    low = np.searchsorted(wanted, wanted.dtype.type(range_of_ids.min))
    return wanted[low : np.searchsorted(wanted, wanted.dtype.type(range_of_ids.max), side="right")]


def _rows_of(rows: pa.Table, wanted: np.ndarray) -> pa.Table:
    """Return the rows of a row group, which ascend by their first column, that are wanted."""
    values = rows.column(0).to_numpy()
    begin = np.searchsorted(values, wanted.astype(values.dtype))
    sizes = np.searchsorted(values, wanted.astype(values.dtype), side="right") - begin
    ends = np.cumsum(sizes)
    return rows.take(pa.array(np.arange(sizes.sum()) + np.repeat(begin - ends + sizes, sizes)))


def _grouped(tables: Iterator[pa.Table] | list[pa.Table], schema: pa.Schema) -> pa.RecordBatchReader:
    return pa.RecordBatchReader.from_batches(
        schema, (batch for table in tables for batch in table.cast(schema).combine_chunks().to_batches(GROUP))
    )
