"""All candidate pairs of some records, compared."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from features.matching.agreement import Weights, levels_of
from features.matching.chances import log_odds
from features.matching.evidence import evidence
from features.matching.records import Candidates, Records, candidates

#: of log-odds
DECIMALS = 6


@dataclass(frozen=True)
class Comparison:
    """Candidates, the level of agreement of each compared column, its weights, and evidence (m, d)."""

    candidates: Candidates
    levels: np.ndarray
    weights: Weights
    evidence: np.ndarray

    @property
    def odds(self) -> np.ndarray:
        """Log-odds of each candidate pair by its evidence, rounded so that all machines order them alike; (m,)."""
        return log_odds(self.evidence).round(DECIMALS)


def compare(records: Records) -> Comparison:
    """Compare all candidate pairs of the records."""
    pairs = candidates(records)
    levels, weights = levels_of(records, pairs.pairs), Weights(records)
    weights.learn(levels, pairs.pairs)
    return Comparison(pairs, levels, weights, evidence(records, pairs, levels, weights))
