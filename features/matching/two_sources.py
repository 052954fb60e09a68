"""Matches between two tables of records of any kind, without labels.

Every record is one text of its fields. Similarity is the cosine of TF-IDF weighted character n-grams within words,
corrected for hubs (:mod:`features.matching.neighbours`). Where neither side has duplicates, the matches are the
one-to-one assignment with the greatest total similarity, among the nearest neighbours of either side (Kuhn 1955).

The threshold needs no labels. What similarity records get that have no counterpart is seen in those that have one:
their own match is forbidden, and as many of them as each side has strangers are matched among themselves. (Strangers
themselves will not do: what they found is their best, and once it is forbidden they show their second best.) The
assigned pairs are then a mixture of this density and a normal one of the matches (Efron 2004, "Large-scale simultaneous
hypothesis testing": two groups, an empirical null; fitted by expectation maximisation), which gives each pair's
probability to be a match; the threshold has the greatest expected F1. Who has a match depends on the threshold, so both
are found in turns, from the surest pairs on.

A side repeats itself when a second assignment is as good as the first for many records. Then the assignment is repeated
until it is not, which leaves what non-matches get, and records left out are matched with their nearest.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import min_weight_full_bipartite_matching

from features.matching.neighbours import grams, nearest, without_hubs

#: neighbours whose mean similarity corrects for hubs, and neighbours that may be matched
HUB, NEAREST = 5, 20
#: second matches as good as the best tenth of the first, for each of these, from which on a side repeats itself
REPEATS, MOST_REPEATS = 0.2, 6
#: share of the assigned pairs that are taken for matches at first, and turns at the most
SUREST, TURNS = 0.1, 8
#: draws of strangers in each turn, and their seed
SAMPLES, SEED = 3, 20260101
#: steps of the mixture, points that stand for the non-matches, least deviation of the matches' scores
STEPS, SHOWN, NARROWEST = 200, 1000, 0.02
_FORBIDDEN = -10.0


@dataclass(frozen=True)
class Matches:
    """Rows of the left and right records that match (int64), scores, and confidence: the probability of a match.

    ``repeats`` names the sides that hold a record several times; ``expected_f1`` is optimistic by some points, for
    similar records that are not one are no chance matches.
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
    candidates = _Candidates(pairs, cosine, shape, removed & ~chosen)
    threshold, expected, chances = _settled(candidates, scores, chosen)
    kept = chosen & (scores >= threshold)
    repeats = []
    for name, side in (("left", 0), ("right", 1)):
        more = _left_out(pairs, scores, kept, side, threshold)
        if repeated and more.sum() > REPEATS * kept.sum():
            repeats.append(name)
            kept = kept | more
    order = np.lexsort((pairs[kept, 1], pairs[kept, 0]))
    found, rising = scores[kept][order], np.argsort(scores[chosen], kind="stable")
    sure = np.interp(found, scores[chosen][rising], chances[rising])
    return Matches(pairs[kept, 0][order], pairs[kept, 1][order], found, sure, threshold, expected, tuple(repeats))


def match_chances(found: np.ndarray, wrong: np.ndarray) -> np.ndarray:
    """Return the probability of each assigned pair to be a match (n,); a lower score never makes a pair surer.

    Args:
        found: scores of the assigned pairs, matches and non-matches mixed.
        wrong: scores of non-matches, as many as there are; none means that all are matches.
    """
    from scipy.stats import gaussian_kde, norm

    if not len(wrong):
        return np.ones(len(found))
    # quantiles stand for all of them, a little apart, since equal scores have no density
    shown = np.quantile(wrong, np.linspace(0, 1, SHOWN)) + np.linspace(-1, 1, SHOWN) * NARROWEST / 20
    null = gaussian_kde(shown)(found)
    chance = (found > np.quantile(wrong, 0.99)).astype(float)
    for _ in range(STEPS):
        matches = max(chance.sum(), 1e-9)
        middle = (chance * found).sum() / matches
        spread = max(np.sqrt((chance * (found - middle) ** 2).sum() / matches), NARROWEST)
        share = matches / len(found)
        of_matches = share * norm.pdf(found, middle, spread)
        before, chance = chance, of_matches / (of_matches + (1 - share) * null + 1e-300)
        if np.abs(chance - before).max() < 1e-4:
            break
    order = np.argsort(-found, kind="stable")
    above = found[order] >= middle  # the normal falls again above its middle, where nothing else is
    falling = np.where(above, chance[order][above].max(initial=0), chance[order])
    chance[order] = np.minimum.accumulate(falling)
    return chance


@dataclass(frozen=True)
class _Candidates:
    """Pairs of rows that may match (m, 2), their cosines (m,), the sides' sizes, and pairs of repeated records (m,)."""

    pairs: np.ndarray
    cosine: np.ndarray
    shape: tuple[int, int]
    repeated: np.ndarray


def _settled(candidates: _Candidates, scores: np.ndarray, chosen: np.ndarray) -> tuple[float, float, np.ndarray]:
    """Return the threshold of the assigned pairs, its expected F1, and each assigned pair's chance."""
    rng, found = np.random.default_rng(SEED), scores[chosen].astype(np.float64)
    order = np.argsort(-found, kind="stable")
    known = chosen & (scores >= np.quantile(found, 1 - SUREST))
    matches = float(known.sum())
    for _ in range(TURNS):
        chances = match_chances(found, _strangers(candidates, known, matches, rng))
        sums = np.cumsum(chances[order])
        expected = 2 * sums / (np.arange(1, len(sums) + 1) + sums[-1])
        best = int(expected.argmax())
        before, known = known, chosen & (scores >= found[order[best]])
        settled = abs(sums[-1] - matches) < 1 and np.array_equal(known, before)
        matches = float(sums[-1])
        if settled:
            break
    return float(found[order[best]]), float(expected[best]), chances


def _strangers(candidates: _Candidates, known: np.ndarray, matches: float, rng: np.random.Generator) -> np.ndarray:
    """Return the scores that records with a known match get without it, among as many records as have none.

    Where fewer are known than have none, others complete the draw, but only pairs with a known record count.
    """
    pairs, shape = candidates.pairs, candidates.shape
    forbidden = known | candidates.repeated
    without = _scores(pairs, candidates.cosine, forbidden, shape)
    matched = [np.bincount(pairs[known, side], minlength=shape[side]) > 0 for side in range(2)]
    touched = matched[0][pairs[:, 0]] | matched[1][pairs[:, 1]]
    found = []
    for _ in range(SAMPLES):
        drawn = []
        for side in range(2):
            place = np.empty(shape[side], np.int64)
            place[np.lexsort((rng.random(shape[side]), ~matched[side]))] = np.arange(shape[side])
            drawn.append(place < max(shape[side] - matches, 1))
        usable = ~forbidden & drawn[0][pairs[:, 0]] & drawn[1][pairs[:, 1]]
        again = _assigned(pairs, np.where(usable, without, _FORBIDDEN), shape)
        found.append(without[again & touched])
    return np.concatenate(found)


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
