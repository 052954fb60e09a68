"""Nearest records by TF-IDF weighted character n-grams within words, in blocks, so that no n x m matrix is held.

A similarity is the cosine corrected for hubs: twice the cosine, less the mean cosine of either record to its nearest
neighbours (CSLS: Conneau et al. 2018, "Word translation without parallel data"). Values lie in -2..2.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

import numpy as np
from scipy.sparse import csr_matrix
from sklearn.feature_extraction.text import TfidfVectorizer

#: letters of the n-grams
SHORTEST, LONGEST = 3, 5
#: cells of the cosine matrix that are held at once
BLOCK_CELLS = 20_000_000


def normal(text: str) -> str:
    """Lower-case a text, drop accents, and leave letters and digits.

    >>> normal("Ёлка «Café» 1,5 л")
    'елка cafe 1 5 л'
    """
    plain = unicodedata.normalize("NFKD", text.lower().replace("й", "\0"))
    plain = "".join(letter for letter in plain if not unicodedata.combining(letter)).replace("\0", "й")
    return " ".join(re.findall(r"[^\W_]+", plain))


def grams(*sides: Sequence[str]) -> list[csr_matrix]:
    """Return the records of each side as rows of unit length over one vocabulary."""
    texts = [[normal(text) for text in side] for side in sides]
    vectors = TfidfVectorizer(
        analyzer="char_wb", ngram_range=(SHORTEST, LONGEST), sublinear_tf=True, dtype=np.float32
    ).fit([text or "-----" for side in texts for text in side])  # a vocabulary there must be
    return [vectors.transform(side) for side in texts]


def nearest(left: csr_matrix, right: csr_matrix, most: int, apart: bool = True) -> tuple[np.ndarray, np.ndarray]:
    """Return the nearest ``most`` rows of ``right`` for each row of ``left``, the nearest first.

    Args:
        left: rows of unit length.
        right: the same.
        most: neighbours wanted; fewer where ``right`` has fewer.
        apart: the sides are different tables; else they are one, and a row is no neighbour of itself.

    Returns:
        int32 (n, k) rows and float32 (n, k) cosines. Time O(pairs of rows that share an n-gram).
    """
    k = max(1, min(most, right.shape[0] - (not apart)))
    rows, cosines = np.zeros((left.shape[0], k), np.int32), np.zeros((left.shape[0], k), np.float32)
    turned, step = right.T.tocsr(), max(1, BLOCK_CELLS // max(1, right.shape[0]))
    for start in range(0, left.shape[0], step):
        block = (left[start : start + step] @ turned).toarray()
        if not apart:
            block[np.arange(len(block)), np.arange(start, start + len(block))] = -1.0
        best = np.argpartition(-block, k - 1, axis=1)[:, :k]
        values = np.take_along_axis(block, best, axis=1)
        order = np.lexsort((best, -values), axis=1)
        rows[start : start + step] = np.take_along_axis(best, order, axis=1)
        cosines[start : start + step] = np.take_along_axis(values, order, axis=1)
    return rows, cosines


def without_hubs(cosine: np.ndarray, left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Return cosines less the mean cosines to the nearest neighbours of both records."""
    return 2 * cosine - left - right
