"""The chance of a pair of records to be one: a logistic model of the evidence, moved to the table at hand.

The coefficients (:mod:`features.matching.coefficients`) were fitted on labelled sets of products, publications, persons
and places by ``bench/matching/fit_matching.py --write``, which also shows each on sets that it was not fitted on. How
many pairs are one differs from table to table: the log-odds are moved by what expectation maximisation says of that
(Saerens, Latinne and Decaestecker 2002, "Adjusting the outputs of a classifier to new a priori probabilities"), within
:data:`LEAST_SHIFT` and :data:`MOST_SHIFT`, so that a table without doubles yields none and one with few keeps them.
"""

from __future__ import annotations

import numpy as np
from scipy.special import expit, logit

from features.matching.coefficients import ASSIGNED, EVIDENCE, LIMITS
from features.matching.evidence import FEATURES

#: bounds of the shift of the log-odds
LEAST_SHIFT, MOST_SHIFT = -2.5, 3.0
#: least chance of a pair that is claimed, steps of the expectation maximisation
LEAST_CHANCE, STEPS = 0.5, 100
#: share of pairs that were one where the coefficients were fitted: of candidates in one table, of assigned pairs in two
SHARE_OF_CANDIDATES, SHARE_OF_ASSIGNED = 0.05, 0.4
#: products of two kinds of evidence that count beside each and its square
PRODUCTS = (
    ("cosine", "contained"), ("cosine", "shared"), ("code_shared", "contained"), ("cosine", "contained_all"),
)  # fmt: skip
GAP_LEAST, GAP_MOST, LONE = -6.0, 8.0, -8.0


def terms(evidence: np.ndarray) -> np.ndarray:
    """Return what the coefficients apply to: evidence within the limits, its squares, and products; float64 (m, t)."""
    low, high = np.array([LIMITS[name] for name in FEATURES]).T
    held = np.clip(evidence.astype(np.float64), low, high)
    place = FEATURES.index
    products = [held[:, place(one)] * held[:, place(other)] for one, other in PRODUCTS]
    return np.column_stack([held, held**2, *products])


def log_odds(evidence: np.ndarray) -> np.ndarray:
    """Return the log-odds of each pair by its evidence alone; float64 (m,)."""
    return terms(evidence) @ np.array(EVIDENCE[1:]) + EVIDENCE[0]


def against_rivals(pairs: np.ndarray, odds: np.ndarray) -> np.ndarray:
    """Return what separates an assigned pair from its rivals: log-odds, and by how much they exceed the next best.

    Args:
        pairs: int64 (m, 2) of left and right rows.
        odds: (m,).

    Returns:
        float64 (m, 6): the log-odds; their lead over the best other pair of either record, the lesser and the greater;
        the lesser lead within 3, whether it is above zero, and the log-odds within 4.
    """
    leads = []
    for side in range(2):
        order = np.lexsort((-odds, pairs[:, side]))
        rows = pairs[order, side]
        place = np.arange(len(rows)) - np.searchsorted(rows, rows)
        n = int(pairs[:, side].max(initial=-1)) + 1
        first, second = np.full(n, LONE), np.full(n, LONE)
        first[rows[place == 0]] = odds[order][place == 0]
        second[rows[place == 1]] = odds[order][place == 1]
        rival = np.empty(len(odds))
        rival[order] = np.where(place == 0, second[rows], first[rows])
        leads.append(np.clip(odds - np.maximum(rival, LONE), GAP_LEAST, GAP_MOST))
    low, high = np.minimum(*leads), np.maximum(*leads)
    return np.column_stack([odds, low, high, np.clip(low, -3, 3), low > 0, np.clip(odds, -4, 4)])


def assigned_log_odds(rivals: np.ndarray) -> np.ndarray:
    """Return the log-odds of assigned pairs by :func:`against_rivals`; float64 (m,)."""
    return rivals @ np.array(ASSIGNED[1:]) + ASSIGNED[0]


def settled(odds: np.ndarray, share: float | None) -> tuple[np.ndarray, float]:
    """Return chances moved to the table at hand, and the least of a claimed pair.

    Args:
        odds: log-odds of all pairs that might be claimed (m,).
        share: of such pairs that were one where the coefficients were fitted; None: the log-odds are the table's own.

    Returns:
        Chances (m,), and the threshold with the greatest expected F1, midway to the best pair that is not claimed, but
        at least :data:`LEAST_CHANCE`.
    """
    if not len(odds):
        return odds, LEAST_CHANCE
    chances = expit(odds if share is None else _moved(odds, share))
    falling = np.sort(chances)[::-1]
    sums = np.cumsum(falling)
    expected = 2 * sums / (np.arange(1, len(sums) + 1) + sums[-1])
    claimed = int(expected.argmax())
    return chances, max(LEAST_CHANCE, float(np.append(falling, 0.0)[claimed : claimed + 2].mean()))


def _moved(odds: np.ndarray, share: float) -> np.ndarray:
    """Return log-odds moved to the share of pairs that are one among these, by expectation maximisation."""
    now, moved = share, odds
    for _ in range(STEPS):
        moved = odds + np.clip(logit(now) - logit(share), LEAST_SHIFT, MOST_SHIFT)
        before, now = now, float(np.clip(expit(moved).mean(), 1e-6, 1 - 1e-6))
        if abs(now - before) < 1e-7:
            break
    return moved
