"""Records of one table, or of two that are put one below the other, made ready for comparison.

n = records, m = pairs of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow as pa
from scipy.sparse import csr_matrix

from features.catalogue.tokens import tokenize
from features.catalogue.vocabulary import Vocabulary, slots_of, stand_for, vocabulary
from features.matching.columns import IDENTIFIERS, LEFT_OUT, Kind, kinds_of
from features.matching.embedded import with_embedded
from features.matching.neighbours import cosines_of, grams, nearest, normal

#: neighbours of a record that may be one with it, and of those whose mean cosine corrects for hubs
NEIGHBOURS, HUB = 20, 5
#: records that share an identifier may be one, unless so many have it
SHARED_BY = 30
_WORDY = (Kind.NAME, Kind.TITLE, Kind.ADDRESS, Kind.CATEGORY, Kind.DESCRIPTION)


@dataclass(frozen=True)
class Words:
    """Tokens of each record: int32 rows of the vocabulary with int64 offsets (n + 1,)."""

    tokens: np.ndarray
    offsets: np.ndarray
    vocabulary: Vocabulary


@dataclass(frozen=True)
class Records:
    """Records made ready.

    Attributes:
        table: the compared columns as normal strings, "" where missing.
        kinds: kind of each of them.
        split: rows of the left table; all of them where there is one table.
        vectors: n-grams of the whole texts.
        title: words of what names the thing, the first column of titles, else all names.
        words: words of all the texts.
    """

    table: pd.DataFrame
    kinds: dict[str, Kind]
    split: int
    vectors: csr_matrix
    title: Words
    words: Words

    @property
    def two(self) -> bool:
        """Whether there are two tables."""
        return self.split < len(self.table)


def prepare(table: pd.DataFrame, split: int | None = None, kinds: dict[str, Kind] | None = None) -> Records:
    """Make records ready.

    Args:
        table: strings, "" where missing.
        split: rows of the left table; None: there is one.
        kinds: kind of each column, where they are known.
    """
    opened = with_embedded(table)
    kinds = kinds_of(opened) | (kinds or {})
    compared = {name: kind for name, kind in kinds.items() if kind not in LEFT_OUT} or kinds
    normalised = pd.DataFrame({name: normalised_column(opened[name], kind) for name, kind in compared.items()})
    order = sorted(compared, key=lambda name: compared[name] != Kind.TITLE)
    texts = _joined(normalised[order])
    titles = [name for name in compared if compared[name] == Kind.TITLE][:1]
    titles = titles or [name for name in compared if compared[name] in _WORDY] or list(compared)
    wordy = [name for name in order if compared[name] in _WORDY] or list(compared)
    raw = opened.astype(str)
    return Records(
        normalised,
        compared,
        len(table) if split is None else split,
        grams(texts),
        _words(_joined(raw[titles])),
        _words(_joined(raw[wordy])),
    )


def normalised_column(column: pd.Series, kind: Kind) -> pd.Series:
    """Return a column's values as they are compared: digits of phones, lower-case e-mails, normal words."""
    if kind == Kind.PHONE:
        return column.str.replace(r"\D", "", regex=True).str[-10:]
    if kind == Kind.EMAIL:
        return column.str.strip().str.lower()
    if kind == Kind.CODE:
        return column.str.lower().str.replace(r"[\W_]", "", regex=True)
    return column.map(normal)


def _joined(table: pd.DataFrame) -> list[str]:
    """Return each row's values as one text."""
    first, *rest = (table[name].astype(str) for name in table.columns)
    return first.str.cat(rest, sep=" ").tolist() if rest else first.tolist()


def _words(texts: Sequence[str]) -> Words:
    tokens = tokenize(pa.array(texts, pa.string()))
    words = vocabulary([tokens], len(texts))
    stood, offsets = stand_for(tokens.hashes, tokens.offsets, slots_of(words.names), words.names, words.stands)
    return Words(stood, offsets, words)


@dataclass(frozen=True)
class Candidates:
    """Pairs of records that may be one: int64 (m, 2), the first lower or of the left table, in order.

    ``cosine`` float32 (m,); ``density`` float32 (n,) mean cosine of each record to its nearest.
    """

    pairs: np.ndarray
    cosine: np.ndarray
    density: np.ndarray


def candidates(records: Records) -> Candidates:
    """Return the pairs of records that are near by their texts, or share an identifier or a rare code."""
    n, split, vectors = len(records.table), records.split, records.vectors
    if records.two:
        there, _ = nearest(vectors[:split], vectors[split:], NEIGHBOURS)
        back, _ = nearest(vectors[split:], vectors[:split], NEIGHBOURS)
        near = [_listed(there, 0, split), _listed(back, split, 0)]
    else:
        near = [_listed(nearest(vectors, vectors, NEIGHBOURS, apart=False)[0], 0, 0)]
    near += [_sharing(records.table[name]) for name, kind in records.kinds.items() if kind in IDENTIFIERS]
    listed = np.concatenate(near)
    low, high = listed.min(axis=1), listed.max(axis=1)
    allowed = low != high
    if records.two:
        allowed &= (low < split) & (high >= split)
    keys = np.unique(low[allowed] * n + high[allowed])
    pairs = np.stack([keys // n, keys % n], axis=1)
    cosine = cosines_of(vectors.indptr, vectors.indices, vectors.data, pairs)
    return _with_density(pairs, cosine, n)


def _listed(neighbours: np.ndarray, first: int, second: int) -> np.ndarray:
    rows = np.repeat(np.arange(len(neighbours), dtype=np.int64), neighbours.shape[1])
    neighbour_rows = neighbours.reshape(-1).astype(np.int64)
    there = neighbour_rows >= 0
    return np.stack([rows[there] + first, neighbour_rows[there] + second], axis=1)


def _sharing(column: pd.Series) -> np.ndarray:
    """Return the pairs of rows with an equal value that at most ``SHARED_BY`` have; int64 (p, 2)."""
    codes, _ = pd.factorize(column.where(column != ""), use_na_sentinel=True)
    order = np.argsort(codes, kind="stable")
    order = order[codes[order] >= 0]
    sorted_codes, pairs = codes[order], []
    sizes = np.bincount(sorted_codes, minlength=1)[sorted_codes] if len(order) else np.zeros(0, np.int64)
    order, sorted_codes = order[sizes <= SHARED_BY], sorted_codes[sizes <= SHARED_BY]
    for step in range(1, SHARED_BY):
        same = sorted_codes[step:] == sorted_codes[:-step]
        if not same.any():
            break
        pairs.append(np.stack([order[:-step][same], order[step:][same]], axis=1))
    return np.concatenate(pairs).astype(np.int64) if pairs else np.zeros((0, 2), np.int64)


def _with_density(pairs: np.ndarray, cosine: np.ndarray, n: int) -> Candidates:
    """Return the candidates with the density around each record."""
    both = np.concatenate([pairs[:, 0], pairs[:, 1]])
    twice = np.concatenate([cosine, cosine])
    order = np.lexsort((-twice, both))
    rows = both[order]
    near = order[np.arange(len(rows)) - np.searchsorted(rows, rows) < HUB]
    sums = np.bincount(both[near], weights=twice[near], minlength=n)
    counts = np.bincount(both[near], minlength=n)
    density = (sums / np.maximum(counts, 1)).astype(np.float32)
    return Candidates(pairs, cosine, density)
