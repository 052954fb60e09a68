"""Look-alikes: the customers most like the members of a seed, and how well that recovers members that were hidden.

n = customers, w = wide features. Nobody is scored by a model that has seen him: each fold's customers are scored by the
model of the other folds, so members of the seed are found again only where others resemble them.

Reference: Mangalampalli et al. (2011), "A feature-pair-based associative classification approach to look-alike
modeling" (seed against the rest).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import sparse
from sklearn.linear_model import LogisticRegression

from training.evaluation.metrics import wilson

#: seed members and others without whom nothing is learnt
LEAST_SEED = 20
#: shares of the ranked customers at which the curve is told
REACHES = (0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5)
#: reach at which a look-alike has to be better than customers drawn by lot
PROOF = 0.2
#: thirds of the extension, the closest first
BANDS = ("closest", "close", "wider")


@dataclass(frozen=True)
class LookAlikeConfig:
    """Everything that changes a look-alike; ``strength`` is the inverse penalty of a logistic regression."""

    folds: int = 5
    strength: float = 3e-4
    sample: int = 20_000
    seed: int = 20260101


@dataclass(frozen=True)
class CurvePoint:
    """At a reach: how many of the hidden members are among the so many best ranked, with 95 % intervals."""

    reach_share: float
    customers: int
    recovered: int
    recall: float
    recall_low: float
    recall_high: float
    precision: float
    precision_low: float
    precision_high: float
    lift: float


def comparable(rows: sparse.csr_matrix) -> sparse.csr_matrix:
    """Return logarithms of the wide features in units of their deviation (n, w), as sparse as they were."""
    squeezed = sparse.csr_matrix(
        (np.sign(rows.data) * np.log1p(np.abs(rows.data)), rows.indices, rows.indptr), shape=rows.shape
    )
    mean = np.asarray(squeezed.mean(axis=0)).ravel()
    square = np.asarray(squeezed.multiply(squeezed).mean(axis=0)).ravel()
    spread = np.sqrt(np.maximum(square - mean**2, 0))
    # what never varies tells nothing
    weight = np.divide(1, spread, out=np.zeros(len(spread)), where=spread > 1e-6)
    return (squeezed @ sparse.diags(weight)).tocsr()


def similarity(wide: sparse.csr_matrix, is_seed: np.ndarray, known: np.ndarray, config: LookAlikeConfig) -> np.ndarray:
    """Return each customer's likeness to the seed, a probability (n,), by models that have not seen him.

    Args:
        wide: result of :func:`comparable` (n, w).
        is_seed: members of the seed (n,).
        known: of whom it is known whether they are like the seed (n,): the others are scored, but teach nothing.
        config: folds and penalty.

    O(known x w); the others cost one product.

    Raises:
        ValueError: the seed, or what it is compared with, is too small.
    """
    rng = np.random.default_rng(config.seed)
    taught = np.zeros(wide.shape[0], dtype=bool)
    taught[rng.permutation(np.flatnonzero(known))[: config.sample]] = True
    seed, rest = taught & is_seed, taught & ~is_seed
    if min(seed.sum(), rest.sum()) < LEAST_SEED:
        sizes = f"{seed.sum()} member(s) and {rest.sum()} others"
        raise ValueError(f"the seed has {sizes}; {LEAST_SEED} of each are needed")
    fold = np.full(wide.shape[0], -1)
    for part in (seed, rest):  # each fold has its share of the seed
        places = np.flatnonzero(part)
        fold[places] = rng.permutation(len(places)) % config.folds
    found = np.zeros(wide.shape[0])
    for number in range(config.folds):
        train, own = taught & (fold != number), fold == number
        model = LogisticRegression(C=config.strength, max_iter=500).fit(wide[train], is_seed[train])
        for part, weight in ((own, 1.0), (~taught, 1 / config.folds)):
            if part.any():
                found[part] += weight * model.predict_proba(wide[part])[:, 1]
    return np.round(found, 6)


def extension(likeness: np.ndarray, is_seed: np.ndarray, size: int) -> tuple[np.ndarray, list[str]]:
    """Return the places of the ``size`` others most like the seed, the closest first, and the band of each.

    Ties go to the first place, so rows should stand by their key.
    """
    others = np.flatnonzero(~is_seed)
    chosen = others[np.argsort(-likeness[others], kind="stable")][:size]
    return chosen, [BANDS[len(BANDS) * rank // max(len(chosen), 1)] for rank in range(len(chosen))]


def curve(likeness: np.ndarray, is_seed: np.ndarray, known: np.ndarray) -> list[CurvePoint]:
    """Tell, at each reach, how many hidden members of the seed are found among those of whom it is known."""
    order = np.argsort(-likeness[known], kind="stable")
    hits = np.cumsum(is_seed[known][order])
    size, members = len(hits), int(hits[-1]) if len(hits) else 0
    found = []
    for share in REACHES:
        reach = max(round(share * size), 1)
        if not members or reach > size:
            continue
        recovered = int(hits[reach - 1])
        recall, precision = wilson(recovered, members), wilson(recovered, reach)
        lift = precision.value * size / members
        told = (recall.value, recall.low, recall.high, precision.value, precision.low, precision.high)
        found.append(CurvePoint(share, reach, recovered, *told, lift))
    return found


def beats_chance(points: list[CurvePoint]) -> bool:
    """Tell whether the interval of the precision at a reach of :data:`PROOF` lies above that of customers by lot."""
    return any(one.reach_share == PROOF and one.precision_low * one.lift > one.precision for one in points)


def sparse_matrix(places: Any, cells: Any, width: int) -> sparse.csr_matrix:
    """Return the rows of Arrow lists ``places`` and ``cells`` as a matrix (n, width)."""
    offsets = places.offsets.to_numpy()
    start, end = int(offsets[0]), int(offsets[-1])
    values = cells.values.to_numpy(zero_copy_only=False)[start:end]
    columns = places.values.to_numpy(zero_copy_only=False)[start:end]
    return sparse.csr_matrix((values, columns, offsets - start), shape=(len(places), width))
