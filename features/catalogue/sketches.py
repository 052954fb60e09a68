"""MinHash signatures, their bands, SimHash, and the shingles they are made of.

``Pr[h(A) = h(B)] = J(A, B)`` (Broder 1997). A token may count several times: copies 1..w of it are w elements, so
that J is the weighted Jaccard similarity, and a token that weighs more is drawn more often. A signature of b bands of r
rows makes a pair a candidate with probability ``1 - (1 - J^r)^b`` (Leskovec, Rajaraman and Ullman, ch. 3).

For long texts :func:`one_permutation` needs one hash per element instead of k (Li, Owen and Zhang 2012; densified as
in Shrivastava 2017); :func:`simhash` is Charikar's (2002) for the cosine. n = titles, k = b * r signature length.
"""

from __future__ import annotations

import numba
import numpy as np

from features.catalogue.tokens import mix

_EMPTY = np.uint32(0xFFFFFFFF)
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)


def multipliers(length: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return odd factors and addends of ``length`` hash functions; uint32 each."""
    draws = np.random.default_rng(seed).integers(0, 2**32, size=(2, length), dtype=np.uint32)
    return draws[0] | np.uint32(1), draws[1]


@numba.njit(nogil=True, cache=True, fastmath=True)
def _lower(signature: np.ndarray, value: np.uint32, factors: np.ndarray, addends: np.ndarray) -> None:
    for k in range(len(signature)):
        hashed = np.uint32(value * factors[k] + addends[k])
        signature[k] = min(signature[k], hashed)


@numba.njit(nogil=True, cache=True)
def signatures(
    elements: np.ndarray, offsets: np.ndarray, copies: np.ndarray, factors: np.ndarray, addends: np.ndarray
) -> np.ndarray:
    """Return classic MinHash signatures.

    Args:
        elements: uint64 (t,) hashes.
        offsets: int64 (n + 1,).
        copies: uint8 (t,) how often each counts; 1 for the plain Jaccard similarity.
        factors: uint32 (k,) of :func:`multipliers`.
        addends: uint32 (k,).

    Returns:
        uint32 (n, k); time O(t * k).
    """
    n, length = len(offsets) - 1, len(factors)
    out = np.full((n, length), _EMPTY, np.uint32)
    for doc in range(n):
        for place in range(offsets[doc], offsets[doc + 1]):
            for copy in range(copies[place]):
                value = np.uint32(mix(elements[place] + np.uint64(copy) * _GOLDEN) >> np.uint64(32))
                _lower(out[doc], value, factors, addends)
    return out


@numba.njit(nogil=True, cache=True)
def one_permutation(elements: np.ndarray, offsets: np.ndarray, length: int) -> np.ndarray:
    """Return one-permutation signatures, empty bins filled from bins drawn by hash; uint32 (n, length)."""
    n = len(offsets) - 1
    out = np.full((n, length), _EMPTY, np.uint32)
    for doc in range(n):
        row = out[doc]
        for place in range(offsets[doc], offsets[doc + 1]):
            value = mix(elements[place])
            where = np.int64((value >> np.uint64(32)) % np.uint64(length))
            row[where] = min(row[where], np.uint32(value & np.uint64(0xFFFFFFFE)))
        if offsets[doc] == offsets[doc + 1]:
            continue
        filled = row.copy()
        for k in range(length):
            attempt = np.uint64(1)
            while filled[k] == _EMPTY:
                drawn = mix(np.uint64(k) * _GOLDEN + attempt)
                filled[k] = row[np.int64(drawn % np.uint64(length))]
                attempt += np.uint64(1)
        out[doc] = filled
    return out


@numba.njit(nogil=True, cache=True)
def simhash(elements: np.ndarray, offsets: np.ndarray, weights: np.ndarray, seed: np.uint64) -> np.ndarray:
    """Return 64-bit SimHash fingerprints; bits differ in a share of angle / pi; uint64 (n,)."""
    n = len(offsets) - 1
    out = np.zeros(n, np.uint64)
    for doc in range(n):
        sums = np.zeros(64)
        for place in range(offsets[doc], offsets[doc + 1]):
            value = mix(elements[place] ^ seed)
            for bit in range(64):
                sums[bit] += weights[place] if (value >> np.uint64(bit)) & np.uint64(1) else -weights[place]
        for bit in range(64):
            if sums[bit] > 0:
                out[doc] |= np.uint64(1) << np.uint64(bit)
    return out


@numba.njit(nogil=True, cache=True)
def band_keys(tokens, offsets, element, copies, factors, addends, first_band, bands, rows):  # type: ignore[no-untyped-def]
    """Return keys of ``bands`` bands from ``first_band`` on, without keeping the signatures.

    Args:
        tokens: int32 (t,) rows of the vocabulary.
        offsets: int64 (n + 1,).
        element: uint64 (u,) hashes of the vocabulary.
        copies: uint8 (u,).
        factors: uint32 (all bands * rows,).
        addends: uint32.
        first_band: first band wanted.
        bands: number of bands wanted.
        rows: rows in a band.

    Returns:
        uint32 (n, bands); a title without tokens has keys of its own, which the caller leaves out.
    """
    n = len(offsets) - 1
    wanted, more = (
        factors[first_band * rows : (first_band + bands) * rows],
        addends[first_band * rows : (first_band + bands) * rows],
    )
    out = np.empty((n, bands), np.uint32)
    signature = np.empty(bands * rows, np.uint32)
    for doc in range(n):
        signature[:] = _EMPTY
        for place in range(offsets[doc], offsets[doc + 1]):
            token = tokens[place]
            for copy in range(copies[token]):
                value = np.uint32(mix(element[token] + np.uint64(copy) * _GOLDEN) >> np.uint64(32))
                _lower(signature, value, wanted, more)
        for band in range(bands):
            key = np.uint64(first_band + band)
            for row in range(rows):
                key = mix(key ^ np.uint64(signature[band * rows + row]))
            out[doc, band] = np.uint32(key >> np.uint64(32))
    return out


@numba.njit(nogil=True, cache=True)
def keys_of_bands(signatures: np.ndarray, rows: int) -> np.ndarray:
    """Return one key for each ``rows`` places of signatures uint32 (n, bands * rows); uint32 (n, bands)."""
    n, bands = len(signatures), signatures.shape[1] // rows
    out = np.empty((n, bands), np.uint32)
    for doc in range(n):
        for band in range(bands):
            key = np.uint64(band)
            for row in range(rows):
                key = mix(key ^ np.uint64(signatures[doc, band * rows + row]))
            out[doc, band] = np.uint32(key >> np.uint64(32))
    return out


@numba.njit(nogil=True, cache=True)
def shingles(texts: np.ndarray, offsets: np.ndarray, width: int):  # type: ignore[no-untyped-def]
    """Return the character shingles of each text, padded by a space at both ends; uint64 hashes and int64 offsets."""
    n = len(offsets) - 1
    out_offsets = np.zeros(n + 1, np.int64)
    for doc in range(n):
        out_offsets[doc + 1] = out_offsets[doc] + max(1, offsets[doc + 1] - offsets[doc] + 3 - width)
    out = np.empty(out_offsets[n], np.uint64)
    for doc in range(n):
        start, end = offsets[doc], offsets[doc + 1]
        for number in range(out_offsets[doc + 1] - out_offsets[doc]):
            value = np.uint64(0)
            for place in range(start - 1 + number, start - 1 + number + width):
                symbol = np.uint64(texts[place]) if start <= place < end else np.uint64(32)
                value = value * np.uint64(257) + symbol
            out[out_offsets[doc] + number] = mix(value)
    return out, out_offsets


@numba.njit(nogil=True, cache=True)
def grams_of(tokens, offsets, texts, text_offsets, width):  # type: ignore[no-untyped-def]
    """Return the character shingles of the words of each title; uint64 hashes and int64 offsets.

    Args:
        tokens: int32 (t,) rows of the vocabulary.
        offsets: int64 (n + 1,).
        texts: uint8 letters of the vocabulary's tokens.
        text_offsets: int64 (u + 1,).
        width: letters of a shingle.
    """
    grams, gram_offsets = shingles(texts, text_offsets, width)
    out_offsets = np.zeros(len(offsets), np.int64)
    for doc in range(len(offsets) - 1):
        size = 0
        for place in range(offsets[doc], offsets[doc + 1]):
            size += gram_offsets[tokens[place] + 1] - gram_offsets[tokens[place]]
        out_offsets[doc + 1] = out_offsets[doc] + size
    out = np.empty(out_offsets[-1], np.uint64)
    at = 0
    for place in range(len(tokens)):
        for gram in range(gram_offsets[tokens[place]], gram_offsets[tokens[place] + 1]):
            out[at] = grams[gram]
            at += 1
    return out, out_offsets


@numba.njit(nogil=True, cache=True)
def pairs_of(tokens, offsets, element):  # type: ignore[no-untyped-def]
    """Return all pairs of tokens of each title, in any order (a title of one token has that one); as grams_of."""
    out_offsets = np.zeros(len(offsets), np.int64)
    for doc in range(len(offsets) - 1):
        size = offsets[doc + 1] - offsets[doc]
        out_offsets[doc + 1] = out_offsets[doc] + (size if size < 2 else size * (size - 1) // 2)
    out = np.empty(out_offsets[-1], np.uint64)
    at = 0
    for doc in range(len(offsets) - 1):
        if offsets[doc + 1] - offsets[doc] == 1:
            out[at] = element[tokens[offsets[doc]]]
            at += 1
        for one in range(offsets[doc], offsets[doc + 1]):
            for other in range(one + 1, offsets[doc + 1]):
                out[at] = mix(element[tokens[one]] + mix(element[tokens[other]]))
                at += 1
    return out, out_offsets
