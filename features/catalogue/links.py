"""Links between titles of one catalogue: buckets of bands, compared within.

n = distinct titles (after words, spelling and units are normalised), in the order of their keys, so that nothing
depends on the order of the input. A bucket costs at most ``WINDOW`` comparisons a title, whatever its size: a larger
one is first ordered by numbers and codes, so that titles that may be one product stand side by side.
"""

from __future__ import annotations

import numba
import numpy as np

from features.catalogue.alphabet import CYRILLIC
from features.catalogue.judge import judge
from features.catalogue.tokens import MODEL, mix

WINDOW = 256
_WORD, _NUMBER, _CODE = 0, 1, 2
#: letters that two long forms of a stem have in common at least
_STEM = 5


@numba.njit(nogil=True, cache=True)
def keys_of(tokens: np.ndarray, offsets: np.ndarray, element: np.ndarray) -> np.ndarray:
    """Return one key per title, equal for equal sets of tokens; 0 for a title without any; uint64 (n,)."""
    out = np.zeros(len(offsets) - 1, np.uint64)
    for doc in range(len(out)):
        value = np.uint64(0)
        for place in range(offsets[doc], offsets[doc + 1]):
            value += mix(element[tokens[place]] + np.uint64(1))  # a sum: the order of tokens does not matter
        out[doc] = mix(value) if offsets[doc + 1] > offsets[doc] else np.uint64(0)
    return out


@numba.njit(nogil=True, cache=True)
def masks_of(tokens, offsets, element, counts, groups, values, texts, text_offsets):  # type: ignore[no-untyped-def]
    """Return 64-bit Bloom masks of what no other writing stands for; uint64 (n, 3).

    The first of model codes; the second of numbers and quantities by their value as written; the third of words that
    are no misspelling, those that inflect within by their first letters. See :func:`~features.catalogue.judge.judge`.
    """
    out = np.zeros((len(offsets) - 1, 3), np.uint64)
    for doc in range(len(out)):
        for place in range(offsets[doc], offsets[doc + 1]):
            token = tokens[place]
            if groups[token] == _CODE:
                out[doc, 0] |= np.uint64(1) << (mix(element[token]) >> np.uint64(58))
            elif groups[token] == _NUMBER or _CODE < groups[token] < MODEL:
                value = np.uint64(np.int64(values[token] * 1000.0 + 0.5))
                out[doc, 1] |= np.uint64(1) << (mix(value + np.uint64(1)) >> np.uint64(58))
            elif groups[token] == _WORD and counts[token] > 1:
                begin, end = text_offsets[token], text_offsets[token + 1]
                value = element[token]
                if end - begin >= _STEM and texts[begin] >= CYRILLIC:
                    value = np.uint64(0)
                    for letter in range(begin, begin + _STEM):
                        value = value * np.uint64(257) + np.uint64(texts[letter])
                out[doc, 2] |= np.uint64(1) << (mix(value) >> np.uint64(58))
    return out


@numba.njit(nogil=True, cache=True, inline="always")
def _may_match(code, numbers, words, other_code, other_numbers, other_words):  # type: ignore[no-untyped-def]
    """Rule out, by masks alone, pairs of which each side has what the other lacks; no pair the judge would link."""
    if (code & ~other_code) != 0 and (other_code & ~code) != 0:
        return False
    if code & other_code:  # a code in common allows other words and numbers
        return True
    if (numbers & ~other_numbers) != 0 and (other_numbers & ~numbers) != 0:
        return False
    return (words & ~other_words) == 0 or (other_words & ~words) == 0


@numba.njit(nogil=True, cache=True)
def sorted_by(keys: np.ndarray) -> np.ndarray:
    """Return the stable order of uint32 ``keys``: a radix sort by 11 bits; int32 (n,)."""
    n = len(keys)
    order, spare = np.arange(n).astype(np.int32), np.empty(n, np.int32)
    for shift in (0, 11, 22):
        starts = np.zeros(2049, np.int64)
        for row in range(n):
            starts[((keys[row] >> np.uint32(shift)) & np.uint32(2047)) + 1] += 1
        for digit in range(2048):
            starts[digit + 1] += starts[digit]
        for place in range(n):
            row = order[place]
            digit = (keys[row] >> np.uint32(shift)) & np.uint32(2047)
            spare[starts[digit]] = row
            starts[digit] += 1
        order, spare = spare, order
    return order


@numba.njit(nogil=True, cache=True)
def link(tokens, offsets, band_keys, masks, counts, groups, values, weights, texts, text_offsets, threshold, rare):  # type: ignore[no-untyped-def]
    """Compare the titles that share a bucket.

    Args:
        tokens: int32 (t,).
        offsets: int64 (n + 1,).
        band_keys: uint32 (n, bands) of this task.
        masks: uint64 (n, 3) of :func:`masks_of`.
        counts: of the vocabulary, as are ``groups``, ``values``, ``weights``, ``texts`` and ``text_offsets``.
        groups: see counts.
        values: see counts.
        weights: see counts.
        texts: see counts.
        text_offsets: see counts.
        threshold: least similarity of a link.
        rare: see :func:`~features.catalogue.judge.judge`.

    Returns:
        int32 (m, 2) pairs with the lower row first, float32 (m,) similarities, uint8 (m,) flags, and the number of
        pairs that shared a bucket, and of those compared in full.
    """
    n, bands = band_keys.shape
    pairs, scores, flags = np.empty((1024, 2), np.int32), np.empty(1024, np.float32), np.empty(1024, np.uint8)
    found = candidates = compared = 0
    local = np.empty((4096, 3), np.uint64)
    members = np.empty(4096, np.int32)
    for band in range(bands):
        keys = band_keys[:, band].copy()
        order = sorted_by(keys)
        start = 0
        while start < n:
            end = start + 1
            while end < n and keys[order[end]] == keys[order[start]]:
                end += 1
            size = end - start
            if size > 1:
                if size > len(members):
                    members, local = np.empty(size * 2, np.int32), np.empty((size * 2, 3), np.uint64)
                members[:size] = order[start:end]
                if size > WINDOW:
                    _by_masks(members, size, masks)
                for i in range(size):
                    local[i] = masks[members[i]]
                for i in range(size):
                    for j in range(i + 1, min(size, i + 1 + WINDOW)):
                        candidates += 1
                        if not _may_match(local[i, 0], local[i, 1], local[i, 2], local[j, 0], local[j, 1], local[j, 2]):
                            continue
                        a, b = min(members[i], members[j]), max(members[i], members[j])
                        known = False
                        for earlier in range(band):
                            if band_keys[a, earlier] == band_keys[b, earlier]:
                                known = True
                                break
                        if known:
                            continue
                        compared += 1
                        score, flag = judge(
                            tokens[offsets[a] : offsets[a + 1]],
                            tokens[offsets[b] : offsets[b + 1]],
                            counts,
                            groups,
                            values,
                            weights,
                            texts,
                            text_offsets,
                            rare,
                        )
                        if score < threshold:
                            continue
                        if found == len(scores):
                            pairs, scores, flags = _doubled(pairs, scores, flags)
                        pairs[found, 0], pairs[found, 1] = a, b
                        scores[found], flags[found] = score, flag
                        found += 1
            start = end
    return pairs[:found].copy(), scores[:found].copy(), flags[:found].copy(), candidates, compared


@numba.njit(nogil=True, cache=True)
def _by_masks(members: np.ndarray, size: int, masks: np.ndarray) -> None:
    """Order a large bucket by codes, numbers, then row."""
    print_of = np.empty(size, np.uint64)
    for i in range(size):
        print_of[i] = mix(masks[members[i], 0]) + mix(masks[members[i], 1] + np.uint64(7))
    order = np.argsort(print_of, kind="mergesort")
    members[:size] = members[:size][order]


@numba.njit(nogil=True, cache=True)
def _doubled(pairs: np.ndarray, scores: np.ndarray, flags: np.ndarray):  # type: ignore[no-untyped-def]
    size = len(scores)
    more_pairs, more_scores = np.empty((size * 2, 2), np.int32), np.empty(size * 2, np.float32)
    more_flags = np.empty(size * 2, np.uint8)
    more_pairs[:size], more_scores[:size], more_flags[:size] = pairs, scores, flags
    return more_pairs, more_scores, more_flags
