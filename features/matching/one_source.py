"""Duplicates within one table of records of any kind, without labels: for tables of up to some ten thousand rows.

Every record is one text. The similarities of each record's nearest neighbours are a mixture of three normal
distributions, of which the highest is taken for duplicates; the threshold has the greatest expected F1 of pairs by the
mixture's posterior. Clusters are stars around the record with most similarity to others (Aslam, Pelekhov and Rus 2004),
so that nothing is chained.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from sklearn.mixture import GaussianMixture

from features.catalogue.clusters import star_clusters
from features.matching.neighbours import grams, nearest, without_hubs

NEIGHBOURS = 20
#: pairs that the mixture is fitted on, and least number of them that says anything
SAMPLE, LEAST = 50_000, 60
COMPONENTS = 3


@dataclass(frozen=True)
class Groups:
    """For n records: int64 row of the record each is grouped around, and float64 confidence in that, 0..1."""

    centres: np.ndarray
    confidence: np.ndarray
    threshold: float


def group(texts: Sequence[str], seed: int = 20260101) -> Groups:
    """Group the records of a table that are one.

    Args:
        texts: a text a record; an empty one stays alone.
        seed: of the mixture's start.
    """
    n = len(texts)
    pairs, scores = _pairs(texts)
    if len(scores) < LEAST:
        return Groups(np.arange(n), np.ones(n), float("inf"))
    threshold, posterior = _threshold(scores, seed)
    kept = scores >= threshold
    pairs, scores, sure = pairs[kept], scores[kept], posterior[kept]
    weight = np.zeros(n)
    for side in range(2):
        np.add.at(weight, pairs[:, side], scores - threshold)
    order = np.argsort(-weight, kind="stable")
    centres, _, _ = star_clusters(
        n, pairs.astype(np.int32), scores.astype(np.float32), np.zeros(len(pairs), np.uint8), order, -10.0
    )
    confidence = np.ones(n)
    for side in range(2):
        member = centres[pairs[:, side]] == pairs[:, 1 - side]
        confidence[pairs[member, side]] = sure[member]
    return Groups(centres.astype(np.int64), confidence, threshold)


def _pairs(texts: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """Return pairs of neighbours, int64 (m, 2) with the lower row first, and their similarities."""
    if len(texts) < 2:
        return np.zeros((0, 2), np.int64), np.zeros(0)
    (vectors,) = grams(texts)
    rows, cosines = nearest(vectors, vectors, NEIGHBOURS, apart=False)
    density = cosines.mean(axis=1)
    left = np.repeat(np.arange(len(texts)), rows.shape[1])
    right = rows.reshape(-1).astype(np.int64)
    low, high = np.minimum(left, right), np.maximum(left, right)
    both, first = np.unique(low * len(texts) + high, return_index=True)
    low, high, cosine = both // len(texts), both % len(texts), cosines.reshape(-1)[first]
    met = cosine > 0
    scores = without_hubs(cosine, density[low], density[high])
    return np.stack([low, high], axis=1)[met], scores[met].astype(np.float64)


def _threshold(scores: np.ndarray, seed: int) -> tuple[float, np.ndarray]:
    """Return the threshold of the greatest expected F1, and each pair's probability to be a duplicate."""
    sample = scores
    if len(scores) > SAMPLE:
        sample = np.random.default_rng(seed).choice(scores, SAMPLE, replace=False)
    mixture = GaussianMixture(COMPONENTS, random_state=seed % 2**32, max_iter=200).fit(sample[:, None])
    top = int(mixture.means_.ravel().argmax())
    order = np.argsort(-scores, kind="stable")
    # a wide component is above the others at its lower end again: a lower similarity never makes a pair surer
    falling = np.minimum.accumulate(mixture.predict_proba(scores[order][:, None])[:, top])
    expected = 2 * np.cumsum(falling) / (np.arange(1, len(scores) + 1) + falling.sum())
    posterior = np.empty(len(scores))
    posterior[order] = falling
    return float(scores[order][int(expected.argmax())]), posterior
