"""Matches between two tables of records of any kind, without labels.

Every record is one text of its fields. Similarity is the cosine of TF-IDF weighted character n-grams within words,
corrected for hubs (:mod:`features.catalogue.neighbours`). Where neither side has duplicates, the matches are the
one-to-one assignment with the greatest total similarity, among the nearest neighbours of either side (Kuhn 1955).

The threshold needs no labels. The assignment is made again with all its pairs forbidden; that shows what similarity
records get that have no counterpart. From the share of non-matches that the lower end of the scores implies (Storey
2002, "A direct approach to false discovery rates") follow expected precision and recall of each threshold; the one of
the greatest expected F1 is taken.

A side repeats itself when a second assignment is as good as the first for many records. Then the assignment is repeated
until it is not, which leaves what non-matches get, and records left out are matched with their nearest.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import min_weight_full_bipartite_matching

from features.catalogue.neighbours import grams, nearest, without_hubs

#: neighbours whose mean similarity corrects for hubs, and neighbours that may be matched
HUB, NEAREST = 5, 20
#: second matches as good as the best tenth of the first, for each of these, from which on a side repeats itself
REPEATS, MOST_REPEATS = 0.2, 6
#: estimates of how many records have no counterpart, draws for each, and their seed
ROUNDS = 3
SAMPLES, SEED = 3, 20260101
_FORBIDDEN = -10.0


@dataclass(frozen=True)
class Matches:
    """Rows of the left and right records that match (int64), scores, and confidence: a match's rank among non-matches.

    ``repeats`` names the sides that hold a record several times; ``expected_f1`` is optimistic by some points where
    many records have no counterpart.
    """

    left: np.ndarray
    right: np.ndarray
    scores: np.ndarray
    confidence: np.ndarray
    threshold: float
    expected_f1: float
    repeats: tuple[str, ...]


def match(left: Sequence[str], right: Sequence[str]) -> Matches:
    """Match two lists of records, each record one text.

    Raises:
        ValueError: a side is empty.
    """
    if not len(left) or not len(right):
        raise ValueError(f"both sides need records; have {len(left)} and {len(right)}")
    pairs, cosine = _neighbours(left, right)
    shape = len(left), len(right)
    scores = _scores(pairs, cosine, np.zeros(len(pairs), bool), shape)
    chosen = _assigned(pairs, scores, shape)
    level = float(np.quantile(scores[chosen], 0.9))
    removed, best = chosen, (scores[chosen] >= level).sum()
    repeated = False
    for _ in range(MOST_REPEATS):  # where a side repeats itself, the second assignment finds matches too
        without = _scores(pairs, cosine, removed, shape)
        again = _assigned(pairs, np.where(removed, _FORBIDDEN, without), shape)
        null = without[again]
        if (null >= level).sum() <= REPEATS * best:
            break
        repeated = True
        removed = removed | again
    rng = np.random.default_rng(SEED)
    threshold, expected, matches = choose_threshold(scores[chosen], null)
    for _ in range(ROUNDS):  # the fewer strangers there are, the less can they find each other
        wrong = _strangers(pairs, without, removed, shape, matches, rng)
        strangers = max(min(shape) - matches, 1.0)
        threshold, expected, matches = choose_threshold(scores[chosen], wrong, max(len(wrong), 1) / strangers)
    kept = chosen & (scores >= threshold)
    repeats = []
    for name, side in (("left", 0), ("right", 1)):
        more = _left_out(pairs, scores, kept, side, threshold)
        if repeated and more.sum() > REPEATS * kept.sum():
            repeats.append(name)
            kept = kept | more
    order = np.lexsort((pairs[kept, 1], pairs[kept, 0]))
    found, by_score = scores[kept][order], np.sort(null)
    beaten = np.searchsorted(by_score, found) / max(len(null), 1)
    return Matches(pairs[kept, 0][order], pairs[kept, 1][order], found, beaten, threshold, expected, tuple(repeats))


def choose_threshold(found: np.ndarray, wrong: np.ndarray, samples: float = 1.0) -> tuple[float, float, float]:
    """Return the threshold of the greatest expected F1, that F1, and the expected number of matches.

    Args:
        found: scores of the assigned pairs, matches and non-matches mixed.
        wrong: scores of the non-matches to be expected among them, ``samples`` times as many.
        samples: see wrong.
    """
    levels = np.sort(found)
    kept = len(levels) - np.arange(len(levels))
    expected_wrong = (len(wrong) - np.searchsorted(np.sort(wrong), levels, side="left")) / samples
    right = np.clip(kept - expected_wrong, 0, None)
    matches = float(max(right.max(), 1.0))
    expected = 2 * right / (kept + matches)
    best = int(expected.argmax())
    return float(levels[best]), float(expected[best]), matches


def _neighbours(left: Sequence[str], right: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """Return the pairs of rows that may match, int64 (m, 2) in order, and their cosines, float32 (m,)."""
    one, other = grams(left, right)
    n, m = len(left), len(right)
    there, there_cosine = nearest(one, other, NEAREST)
    back, back_cosine = nearest(other, one, NEAREST)
    rows = [np.repeat(np.arange(n), there.shape[1]), back.reshape(-1).astype(np.int64)]
    columns = [there.reshape(-1).astype(np.int64), np.repeat(np.arange(m), back.shape[1])]
    cosine = np.concatenate([there_cosine.reshape(-1), back_cosine.reshape(-1)])
    both, first = np.unique(np.concatenate(rows) * m + np.concatenate(columns), return_index=True)
    return np.stack([both // m, both % m], axis=1), cosine[first]


def _scores(pairs: np.ndarray, cosine: np.ndarray, removed: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Return the pairs' similarities, as if the ``removed`` ones were no neighbours; float32 (m,)."""
    rest = np.flatnonzero(~removed)
    hubs = []
    for side in range(2):
        order = rest[np.lexsort((-cosine[rest], pairs[rest, side]))]
        rows = pairs[order, side]
        rank = np.arange(len(rows)) - np.searchsorted(rows, rows)
        near = order[rank < HUB]
        sums = np.bincount(pairs[near, side], weights=cosine[near], minlength=shape[side])
        counts = np.bincount(pairs[near, side], minlength=shape[side])
        hubs.append((sums / np.maximum(counts, 1))[pairs[:, side]])
    return without_hubs(cosine, *hubs).astype(np.float32)


def _strangers(
    pairs: np.ndarray, without: np.ndarray, removed: np.ndarray, shape: tuple[int, int], matches: float,
    rng: np.random.Generator,
) -> np.ndarray:  # fmt: skip
    """Return scores of the pairs that records without a counterpart make among themselves, :data:`SAMPLES` times.

    As many records of each side as have none are drawn, and their own matches are forbidden.
    """
    found = []
    for _ in range(SAMPLES):
        drawn = [rng.permutation(size) < max(size - matches, 0) for size in shape]
        usable = ~removed & drawn[0][pairs[:, 0]] & drawn[1][pairs[:, 1]]
        found.append(without[_assigned(pairs, np.where(usable, without, _FORBIDDEN), shape)])
    return np.concatenate(found)


def _assigned(pairs: np.ndarray, scores: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Tell which pairs the one-to-one assignment of greatest total similarity takes; bool (m,)."""
    n, m = shape
    taken = np.zeros(len(pairs), bool)
    # every record of the left may also stay alone, at a cost above that of any pair
    usable = np.flatnonzero(scores > _FORBIDDEN)
    costs = np.concatenate([3.0 - scores[usable], np.full(n, 20.0)])
    rows = np.concatenate([pairs[usable, 0], np.arange(n)])
    columns = np.concatenate([pairs[usable, 1], m + np.arange(n)])
    rows, columns = min_weight_full_bipartite_matching(csr_matrix((costs, (rows, columns)), shape=(n, m + n)))
    rows, columns = rows[columns < m], columns[columns < m]
    taken[np.searchsorted(pairs[:, 0] * m + pairs[:, 1], rows.astype(np.int64) * m + columns)] = True
    return taken


def _left_out(pairs: np.ndarray, scores: np.ndarray, kept: np.ndarray, side: int, threshold: float) -> np.ndarray:
    """Tell the best pairs of the records of a side that have no match and are above the threshold; bool (m,)."""
    free = np.ones(pairs[:, side].max() + 1, bool)
    free[pairs[kept, side]] = False
    rows = np.flatnonzero(free[pairs[:, side]] & (scores >= threshold))
    order = rows[np.lexsort((pairs[rows, 1 - side], -scores[rows], pairs[rows, side]))]
    first = np.ones(len(order), bool)
    first[1:] = pairs[order[1:], side] != pairs[order[:-1], side]
    found = np.zeros(len(pairs), bool)
    found[order[first]] = True
    return found
