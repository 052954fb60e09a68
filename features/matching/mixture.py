"""The chance of a pair by its columns alone: Fellegi and Sunter's mixture of pairs that are one and pairs that are not.

Where records have several columns that say which thing they are, these settle it; nothing is learnt elsewhere. Both
classes are fitted by expectation maximisation among the candidate pairs of the table at hand: nearest neighbours that
are not one agree far more often than pairs at random, and true pairs have to differ from these. A table without doubles
has no pairs to keep the first class alive, whose share then falls to nothing.

m = pairs, c = columns.
"""

from __future__ import annotations

import numpy as np
from scipy.special import expit, logit

from features.matching.agreement import DIFFERENT, EQUAL, LEVELS, M_PRIOR, MISSING, NEAR, PRIOR_PAIRS, WEAK
from features.matching.columns import IDENTIFIERS, Kind
from features.matching.evidence import FEATURES
from features.matching.records import Records

#: columns from which on they settle it
ENOUGH = 3
#: weight that two titles share, from which they are equal, near and somewhat alike
EQUAL_TITLE, NEAR_TITLE, WEAK_TITLE = 0.98, 0.65, 0.35
#: weight of a code that either title has alone, from which it speaks against them
RARE_CODE = 0.3
#: share of the candidates that are one at first, its bounds, and turns of the expectation maximisation
SHARE, LEAST_SHARE, MOST_SHARE, TURNS = 0.05, 1e-6, 0.5, 30


def settling_columns(records: Records, names: list[str]) -> list[int]:
    """Return the places of the compared columns, categories last; none where too few settle it.

    A category only says of what kind a thing is, and does not count among those that settle it.
    """
    places = [place for place, name in enumerate(names) if records.kinds[name] != Kind.CATEGORY]
    identified = any(records.kinds[names[place]] in IDENTIFIERS for place in places)
    titled = identified and Kind.TITLE in records.kinds.values()
    categories = [place for place in range(len(names)) if place not in places]
    return places + categories if len(places) + titled >= ENOUGH else []


def settling_odds(records: Records, names: list[str], levels: np.ndarray, evidence: np.ndarray) -> np.ndarray | None:
    """Return the log-odds of each candidate pair by the columns, float64 (m,); None where these do not settle it."""
    places = settling_columns(records, names)
    if not places:
        return None
    columns, against = levels[:, places], [records.kinds[names[place]] == Kind.CATEGORY for place in places]
    if Kind.TITLE in records.kinds.values():
        columns, against = np.column_stack([columns, _title(evidence)]), [*against, False]
    return mixture_log_odds(columns, np.array(against))


def _title(evidence: np.ndarray) -> np.ndarray:
    """Return the level of agreement of the titles, one lower where either has a code, number or model of its own."""
    of = {name: evidence[:, place] for place, name in enumerate(FEATURES)}
    shared = of["shared"]
    near = np.where(shared >= NEAR_TITLE, NEAR, np.where(shared >= WEAK_TITLE, WEAK, DIFFERENT))
    level = np.where(shared >= EQUAL_TITLE, EQUAL, near)
    apart = (of["code_apart"] > RARE_CODE) | (of["model_apart"] > 0) | (of["number_apart"] > 0)
    return np.where(apart, np.minimum(level + 1, DIFFERENT), level).astype(np.uint8)


def mixture_log_odds(levels: np.ndarray, against: np.ndarray) -> np.ndarray:
    """Return the log-odds of each candidate pair to be one; float64 (m,).

    Args:
        levels: uint8 (m, c) levels of agreement of all candidate pairs.
        against: bool (c,) columns that may speak against a pair only: categories agree wherever others do.
    """
    pairs, columns = levels.shape
    hits = [[levels[:, place] == level for level in LEVELS[1:]] for place in range(columns)]
    one = np.tile(M_PRIOR, (columns, 1))
    other = np.array([[hit.sum() for hit in column] for column in hits]) + 1.0
    other /= other.sum(axis=1, keepdims=True)
    share, odds = SHARE, np.zeros(pairs)
    for _ in range(TURNS):
        weights = np.column_stack([np.zeros(columns), np.log(one / other)])
        weights[:, MISSING] = 0.0
        weights[against] = np.minimum(weights[against], 0.0)
        odds = logit(share) + sum(weights[place][levels[:, place]] for place in range(columns))
        chances = expit(odds)
        for place, column in enumerate(hits):
            within = np.array([chances[hit].sum() for hit in column])
            without = np.array([hit.sum() for hit in column]) - within + 1.0
            one[place] = (within + PRIOR_PAIRS * M_PRIOR) / (within.sum() + PRIOR_PAIRS)
            other[place] = without / without.sum()
        share = float(np.clip(chances.mean(), LEAST_SHARE, MOST_SHARE)) if pairs else SHARE
    return odds
