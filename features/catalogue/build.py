"""Clusters of a whole catalogue in Spark: titles in, one cluster per product out.

Four steps, each a compiled kernel over blocks of some hundred thousand titles, so that Spark moves few, large rows:

1. tokens, where the titles lie: one task a partition;
2. the vocabulary, one task: it grows with the words, not with the titles;
3. links: every task holds the distinct titles' tokens and compares those that share one of *its* bands. A large bucket
   costs no more than a small one (:mod:`features.catalogue.links`), so no task waits for a skewed one;
4. clusters around centres, one task over links, then back to the products' blocks.

Memory of a task of step 3: some 90 bytes a distinct title plus 4 for each of its bands. Nothing but the vocabulary is
collected. The result does not depend on order, partitions or number of tasks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from features.catalogue.clusters import star_clusters
from features.catalogue.config import CatalogueConfig
from features.catalogue.titles import distinct, links_of, specificity_of
from features.catalogue.tokens import Tokens, mix_all, tokenize
from features.catalogue.vocabulary import Vocabulary, slots_of, stand_for, vocabulary

if TYPE_CHECKING:
    from pyspark.broadcast import Broadcast
    from pyspark.sql import DataFrame

#: one row per product; ``cluster`` is the key of the centre's title
CLUSTERS = "product_id string, cluster long, is_clusteroid boolean, confidence float, flags short"
_TOKENS = ("hashes", "lengths")
_VOCABULARY = ("names", "counts", "groups", "values", "texts", "text_lengths")
_TYPES = {
    "hashes": np.uint64, "lengths": np.uint8, "names": np.uint64, "counts": np.int32, "groups": np.uint8,
    "values": np.float64, "texts": np.uint8, "text_lengths": np.uint8, "rows": np.int32, "ids": np.uint64,
    "keys": np.uint64, "specific": np.float32, "pairs": np.int32, "scores": np.float32, "flags": np.uint8,
    "centre": np.int64, "first": np.bool_,
}  # fmt: skip


def product_clusters(titles: DataFrame, config: CatalogueConfig) -> tuple[DataFrame, Vocabulary]:
    """Cluster a catalogue.

    Args:
        titles: ``product_id`` string, unique, and ``title`` string.
        config: settings.

    Returns:
        :data:`CLUSTERS`, one row per product (a product without a title is a cluster of its own), and the vocabulary.

    Raises:
        ValueError: a column is missing.
    """
    missing = [name for name in ("product_id", "title") if name not in titles.columns]
    if missing:
        raise ValueError(f"missing column(s) {missing}; have {titles.columns}")
    from pyspark import StorageLevel
    from pyspark.sql import functions as F

    spark = titles.sparkSession
    tasks = config.tasks or max(1, min(8, spark.sparkContext.defaultParallelism))
    blocks = titles.select(F.col("product_id").cast("string"), "title").mapInArrow(
        _tokens(config.block), _schema(("part", "product_ids", "ids", *_TOKENS, *_VOCABULARY))
    )
    blocks = blocks.persist(StorageLevel.DISK_ONLY)
    vocabulary = _collected_vocabulary(blocks)
    words = spark.sparkContext.broadcast(vocabulary)
    shared = blocks.select("part", "ids", *_TOKENS).withColumn(
        "task", F.explode(F.array([F.lit(task) for task in range(tasks)]))
    )
    linked = shared.repartitionById(tasks, F.col("task").cast("int")).mapInArrow(
        _links(config, tasks, words), _schema(("part", "rows", "ids", "keys", "specific", "pairs", "scores", "flags"))
    )
    clustered = linked.repartitionById(1, F.lit(0)).mapInArrow(
        _stars(config), _schema(("part", "centre", "scores", "flags", "first"))
    )
    clusters = blocks.select("part", "product_ids").join(clustered, "part").mapInArrow(_rows, CLUSTERS)
    return clusters, vocabulary


def _schema(columns: tuple[str, ...]) -> str:
    return ", ".join(f"{name} {'long' if name == 'part' else 'binary'}" for name in columns)


def _row(**cells: Any) -> pa.RecordBatch:
    """Return one row of a number and packed arrays."""
    arrays = [
        pa.array(
            [cell if isinstance(cell, int | bytes) else _packed(cell)], pa.int64() if name == "part" else pa.binary()
        )
        for name, cell in cells.items()
    ]
    return pa.RecordBatch.from_arrays(arrays, names=list(cells))


def _packed(cell: np.ndarray | None) -> pa.Buffer | None:
    return None if cell is None else memoryview(np.ascontiguousarray(cell).view(np.uint8).reshape(-1))


def _cells(batches: Iterator[pa.RecordBatch]) -> Iterator[dict[str, Any]]:
    """Yield every row as a dictionary of arrays."""
    for batch in batches:
        for row in range(batch.num_rows):
            cells: dict[str, Any] = {}
            for name, column in zip(batch.schema.names, batch.columns, strict=True):
                if name in _TYPES:
                    buffer = column[row].as_buffer()
                    cells[name] = None if buffer is None else np.frombuffer(buffer, _TYPES[name]).copy()
                else:
                    cells[name] = column[row].as_buffer() if pa.types.is_binary(column.type) else column[row].as_py()
            yield cells


def _tokens(block: int) -> Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    """Step 1: blocks of ``block`` titles as tokens."""

    def run(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        held: list[pa.RecordBatch] = []
        for batch in batches:
            held.append(batch)
            if sum(batch.num_rows for batch in held) >= block:
                yield _block(held)
                held = []
        if held:
            yield _block(held)

    return run


def _block(held: list[pa.RecordBatch]) -> pa.RecordBatch:
    """Pack a block; its first product names it, whatever number Spark gives the partition."""
    table = pa.Table.from_batches(held).combine_chunks()
    ids = table["product_id"].combine_chunks()
    hashed = hashed_ids(ids)
    tokens = tokenize(table["title"].combine_chunks())
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, pa.schema([("product_id", pa.string())])) as writer:
        writer.write_batch(pa.RecordBatch.from_arrays([ids.cast(pa.string())], names=["product_id"]))
    return _row(
        part=int(hashed[0] >> np.uint64(1)),  # negative numbers are other rows than blocks
        product_ids=sink.getvalue().to_pybytes(),
        ids=hashed,
        hashes=tokens.hashes,
        lengths=np.diff(tokens.offsets).astype(np.uint8),
        **{name: getattr(tokens, name) for name in _VOCABULARY[:-1]},
        text_lengths=np.diff(tokens.text_offsets).astype(np.uint8),
    )


def hashed_ids(ids: pa.Array) -> np.ndarray:
    """Return one hash per product id, to choose among equals without regard to their order; uint64 (n,)."""
    texts = ids.cast(pa.string())
    offsets = np.frombuffer(texts.buffers()[1], np.int32)[texts.offset : texts.offset + len(texts) + 1]
    data = texts.buffers()[2]
    return mix_all(np.frombuffer(data, np.uint8) if data else np.zeros(0, np.uint8), offsets.astype(np.int64))


def _collected_vocabulary(blocks: DataFrame) -> Vocabulary:
    """Step 2: merge the blocks' words in one task."""
    from pyspark.sql import functions as F

    names = ("names", "stands", "keys", "counts", "groups", "values", "weights", "texts", "text_offsets")
    types = (np.uint64, np.int32, np.uint64, np.int32, np.uint8, np.float32, np.float32, np.uint8, np.int64)

    def run(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        parts, titles = [], 0
        for cells in _cells(batches):
            none = np.zeros(0, np.uint64)
            offsets = np.concatenate([[0], np.cumsum(cells["text_lengths"], dtype=np.int64)])
            given = {name: cells[name] for name in _VOCABULARY[:-1]}
            parts.append(Tokens(hashes=none, offsets=none, text_offsets=offsets, **given))
            titles += len(cells["lengths"])
        merged = vocabulary(parts, titles)
        yield _row(part=titles, **{name: getattr(merged, name) for name in names})

    collected = blocks.select("part", "lengths", *_VOCABULARY).repartitionById(1, F.lit(0))
    row = collected.mapInArrow(run, _schema(("part", *names))).collect()[0]
    arrays = {name: np.frombuffer(row[name], kind).copy() for name, kind in zip(names, types, strict=True)}
    return Vocabulary(**arrays, titles=row["part"])


def _links(config: CatalogueConfig, tasks: int, words: Broadcast[Vocabulary]) -> Callable:
    """Step 3: links found by one task's bands; the first task also says which title each product has."""

    def run(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        vocabulary, task, parts, ids, tokens, lengths = words.value, 0, [], [], [], []
        slots = slots_of(vocabulary.names)
        for cells in _cells(batches):
            task = cells["task"]  # Spark's own number of the partition is another one after a union
            offsets = np.concatenate([[0], np.cumsum(cells["lengths"], dtype=np.int64)])
            stood, stood_offsets = stand_for(cells["hashes"], offsets, slots, vocabulary.names, vocabulary.stands)
            parts.append(cells["part"])
            ids.append(cells["ids"].copy())
            tokens.append(stood)
            lengths.append(np.diff(stood_offsets).astype(np.uint8))
        if not parts:
            return
        titles, rows = distinct(tokens, lengths, vocabulary, config.identifying)
        ends = np.cumsum([len(length) for length in lengths])
        tokens.clear()
        lengths.clear()
        nothing = dict.fromkeys(("rows", "ids", "keys", "specific", "pairs", "scores", "flags"))
        if task == 0:
            yield _row(part=-1, **{**nothing, "keys": titles.keys, "specific": specificity_of(titles, vocabulary)})
            for part, hashed, mine in zip(parts, ids, np.split(rows, ends[:-1]), strict=True):
                yield _row(part=part, **{**nothing, "rows": mine, "ids": hashed})
        del rows, ids
        pairs, scores, flags = links_of(titles, vocabulary, config, task, tasks)
        for start in range(0, max(1, len(pairs)), 8_000_000):
            piece = slice(start, start + 8_000_000)
            yield _row(part=-2, **{**nothing, "pairs": pairs[piece], "scores": scores[piece], "flags": flags[piece]})

    return run


def _stars(config: CatalogueConfig) -> Callable:
    """Step 4: clusters of titles, written back into the blocks of products."""

    def run(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        parts: list[dict[str, Any]] = []
        links: list[dict[str, Any]] = []
        keys = specific = np.zeros(0)
        for cells in _cells(batches):
            held = {name: np.array(cell) if isinstance(cell, np.ndarray) else cell for name, cell in cells.items()}
            if held["part"] == -1:
                keys, specific = held["keys"], held["specific"]
            elif held["part"] == -2:
                links.append(held)
            else:
                parts.append(held)
        if not parts:
            return
        pairs = np.concatenate([link["pairs"] for link in links]).reshape(-1, 2)
        scores = np.concatenate([link["scores"] for link in links])
        flags = np.concatenate([link["flags"] for link in links])
        links.clear()
        order = np.argsort(-specific, kind="stable")
        centre, sure, why = star_clusters(len(keys), pairs, scores, flags, order, config.margin)
        yield from _written(parts, keys, centre, sure, why)

    return run


def _written(
    parts: list[dict[str, Any]], keys: np.ndarray, centre: np.ndarray, sure: np.ndarray, why: np.ndarray
) -> Iterator[pa.RecordBatch]:
    """Yield each block's clusters; of several products with the centre's title the least hashed id is clusteroid."""
    least = np.full(len(keys), np.iinfo(np.uint64).max, np.uint64)
    for cells in parts:
        np.minimum.at(least, cells["rows"], cells["ids"])
    for cells in parts:
        rows, ids = cells["rows"], cells["ids"]
        cluster = keys[centre[rows]]
        first = (centre[rows] == rows) & (least[rows] == ids)
        empty = keys[rows] == 0
        cluster = np.where(empty, ids, cluster)  # without a title nothing is known to be the same
        yield _row(
            part=cells["part"],
            centre=cluster.view(np.int64),
            scores=sure[rows],
            flags=why[rows],
            first=first | empty,
        )


def _rows(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Turn blocks back into one row per product."""
    for batch in batches:
        for cells in _cells(iter([batch])):
            ids = pa.ipc.open_stream(cells["product_ids"]).read_all()["product_id"].combine_chunks()
            yield pa.RecordBatch.from_arrays(
                [
                    ids,
                    pa.array(cells["centre"]),
                    pa.array(cells["first"]),
                    pa.array(cells["scores"]),
                    pa.array(cells["flags"].astype(np.int16)),
                ],
                names=["product_id", "cluster", "is_clusteroid", "confidence", "flags"],
            )
