"""Nearest records by TF-IDF weighted character n-grams within words.

The n-grams of a record are looked up from the rarest on until :data:`BUDGET` records have been touched, so that time is
linear in the records whatever their number; small tables are compared in full.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

import numba
import numpy as np
from scipy.sparse import csr_matrix
from sklearn.feature_extraction.text import TfidfVectorizer

#: letters of the n-grams
SHORTEST, LONGEST = 3, 5
#: cosines closer than this are taken as equal: float32 sums differ by less from one processor to another
EVEN = 1e-5
#: records that are touched for one record, and records of which the exact cosine is taken for each neighbour wanted
BUDGET, RESCORED = 8_000, 4


def normal(text: str) -> str:
    """Lower-case a text, drop accents, and leave letters and digits.

    >>> normal("Ёлка «Café» 1,5 л")
    'елка cafe 1 5 л'
    """
    plain = unicodedata.normalize("NFKD", text.lower().replace("й", "\0"))
    plain = "".join(letter for letter in plain if not unicodedata.combining(letter)).replace("\0", "й")
    return " ".join(re.findall(r"[^\W_]+", plain))


def grams(texts: Sequence[str]) -> csr_matrix:
    """Return normal texts as rows of unit length; the columns stand from the rarest n-gram to the most frequent."""
    vectors = TfidfVectorizer(
        analyzer="char_wb", ngram_range=(SHORTEST, LONGEST), sublinear_tf=True, dtype=np.float32
    ).fit_transform([text or "-----" for text in texts])  # a vocabulary there must be
    order = np.argsort(np.bincount(vectors.indices, minlength=vectors.shape[1]), kind="stable")
    place = np.empty(len(order), np.int32)
    place[order] = np.arange(len(order), dtype=np.int32)
    vectors = csr_matrix((vectors.data, place[vectors.indices], vectors.indptr), shape=vectors.shape)
    vectors.sort_indices()
    return vectors


def nearest(left: csr_matrix, right: csr_matrix, most: int, apart: bool = True) -> tuple[np.ndarray, np.ndarray]:
    """Return the nearest ``most`` rows of ``right`` for each row of ``left``, the nearest first.

    Args:
        left: rows of unit length of :func:`grams`.
        right: the same, over the same columns.
        most: neighbours wanted.
        apart: the sides are different tables; else they are one, and a row is no neighbour of itself.

    Returns:
        int32 (n, most) rows, -1 where there are fewer neighbours, and float32 (n, most) cosines. Time O(n).
    """
    turned = right.tocsc()
    return _nearest(
        left.indptr, left.indices, left.data, turned.indptr, turned.indices, turned.data, right.indptr, right.indices,
        right.data, most, not apart, BUDGET,
    )  # fmt: skip


@numba.njit(nogil=True, cache=True)
def _best(scores, rows, most):  # type: ignore[no-untyped-def]
    """Return the places of the ``most`` highest scores, the highest first, even ones by row."""
    places = np.arange(len(scores))
    if len(scores) > most:
        least = np.partition(scores, len(scores) - most)[len(scores) - most]
        places = places[scores >= least - np.float32(2 * EVEN)]
    by_row = places[np.argsort(rows[places])]
    steps = np.empty(len(by_row), np.int64)
    for place in range(len(by_row)):
        steps[place] = -int(scores[by_row[place]] / EVEN + 0.5)
    return by_row[np.argsort(steps, kind="mergesort")][:most]


@numba.njit(nogil=True, cache=True)
def _nearest(starts, columns, values, ends, rows, weights, r_starts, r_columns, r_values, most, same, budget):  # type: ignore[no-untyped-def]
    n, m = len(starts) - 1, len(r_starts) - 1
    out, cosines = np.full((n, most), -1, np.int32), np.zeros((n, most), np.float32)
    sums, dense = np.zeros(m, np.float32), np.zeros(len(ends) - 1, np.float32)
    touched = np.empty(m, np.int32)
    for row in range(n):
        count = used = 0
        last = starts[row + 1]
        for place in range(starts[row], starts[row + 1]):
            column = columns[place]
            used += ends[column + 1] - ends[column]
            if used > budget and place > starts[row]:
                last = place
                break
            for entry in range(ends[column], ends[column + 1]):
                other = rows[entry]
                if sums[other] == 0.0:
                    touched[count] = other
                    count += 1
                sums[other] += values[place] * weights[entry]
        if same and sums[row] > 0.0:
            sums[row] = -1.0
        scores = sums[touched[:count]]
        kept = touched[:count]
        if last < starts[row + 1]:
            if count > most * RESCORED:
                kept = kept[_best(scores, kept, most * RESCORED)]
            for place in range(starts[row], starts[row + 1]):
                dense[columns[place]] = values[place]
            scores = np.empty(len(kept), np.float32)
            for i in range(len(kept)):
                total = np.float32(0.0)
                for place in range(r_starts[kept[i]], r_starts[kept[i] + 1]):
                    total += dense[r_columns[place]] * r_values[place]
                scores[i] = -1.0 if same and kept[i] == row else total
            for place in range(starts[row], starts[row + 1]):
                dense[columns[place]] = 0.0
        order = _best(scores, kept, most)
        for i in range(len(order)):
            if scores[order[i]] > 0.0:
                out[row, i], cosines[row, i] = kept[order[i]], scores[order[i]]
        for i in range(count):
            sums[touched[i]] = 0.0
    return out, cosines


@numba.njit(nogil=True, cache=True)
def cosines_of(starts: np.ndarray, columns: np.ndarray, values: np.ndarray, pairs: np.ndarray) -> np.ndarray:
    """Return the cosines of pairs of rows of one matrix in CSR form, columns ascending; float32 (m,)."""
    out = np.zeros(len(pairs), np.float32)
    for row in range(len(pairs)):
        i, j = starts[pairs[row, 0]], starts[pairs[row, 1]]
        while i < starts[pairs[row, 0] + 1] and j < starts[pairs[row, 1] + 1]:
            if columns[i] == columns[j]:
                out[row] += values[i] * values[j]
                i += 1
                j += 1
            elif columns[i] < columns[j]:
                i += 1
            else:
                j += 1
    return out
