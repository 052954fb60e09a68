"""Clusters around their most specific title; nothing is chained.

A title is in a cluster only by a link to its centre (star clusters: Aslam, Pelekhov and Rus 2004; CENTER: Hassanzadeh
et al. 2009), so two members are at most two links apart, whatever the size of the catalogue. Titles are taken from the
most specific on. One that could belong to two centres alike ("milk 1 l" beside two dairies' milk) belongs to neither:
an omission must be unambiguous. That keeps precision as a catalogue grows, at the cost of some recall.
"""

from __future__ import annotations

import numba
import numpy as np


@numba.njit(nogil=True, cache=True)
def specificity(tokens: np.ndarray, offsets: np.ndarray, weights: np.ndarray, cap: float) -> np.ndarray:
    """Return the weight of each title's tokens, each at most ``cap`` (a misspelling is no merit); float32 (n,)."""
    out = np.zeros(len(offsets) - 1, np.float32)
    for doc in range(len(out)):
        for place in range(offsets[doc], offsets[doc + 1]):
            out[doc] += min(np.float32(cap), weights[tokens[place]])
    return out


@numba.njit(nogil=True, cache=True)
def star_clusters(n: int, pairs: np.ndarray, scores: np.ndarray, flags: np.ndarray, order: np.ndarray, margin: float):  # type: ignore[no-untyped-def]
    """Assign every title to a centre.

    Args:
        n: number of titles.
        pairs: int32 (m, 2); a pair may come twice.
        scores: float32 (m,).
        flags: uint8 (m,).
        order: int64 (n,) titles, the most specific first.
        margin: the best centre must be so much more similar than the second.

    Returns:
        int32 (n,) the centre's row; float32 (n,) similarity to it; uint8 (n,) flags of that link. Time O(n + m).
    """
    starts = np.zeros(n + 1, np.int64)
    for row in range(len(pairs)):
        starts[pairs[row, 0] + 1] += 1
        starts[pairs[row, 1] + 1] += 1
    for row in range(n):
        starts[row + 1] += starts[row]
    at = starts[:-1].copy()
    far_ends, links = np.empty(len(pairs) * 2, np.int32), np.empty(len(pairs) * 2, np.int32)
    for row in range(len(pairs)):
        for side in range(2):
            doc = pairs[row, side]
            far_ends[at[doc]], links[at[doc]] = pairs[row, 1 - side], row
            at[doc] += 1
    centre, sure, why = np.full(n, -1, np.int32), np.ones(n, np.float32), np.zeros(n, np.uint8)
    for doc in order:
        best, best_link, second = -1, -1, np.float32(-1.0)
        for place in range(starts[doc], starts[doc + 1]):
            other, score = far_ends[place], scores[links[place]]
            if centre[other] != other or other == best:
                continue
            if best < 0 or score > scores[best_link] or (score == scores[best_link] and other < best):
                second = scores[best_link] if best >= 0 else second
                best, best_link = other, links[place]
            else:
                second = max(second, score)
        if best < 0:
            centre[doc] = doc
        elif second >= 0 and second > scores[best_link] - margin:
            centre[doc] = -2 - doc if doc else -2  # stands alone and draws nobody
        else:
            centre[doc], sure[doc], why[doc] = best, scores[best_link], flags[best_link]
    for doc in range(n):
        if centre[doc] < 0:
            centre[doc] = doc
    return centre, sure, why
