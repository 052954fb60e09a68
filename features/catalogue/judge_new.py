"""Compares new titles with those there are: pairs that shared a bucket, few of which are one product."""

from __future__ import annotations

import numba
import numpy as np

from features.catalogue.judge import judge
from features.catalogue.links import masks_of, may_be_one
from features.catalogue.tokens import WORD
from features.catalogue.vocabulary import TYPO_RATIO, Vocabulary


def masks_with_new_words(tokens: np.ndarray, offsets: np.ndarray, words: Vocabulary, lacking: np.ndarray) -> np.ndarray:
    """Return the titles' masks for :func:`~features.catalogue.links.may_be_one`; uint64 (n, 3).

    A word that the index lacks was never healed: it may misspell a known one, or be what a rare one misspells. Titles
    with such a word are not ruled out by their words.
    """
    masks = masks_of(
        tokens, offsets, words.keys, words.counts, words.groups, words.values, words.texts, words.text_offsets
    )
    fresh = np.isin(words.keys, lacking)
    rare = words.counts <= max(1, int(words.counts[fresh].max(initial=0)) // TYPO_RATIO)
    doubtful = (fresh | rare) & (words.groups == WORD)
    before = np.concatenate([[0], np.cumsum(doubtful[tokens])])
    masks[before[offsets[1:]] > before[offsets[:-1]], 2] = 0
    return masks


@numba.njit(nogil=True, cache=True)
def judge_pairs(tokens, offsets, pairs, masks, counts, groups, values, weights, texts, text_offsets, rare):  # type: ignore[no-untyped-def]
    """Compare pairs of titles that their masks do not rule out; equal ones score 2, so that nothing comes near them.

    Returns:
        float32 (m,) similarities (-1 where they differ) and uint8 (m,) flags.
    """
    scores, flags = np.full(len(pairs), -1, np.float32), np.zeros(len(pairs), np.uint8)
    for row in range(len(pairs)):
        one, other = masks[pairs[row, 0]], masks[pairs[row, 1]]
        if not may_be_one(one[0], one[1], one[2], other[0], other[1], other[2]):
            continue
        a = tokens[offsets[pairs[row, 0]] : offsets[pairs[row, 0] + 1]]
        b = tokens[offsets[pairs[row, 1]] : offsets[pairs[row, 1] + 1]]
        scores[row], flags[row] = judge(a, b, counts, groups, values, weights, texts, text_offsets, rare)
        if np.array_equal(a, b):
            scores[row], flags[row] = 2.0, 0
    return scores, flags
