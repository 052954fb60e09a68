"""Which products the clusters of a night know: three hashes each, so that finding the new ones reads no old text.

``known_products`` has a row a product: hashes of its id, of its id with the text as it stands in the clean layer, and
of its cluster's id. The hashes are DuckDB's own, which another version of it may make otherwise; the stage takes the
version as part of its method.
"""

from __future__ import annotations

from collections.abc import Sequence

import duckdb
import pyarrow as pa

from jobs.catalogue.cluster_tables import write
from jobs.lake.lake import Draft
from jobs.tables.catalogue import KNOWN

_SCHEMA = pa.schema([("product", pa.uint64()), ("content", pa.uint64()), ("cluster", pa.uint64())])


def find_fresh(engine: duckdb.DuckDBPyConnection, columns: Sequence[str], text: str) -> int:
    """Make ``fresh``, the products of tonight that are new or have another title; return how many are changed ones.

    One pass over tonight's ids and text, unless text changed: only then titles of the night before are read.

    Args:
        engine: with ``clean``, ``before`` and ``known_products``.
        columns: of the text.
        text: SQL of the title made of them.
    """
    engine.execute(
        f"create or replace temp table fresh as select product_id, {text} as title, content from "
        f"(select product_id, {', '.join(columns)}, {_content(columns)} from clean) "
        "anti join known_products using (content)"
    )
    changed = (
        "select count(*) from known_products semi join (select hash(product_id) as product from fresh) using (product)"
    )
    ((changes,),) = engine.execute(changed).fetchall()
    if changes:  # other blanks, say, but the same title
        engine.execute(
            "delete from fresh using before where before.product_id = fresh.product_id "
            "and before.title is not distinct from fresh.title"
        )
        ((changes,),) = engine.execute(changed).fetchall()
    return int(changes)


def write_known(engine: duckdb.DuckDBPyConnection, draft: Draft, columns: Sequence[str]) -> None:
    """Write ``known_products`` of all products in ``named``."""
    _write(
        engine,
        draft,
        f"select hash(product_id) as product, {_content(columns)}, hash(cluster_id) as cluster "
        "from clean join (select product_id, cluster_id from named) using (product_id)",
    )


def add_known(engine: duckdb.DuckDBPyConnection, draft: Draft) -> None:
    """Add those of ``fresh``, which are all in ``named``."""
    _write(
        engine,
        draft,
        "select hash(product_id) as product, content, hash(cluster_id) as cluster "
        "from fresh join (select product_id, cluster_id from named) using (product_id)",
    )


def _content(columns: Sequence[str]) -> str:
    return f"hash(product_id, {', '.join(columns)}) as content"


def _write(engine: duckdb.DuckDBPyConnection, draft: Draft, query: str) -> None:
    write(engine, draft, KNOWN, query, _SCHEMA, compression="none", use_dictionary=False)  # hashes do not compress
