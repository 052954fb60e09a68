"""Links between titles of one catalogue: buckets of bands, compared within.

n = distinct titles (after words, spelling and units are normalised), in the order of their keys, so that nothing
depends on the order of the input. A bucket costs at most ``WINDOW`` comparisons a title, whatever its size: a larger
one is first ordered by numbers and codes, so that titles that may be one product stand side by side.
"""

from __future__ import annotations

from dataclasses import dataclass

import numba
import numpy as np

from features.catalogue.alphabet import CYRILLIC
from features.catalogue.judge import MEASURE, judge, shape_of_code
from features.catalogue.tokens import MODEL, mix
from features.catalogue.vocabulary import Vocabulary

WINDOW = 256
_WORD, _NUMBER, _CODE = 0, 1, 2
#: letters that two long forms of a stem have in common at least
_STEM = 5


@dataclass(frozen=True)
class Titles:
    """The n distinct titles of a catalogue in the order of their keys: ``tokens`` int32 with ``offsets``, ``keys``."""

    tokens: np.ndarray
    offsets: np.ndarray
    keys: np.ndarray


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
            if groups[token] == _CODE and shape_of_code(token, texts, text_offsets) == MEASURE:
                out[doc, 1] |= np.uint64(1) << (mix(element[token]) >> np.uint64(58))
            elif groups[token] == _CODE:
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


def link(
    titles: Titles, bands: np.ndarray, words: Vocabulary, threshold: float, rare: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray, int, int]:
    """Compare the titles that share a bucket.

    Args:
        titles: n of them.
        bands: uint32 (n, bands) keys of the bands to look at.
        words: the vocabulary.
        threshold: least similarity of a link.
        rare: see :func:`~features.catalogue.judge.judge`.

    Returns:
        int32 (m, 2) pairs with the lower row first, float32 (m,) similarities, uint8 (m,) flags, and the number of
        pairs that shared a bucket, and of those compared in full.
    """
    statistics = (words.counts, words.groups, words.values, words.weights, words.texts, words.text_offsets)
    masks = masks_of(
        titles.tokens, titles.offsets, words.keys, words.counts, words.groups, words.values, words.texts,
        words.text_offsets,
    )  # fmt: skip
    n = len(bands)
    rows, ends, sorted_masks = np.empty(n, np.int32), np.empty(n, np.int32), np.empty((3, n), np.uint64)
    room = max(1024, n // 2) + WINDOW
    pairs, scores, flags = np.empty((room, 2), np.int32), np.empty(room, np.float32), np.empty(room, np.uint8)
    links = candidates = compared = 0
    for band in range(bands.shape[1]):
        order = (bands[:, band].astype(np.uint64) << np.uint64(32)) | np.arange(n, dtype=np.uint64)
        order.sort()
        members = _members(order, masks, rows, ends, sorted_masks)
        at = 0
        while at < members:
            at, links, seen, judged = _compare(
                at, members, links, rows, ends, sorted_masks, bands, band, titles.tokens, titles.offsets, *statistics,
                np.float32(threshold), rare, pairs, scores, flags,
            )  # fmt: skip
            candidates += seen
            compared += judged
            if links + WINDOW > len(scores):
                pairs = np.concatenate([pairs, np.empty_like(pairs)])
                scores = np.concatenate([scores, np.empty_like(scores)])
                flags = np.concatenate([flags, np.empty_like(flags)])
    return pairs[:links].copy(), scores[:links].copy(), flags[:links].copy(), candidates, compared


@numba.njit(nogil=True, cache=True)
def _members(order, masks, rows, ends, sorted_masks):  # type: ignore[no-untyped-def]
    """List the members of all buckets of two or more, bucket by bucket; return how many there are.

    ``order`` uint64 (n,) is a bucket's key and a row, ascending; a bucket larger than ``WINDOW`` is ordered by codes,
    numbers, then row. ``ends`` says for each member where its bucket ends.
    """
    n, count, start = len(order), 0, 0
    while start < n:
        key, end = order[start] >> np.uint64(32), start + 1
        while end < n and order[end] >> np.uint64(32) == key:
            end += 1
        if end - start > 1:
            if end - start > WINDOW:
                _by_masks(order[start:end], masks)
            last = count + end - start
            for place in range(start, end):
                row = np.int32(order[place] & np.uint64(0xFFFFFFFF))
                rows[count], ends[count] = row, last
                for which in range(3):
                    sorted_masks[which, count] = masks[row, which]
                count += 1
        start = end
    return count


@numba.njit(nogil=True, cache=True)
def _by_masks(bucket: np.ndarray, masks: np.ndarray) -> None:
    """Order a large bucket by codes, numbers, then row."""
    print_of = np.empty(len(bucket), np.uint64)
    for place in range(len(bucket)):
        row = bucket[place] & np.uint64(0xFFFFFFFF)
        print_of[place] = mix(masks[row, 0]) + mix(masks[row, 1] + np.uint64(7))
    bucket[:] = bucket[np.argsort(print_of, kind="mergesort")]


@numba.njit(nogil=True, cache=True)
def _compare(  # type: ignore[no-untyped-def]
    at, members, count, rows, ends, masks, bands, band, tokens, offsets, counts, groups, values, weights, texts,
    text_offsets, threshold, rare, pairs, scores, flags,
):  # fmt: skip
    """Compare members with those after them in their bucket, until done or the room for pairs may not do.

    Returns:
        The member to go on with, the number of pairs so far, candidates, and pairs compared in full.
    """
    candidates = compared = 0
    may = np.empty(WINDOW, np.bool_)
    while at < members and count + WINDOW <= len(scores):
        size = min(ends[at] - at - 1, WINDOW)
        candidates += size
        _may_match(masks, at, size, may)
        for ahead in range(size):
            if not may[ahead]:
                continue
            one, other = rows[at], rows[at + 1 + ahead]
            a, b = min(one, other), max(one, other)
            if _met_before(bands, a, b, band):
                continue
            compared += 1
            score, flag = judge(
                tokens[offsets[a] : offsets[a + 1]], tokens[offsets[b] : offsets[b + 1]], counts, groups, values,
                weights, texts, text_offsets, rare,
            )  # fmt: skip
            if score >= threshold:
                pairs[count, 0], pairs[count, 1], scores[count], flags[count] = a, b, score, flag
                count += 1
        at += 1
    return at, count, candidates, compared


@numba.njit(nogil=True, cache=True)
def _may_match(masks, at, size, out):  # type: ignore[no-untyped-def]
    """Say by masks alone which of the ``size`` members after ``at`` may be one product with that one."""
    code, number, word = masks[0, at], masks[1, at], masks[2, at]
    for ahead in range(size):
        there = at + 1 + ahead
        out[ahead] = may_be_one(code, number, word, masks[0, there], masks[1, there], masks[2, there])


@numba.njit(nogil=True, cache=True, inline="always")
def may_be_one(code, number, word, other_code, other_number, other_word):  # type: ignore[no-untyped-def]
    """Tell by the masks of two titles whether they may be one product.

    A pair of which each side has what the other lacks is ruled out; the judge would link none of them. Without
    branches, so that the compiler compares several pairs at once.
    """
    apart = ((code & ~other_code) != 0) & ((other_code & ~code) != 0)
    shared = (code & other_code) != 0  # a code in common allows other words and numbers
    differ = ((number & ~other_number) != 0) & ((other_number & ~number) != 0)
    differ |= ((word & ~other_word) != 0) & ((other_word & ~word) != 0)
    return (not apart) & (shared | (not differ))


@numba.njit(nogil=True, cache=True)
def _met_before(bands: np.ndarray, a: int, b: int, band: int) -> bool:
    """Tell whether two titles share a bucket of an earlier band."""
    for earlier in range(band):  # noqa: SIM110 (compiled code has no generators)
        if bands[a, earlier] == bands[b, earlier]:
            return True
    return False
