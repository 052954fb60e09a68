"""All candidate pairs of some records, compared."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from features.matching.agreement import Weights, levels_of
from features.matching.chances import log_odds
from features.matching.evidence import evidence
from features.matching.mixture import settling_odds
from features.matching.records import Candidates, Records, candidates

#: of log-odds: all machines order pairs alike
DECIMALS = 6


@dataclass(frozen=True)
class Comparison:
    """Candidates, the level of agreement of each compared column, its weights, evidence (m, d), and log-odds (m,).

    ``by_columns``: the log-odds are of this table's own columns (:mod:`features.matching.mixture`), and need not be
    moved to it; else by all the evidence (:mod:`features.matching.chances`).
    """

    candidates: Candidates
    levels: np.ndarray
    weights: Weights
    evidence: np.ndarray
    odds: np.ndarray
    by_columns: bool


def compare(records: Records) -> Comparison:
    """Compare all candidate pairs of the records."""
    pairs = candidates(records)
    levels, weights = levels_of(records, pairs.pairs), Weights(records)
    weights.learn(levels, pairs.pairs)
    seen = evidence(records, pairs, levels, weights)
    own = settling_odds(records, weights.names, levels, seen)
    odds = log_odds(seen) if own is None else own
    return Comparison(pairs, levels, weights, seen, odds.round(DECIMALS), own is not None)
