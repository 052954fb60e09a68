"""New products join the clusters there are, in time proportional to the new ones.

An index knows of every cluster the title that stands for it: its tokens, and the buckets of its bands. New titles get
the weights of the vocabulary as the last full clustering left it; words that it lacks are counted among the new titles.
A new title is compared with the titles that share a bucket with it, and with the other new ones; then the same star
clusters as in a full clustering say where it belongs, the stored clusters' titles first.

n = new titles, c = stored titles that share a bucket with one of them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from features.catalogue.bands import bands_of
from features.catalogue.clusters import star_clusters
from features.catalogue.config import CatalogueConfig
from features.catalogue.judge_new import judge_pairs, masks_with_new_words
from features.catalogue.links import Titles
from features.catalogue.titles import distinct, links_of, rare_code, specificity_of
from features.catalogue.tokens import WORD, Tokens, tokenize
from features.catalogue.vocabulary import Vocabulary, slots_of, stand_for, stems

#: stored titles of one bucket that a new title is compared with
MOST_OF_A_BUCKET = 1024
WORDS = pa.schema([("name", pa.uint64()), ("key", pa.uint64())])
TOKENS = pa.schema(
    [
        ("key", pa.uint64()), ("count", pa.int32()), ("group", pa.uint8()), ("value", pa.float32()),
        ("weight", pa.float32()), ("text", pa.binary()),
    ]
)  # fmt: skip
TITLES = pa.schema([("row", pa.int64()), ("product_id", pa.string()), ("tokens", pa.list_(pa.uint64()))])
BUCKETS = pa.schema([("bucket", pa.uint64()), ("row", pa.int32())])
_BAND = np.uint64(32)


class Index(Protocol):
    """Looks up rows of the index's tables by their first column; ``wanted`` is ascending and distinct."""

    def find(self, table: str, wanted: np.ndarray) -> pa.Table:
        """Return the rows of ``words``, ``tokens``, ``titles`` or ``buckets`` whose first column is wanted."""
        ...


@dataclass(frozen=True)
class IndexFacts:
    """What holds for the whole index: titles of which its words were counted, bands, their rows, and its size."""

    titles: int
    bands: int
    rows: int
    size: int


@dataclass(frozen=True)
class Assigned:
    """Where n new products belong.

    ``stored`` is the product that stands for the cluster joined, null for a new cluster; ``first`` int64 the row of the
    new product that stands for the new cluster; ``confidence`` float32 and ``flags`` uint8 of the link. ``additions``
    are rows for each table of the index.
    """

    stored: pa.Array
    first: np.ndarray
    confidence: np.ndarray
    flags: np.ndarray
    additions: dict[str, pa.Table]


def word_rows(words: Vocabulary) -> dict[str, pa.Table]:
    """Return a vocabulary as rows of the index's tables ``words`` and ``tokens``, each in its order."""
    texts = pa.Array.from_buffers(
        pa.binary(),
        len(words.keys),
        [None, pa.py_buffer(words.text_offsets.astype(np.int32)), pa.py_buffer(words.texts)],
    )
    columns = [words.keys, words.counts, words.groups, words.values, words.weights]
    return {
        "words": _table(WORDS, words.names, words.keys[words.stands]),
        "tokens": _table(TOKENS, *columns, texts),
    }


def title_rows(
    product_ids: pa.Array,
    given: pa.Array,
    words: Vocabulary,
    config: CatalogueConfig,
    first_row: int,
    shape: tuple[int, int],
) -> tuple[pa.Table, np.ndarray]:
    """Return titles that stand for clusters as rows of ``titles``, and their band keys uint32 (rows, bands).

    Titles that are too light to name a product draw nobody and are left out.
    """
    tokens = tokenize(given)
    stood, offsets = stand_for(tokens.hashes, tokens.offsets, slots_of(words.names), words.names, words.stands)
    titles, row_of = distinct([stood], [np.diff(offsets).astype(np.uint8)], words, config.identifying)
    # several clusters may have one title (they were told apart by hand): all of them are listed
    named = np.flatnonzero(titles.keys[row_of] != 0)
    table = _title_table(titles, words.keys, row_of[named], product_ids.take(pa.array(named)), first_row)
    return table, bands_of(titles, words, config, shape)[row_of[named]]


def bucket_rows(bands: np.ndarray, first_row: int) -> Iterator[pa.Table]:
    """Yield rows of ``buckets`` in their order, band by band."""
    for band in range(bands.shape[1]):
        order = np.argsort(bands[:, band], kind="stable")
        buckets = (np.uint64(band) << _BAND) | bands[order, band].astype(np.uint64)
        yield _table(BUCKETS, buckets, (first_row + order).astype(np.int32))


def assign(
    product_ids: pa.Array, given: pa.Array, index: Index, facts: IndexFacts, config: CatalogueConfig
) -> Assigned:
    """Find the cluster of each new product.

    Args:
        product_ids: of the new products.
        given: their titles, none of them null.
        index: of the clusters there are.
        facts: what holds for it.
        config: the settings the clusters were made with.
    """
    tokens = tokenize(given)
    words, unknown = _stored_words(tokens, index, facts.titles)
    stood, offsets = stand_for(tokens.hashes, tokens.offsets, slots_of(words.names), words.names, words.stands)
    titles, row_of = distinct([stood], [np.diff(offsets).astype(np.uint8)], words, config.identifying)
    bands = bands_of(titles, words, config, (facts.bands, facts.rows))
    pairs = _candidates(bands, titles.keys != 0, index)
    stored = index.find("titles", _ascending(pairs[:, 1]))
    words, titles, known_titles = _together(words, titles, stored, index)
    centre, sure, why = _stars(
        words, unknown[1], titles, known_titles, pairs, stored["row"].to_numpy(), config, (facts.bands, facts.rows)
    )
    return _assigned(product_ids, row_of, titles, stored, centre, sure, why, bands, words, unknown, facts)


def _stored_words(tokens: Tokens, index: Index, titles: int) -> tuple[Vocabulary, tuple[np.ndarray, np.ndarray]]:
    """Return the vocabulary of the new titles, the rows of names and the keys that the index lacks."""
    order = np.argsort(tokens.names)
    names = tokens.names[order]
    stored = index.find("words", names)
    is_known = np.isin(names, stored["name"].to_numpy())
    words = order[~is_known & (tokens.groups[order] == WORD)]
    keys = stems(tokens.texts, tokens.text_offsets, tokens.counts, words, tokens.names)[order]
    keys[is_known] = stored.sort_by("name")["key"].to_numpy()
    unique, stands = np.unique(keys, return_inverse=True)
    table = index.find("tokens", unique).sort_by("key")
    lacking = np.flatnonzero(~np.isin(unique, table["key"].to_numpy()))
    shown = np.empty(len(unique), np.int64)
    shown[stands[::-1]] = order[::-1]
    counts = np.bincount(stands, weights=tokens.counts[order], minlength=len(unique))[lacking].astype(np.int32)
    texts = [bytes(tokens.texts[tokens.text_offsets[row] : tokens.text_offsets[row + 1]]) for row in shown[lacking]]
    fresh = _table(
        TOKENS, unique[lacking], counts, tokens.groups[shown[lacking]],
        tokens.values[shown[lacking]].astype(np.float32),
        np.log1p(titles / np.maximum(counts, 1)).astype(np.float32), pa.array(texts, pa.binary()),
    )  # fmt: skip
    both = _vocabulary(pa.concat_tables([table, fresh]), names, stands, titles)
    return both, (np.flatnonzero(~is_known), unique[lacking])


def _vocabulary(table: pa.Table, names: np.ndarray, stands: np.ndarray, titles: int) -> Vocabulary:
    """Return rows of ``tokens`` as a vocabulary in the order of their keys."""
    table = table.sort_by("key").combine_chunks()
    texts = table["text"].combine_chunks() if table.num_rows else pa.array([], pa.binary())
    offsets = np.frombuffer(texts.buffers()[1], np.int32)[texts.offset : texts.offset + len(texts) + 1]
    data = texts.buffers()[2]
    return Vocabulary(
        names=names,
        stands=stands.astype(np.int32),
        keys=table["key"].to_numpy().copy(),  # copies, since kernels are compiled for arrays that can be written to
        counts=table["count"].to_numpy().copy(),
        groups=table["group"].to_numpy().copy(),
        values=table["value"].to_numpy().copy(),
        weights=table["weight"].to_numpy().copy(),
        texts=np.frombuffer(data, np.uint8).copy() if data else np.zeros(0, np.uint8),
        text_offsets=offsets.astype(np.int64),
        titles=titles,
    )


def _candidates(bands: np.ndarray, named: np.ndarray, index: Index) -> np.ndarray:
    """Return the pairs of a new title and a row of the index that share a bucket; int64 (m, 2), distinct."""
    shifts = np.arange(bands.shape[1], dtype=np.uint64) << _BAND
    wanted = (bands.astype(np.uint64) | shifts)[named].T.reshape(-1)  # band by band, as the index is ordered
    stored = index.find("buckets", _ascending(wanted))
    order = np.argsort(stored["bucket"].to_numpy(), kind="stable")  # of one bucket the older rows are found first
    buckets, rows = stored["bucket"].to_numpy()[order], stored["row"].to_numpy()[order]
    begin = np.searchsorted(buckets, wanted)
    sizes = np.minimum(np.searchsorted(buckets, wanted, side="right") - begin, MOST_OF_A_BUCKET)
    title = np.repeat(np.tile(np.flatnonzero(named), bands.shape[1]), sizes)
    place = np.arange(sizes.sum()) - np.repeat(np.cumsum(sizes) - sizes, sizes) + np.repeat(begin, sizes)
    both = _ascending(title * (np.int64(1) << 40) + rows[place])
    return np.stack([both >> 40, both & ((np.int64(1) << 40) - 1)], axis=1)


def _ascending(values: np.ndarray) -> np.ndarray:
    """Return the distinct values in their order; for whole numbers several times faster than NumPy's ``unique``."""
    ordered = np.sort(values)
    return ordered[np.concatenate([[True], ordered[1:] != ordered[:-1]])[: len(ordered)]]


def _together(
    words: Vocabulary, titles: Titles, stored: pa.Table, index: Index
) -> tuple[Vocabulary, Titles, tuple[np.ndarray, np.ndarray]]:
    """Write new and stored titles in one vocabulary; the stored ones as tokens and offsets."""
    lists = stored["tokens"].combine_chunks()
    encoded = pc.list_flatten(lists).dictionary_encode()  # few tokens, many times each
    keys = encoded.dictionary.to_numpy()
    offsets = np.concatenate([[0], np.cumsum(pc.list_value_length(lists).to_numpy())]).astype(np.int64)
    more = np.setdiff1d(keys, words.keys)
    table = pa.concat_tables([word_rows(words)["tokens"], index.find("tokens", more)])
    both = _vocabulary(table, words.names, words.stands, words.titles)
    place = np.searchsorted(both.keys, words.keys).astype(np.int32)
    both = replace(both, stands=place[words.stands])
    moved = replace(titles, tokens=place[titles.tokens])
    return both, moved, (np.searchsorted(both.keys, keys).astype(np.int32)[encoded.indices.to_numpy()], offsets)


def _stars(
    words: Vocabulary, lacking: np.ndarray, titles: Titles, stored: tuple[np.ndarray, np.ndarray], pairs: np.ndarray,
    rows: np.ndarray, config: CatalogueConfig, shape: tuple[int, int],
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:  # fmt: skip
    """Cluster the stored titles (nodes 0..c, each a centre) and the new ones (the nodes after)."""
    c, n = len(rows), len(titles.keys)
    tokens = np.concatenate([stored[0], titles.tokens])
    offsets = np.concatenate([stored[1], stored[1][-1] + titles.offsets[1:]])
    node = np.empty(rows.max(initial=0) + 1, np.int32)
    node[rows] = np.arange(c)
    nodes = np.stack([node[pairs[:, 1]], c + pairs[:, 0].astype(np.int32)], axis=1)
    known_words = (words.groups, words.values, words.weights, words.texts, words.text_offsets)
    masks = masks_with_new_words(tokens, offsets, words, lacking)
    scores, flags = judge_pairs(tokens, offsets, nodes, masks, words.counts, *known_words, rare_code(words.titles))
    linked = scores >= config.threshold
    among, scores_among, flags_among = links_of(
        titles, words, replace(config, target=None, bands=shape[0], rows=shape[1])
    )
    fresh = specificity_of(titles, words)
    order = np.concatenate([np.arange(c), c + np.argsort(-fresh, kind="stable")])
    centre, sure, why = star_clusters(
        c + n, np.concatenate([nodes[linked], among + np.int32(c)]), np.concatenate([scores[linked], scores_among]),
        np.concatenate([flags[linked], flags_among]), order, config.margin,
    )  # fmt: skip
    return centre[c:] - np.int32(c), np.minimum(sure[c:], 1), why[c:]


def _assigned(
    product_ids: pa.Array, row_of: np.ndarray, titles: Titles, stored: pa.Table, centre: np.ndarray, sure: np.ndarray,
    why: np.ndarray, bands: np.ndarray, words: Vocabulary, unknown: tuple[np.ndarray, np.ndarray], facts: IndexFacts,
) -> Assigned:  # fmt: skip
    """Say it for every product, and write down what the index has to learn."""
    n, c = len(titles.keys), stored.num_rows
    least = np.full(n, len(row_of), np.int64)  # of several products with one title the first stands for it
    np.minimum.at(least, row_of, np.arange(len(row_of)))
    joins = centre[row_of] < 0
    first = np.where(titles.keys[row_of] == 0, np.arange(len(row_of)), least[np.maximum(centre[row_of], 0)])
    product = stored["product_id"].combine_chunks().take(pa.array(np.where(joins, centre[row_of] + c, 0), mask=~joins))
    founders = np.flatnonzero((centre == np.arange(n)) & (titles.keys != 0))
    table = _title_table(titles, words.keys, founders, product_ids.take(pa.array(least[founders])), facts.size)
    every = word_rows(words)
    additions = {
        "words": every["words"].take(pa.array(unknown[0])),
        "tokens": every["tokens"].filter(pa.array(np.isin(words.keys, unknown[1]))),
        "titles": table,
        "buckets": pa.concat_tables(bucket_rows(bands[founders], facts.size)).sort_by("bucket"),
    }
    return Assigned(product, first, sure[row_of], why[row_of], additions)


def _title_table(titles: Titles, keys: np.ndarray, rows: np.ndarray, product_ids: pa.Array, first: int) -> pa.Table:
    """Return ``rows`` of titles as rows of the index's table."""
    sizes = (titles.offsets[rows + 1] - titles.offsets[rows]).astype(np.int64)
    ends = np.concatenate([[0], np.cumsum(sizes)])
    places = np.repeat(titles.offsets[rows] - ends[:-1], sizes) + np.arange(ends[-1])
    lists = pa.ListArray.from_arrays(pa.array(ends.astype(np.int32)), pa.array(keys[titles.tokens[places]]))
    return _table(TITLES, np.arange(first, first + len(rows)), product_ids, lists)


def _table(schema: pa.Schema, *columns: np.ndarray | pa.Array) -> pa.Table:
    return pa.Table.from_arrays([pa.array(column) for column in columns], schema=schema)
