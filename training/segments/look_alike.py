"""Look-alikes: the customers most like the members of a seed, and how well that recovers members that were hidden.

n = customers, w = wide features. No customer is scored by a model that was fitted on them: each fold is scored by
the model of the other folds, so members of the seed rank high only where other members resemble them.

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

#: seed members and non-members needed to fit
LEAST_SEED = 20
#: shares of the ranked customers at which the curve is given
REACHES = (0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5)
#: reach at which a look-alike has to be better than customers drawn at random
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
    # what never varies separates nobody
    weight = np.divide(1, spread, out=np.zeros(len(spread)), where=spread > 1e-6)
    return (squeezed @ sparse.diags(weight)).tocsr()


def similarity(
    wide: sparse.csr_matrix, is_seed: np.ndarray, labelled: np.ndarray, config: LookAlikeConfig
) -> np.ndarray:
    """Return each customer's likeness to the seed, a probability (n,), by models that were not fitted on them.

    Args:
        wide: result of :func:`comparable` (n, w).
        is_seed: members of the seed (n,).
        labelled: whose membership is known (n,): all other customers are scored, but not fitted on.
        config: folds and penalty.

    O(labelled x w), and one product for all customers.

    Raises:
        ValueError: the seed, or what it is compared with, is too small.
    """
    rng = np.random.default_rng(config.seed)
    used = np.zeros(wide.shape[0], dtype=bool)
    used[rng.permutation(np.flatnonzero(labelled))[: config.sample]] = True
    seed, rest = used & is_seed, used & ~is_seed
    if min(seed.sum(), rest.sum()) < LEAST_SEED:
        sizes = f"{seed.sum()} member(s) and {rest.sum()} non-members"
        raise ValueError(f"the seed has {sizes}; {LEAST_SEED} of each are needed")
    fold = np.full(wide.shape[0], -1)
    for part in (seed, rest):  # each fold has its share of the seed
        places = np.flatnonzero(part)
        fold[places] = rng.permutation(len(places)) % config.folds
    likeness = np.zeros(wide.shape[0])
    for number in range(config.folds):
        train, own = used & (fold != number), fold == number
        model = LogisticRegression(C=config.strength, max_iter=500).fit(wide[train], is_seed[train])
        for part, weight in ((own, 1.0), (~used, 1 / config.folds)):
            if part.any():
                likeness[part] += weight * model.predict_proba(wide[part])[:, 1]
    return np.round(likeness, 6)


def extension(likeness: np.ndarray, is_seed: np.ndarray, size: int) -> tuple[np.ndarray, list[str]]:
    """Return the places of the ``size`` non-members most like the seed, the closest first, and the band of each.

    Ties go to the first place, so rows should stand by their key.
    """
    candidates = np.flatnonzero(~is_seed)
    chosen = candidates[np.argsort(-likeness[candidates], kind="stable")][:size]
    return chosen, [BANDS[len(BANDS) * rank // max(len(chosen), 1)] for rank in range(len(chosen))]


def curve(likeness: np.ndarray, is_seed: np.ndarray, labelled: np.ndarray) -> list[CurvePoint]:
    """Return, at each reach, how many hidden members of the seed are recovered among the labelled customers."""
    order = np.argsort(-likeness[labelled], kind="stable")
    hits = np.cumsum(is_seed[labelled][order])
    size, members = len(hits), int(hits[-1]) if len(hits) else 0
    points = []
    for share in REACHES:
        reach = max(round(share * size), 1)
        if not members or reach > size:
            continue
        recovered = int(hits[reach - 1])
        recall, precision = wilson(recovered, members), wilson(recovered, reach)
        lift = precision.value * size / members
        figures = (recall.value, recall.low, recall.high, precision.value, precision.low, precision.high)
        points.append(CurvePoint(share, reach, recovered, *figures, lift))
    return points


def beats_chance(points: list[CurvePoint]) -> bool:
    """Return whether the interval of the precision at a reach of :data:`PROOF` lies above the base rate."""
    return any(one.reach_share == PROOF and one.precision_low * one.lift > one.precision for one in points)


def sparse_matrix(places: Any, cells: Any, width: int) -> sparse.csr_matrix:
    """Return the rows of Arrow lists ``places`` and ``cells`` as a matrix (n, width)."""
    offsets = places.offsets.to_numpy()
    start, end = int(offsets[0]), int(offsets[-1])
    values = cells.values.to_numpy(zero_copy_only=False)[start:end]
    columns = places.values.to_numpy(zero_copy_only=False)[start:end]
    return sparse.csr_matrix((values, columns, offsets - start), shape=(len(places), width))
