"""Records of two tables that describe the same thing, without labels.

The log-odds of each pair come from all the evidence (:mod:`features.matching.chances`). The matches are among the
one-to-one assignment with the greatest total log-odds (Kuhn 1955); a pair that leads its rivals clearly is surer than
one that does not. Records that are left over are matched with their best if a side holds many things several times.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import min_weight_full_bipartite_matching

from features.matching.chances import SHARE_OF_ASSIGNED, SHARE_OF_CANDIDATES, against_rivals, assigned_log_odds, settled
from features.matching.columns import Kind, kinds_of
from features.matching.comparison import compare
from features.matching.records import prepare

#: a side repeats itself from so many left-over records with a match on, as a share of all matches
REPEATS = 0.1
#: least chance of a left-over record's match
LEFT_OVER = 0.5
_HIGHEST, _ALONE = 40.0, 200.0


@dataclass(frozen=True)
class Matches:
    """Rows of the left and right records that match (int64), and confidence: the chance of a match.

    ``repeats`` names the sides that hold a record several times; ``expected_f1`` is what the chances promise.
    """

    left: np.ndarray
    right: np.ndarray
    confidence: np.ndarray
    threshold: float
    expected_f1: float
    repeats: tuple[str, ...]


def match(
    left: pd.DataFrame | Sequence[str], right: pd.DataFrame | Sequence[str], kinds: dict[str, Kind] | None = None
) -> Matches:
    """Match two tables.

    Args:
        left: a table of strings, "" where missing; or one text a record.
        right: the same; only columns of the same name are compared.
        kinds: kind of each common column; None: found by looking.

    Raises:
        ValueError: a side is empty, or they have no column in common.
    """
    if not len(left) or not len(right):
        raise ValueError(f"both sides need records; have {len(left)} and {len(right)}")
    sides = [
        side if isinstance(side, pd.DataFrame) else pd.DataFrame({"text": list(side)}, dtype="string")
        for side in (left, right)
    ]
    common = [name for name in sides[0].columns if name in sides[1].columns]
    if not common:
        raise ValueError(f"no column in common; have {list(sides[0].columns)} and {list(sides[1].columns)}")
    table = pd.concat([side[common] for side in sides], ignore_index=True)
    comparison = compare(prepare(table, len(sides[0]), kinds or kinds_of(table)))
    pairs, odds = comparison.candidates.pairs, comparison.odds
    pairs = pairs - np.array([0, len(sides[0])])
    chosen = assigned(pairs, odds, len(sides[0]), len(sides[1]))
    chances = np.zeros(len(pairs))
    if comparison.by_columns:
        alone, _ = settled(odds, None)
        chances[chosen], threshold = settled(odds[chosen], None)
    else:
        alone, _ = settled(odds, SHARE_OF_CANDIDATES)
        chances[chosen], threshold = settled(assigned_log_odds(against_rivals(pairs, odds)[chosen]), SHARE_OF_ASSIGNED)
    kept = chosen & (chances >= threshold)
    repeats = []
    for name, side in (("left", 0), ("right", 1)):
        more = _left_over(pairs, np.where(alone >= LEFT_OVER, alone, 0.0), kept, side)
        if more.sum() > REPEATS * kept.sum():
            repeats.append(name)
            chances[more] = alone[more]
            kept = kept | more
    sums = chances[kept].sum()
    expected = 2 * sums / max(kept.sum() + chances.sum(), 1e-9)
    return Matches(pairs[kept, 0], pairs[kept, 1], chances[kept], threshold, float(min(expected, 1.0)), tuple(repeats))


def assigned(pairs: np.ndarray, odds: np.ndarray, n: int, m: int) -> np.ndarray:
    """Tell which pairs the one-to-one assignment of greatest total log-odds takes; bool (pairs,).

    Args:
        pairs: int64 (p, 2) rows of the left and the right, in order.
        odds: (p,).
        n: records of the left.
        m: records of the right.
    """
    taken = np.zeros(len(pairs), bool)
    if not len(pairs):
        return taken
    # each record of the left may also stay alone, at a cost above that of any pair
    costs = np.concatenate([_HIGHEST + 1 - np.clip(odds, -_HIGHEST, _HIGHEST), np.full(n, _ALONE)])
    rows = np.concatenate([pairs[:, 0], np.arange(n)])
    columns = np.concatenate([pairs[:, 1], m + np.arange(n)])
    rows, columns = min_weight_full_bipartite_matching(csr_matrix((costs, (rows, columns)), shape=(n, m + n)))
    rows, columns = rows[columns < m].astype(np.int64), columns[columns < m].astype(np.int64)
    taken[np.searchsorted(pairs[:, 0] * m + pairs[:, 1], rows * m + columns)] = True
    return taken


def _left_over(pairs: np.ndarray, chances: np.ndarray, kept: np.ndarray, side: int) -> np.ndarray:
    """Tell the best pair of each record of a side that has no match and a pair with a chance; bool (pairs,)."""
    left_over = np.zeros(len(pairs), bool)
    if not len(pairs):
        return left_over
    free = np.ones(pairs[:, side].max() + 1, bool)
    free[pairs[kept, side]] = False
    rows = np.flatnonzero(free[pairs[:, side]] & (chances > 0))
    order = rows[np.lexsort((pairs[rows, 1 - side], -chances[rows], pairs[rows, side]))]
    first = np.ones(len(order), bool)
    first[1:] = pairs[order[1:], side] != pairs[order[:-1], side]
    left_over[order[first]] = True
    return left_over
