"""What speaks for and against two records being one, in words. Values of the records are not repeated."""

from __future__ import annotations

import numpy as np

from features.matching.agreement import DIFFERENT, EQUAL, MISSING, NEAR
from features.matching.comparison import Comparison
from features.matching.evidence import FEATURES
from features.matching.records import Records

_LEVELS = {EQUAL: "equal", NEAR: "nearly equal", DIFFERENT: "different", MISSING: "missing on a side"}


def explain(records: Records, comparison: Comparison, row: int) -> list[str]:
    """Return a line for each piece of evidence of a candidate pair.

    Args:
        records: the records.
        comparison: of their candidates.
        row: of the pair among the candidates.
    """
    seen = dict(zip(FEATURES, comparison.evidence[row].tolist(), strict=True))
    bits = comparison.weights.of(comparison.levels[[row]], comparison.candidates.pairs[[row]])[0]
    lines = [
        f"{name} ({records.kinds[name]}): {_LEVELS.get(int(level), 'somewhat alike')}, {weight:+.1f} bits"
        for name, level, weight in zip(comparison.weights.names, comparison.levels[row], bits, strict=True)
        if level != MISSING
    ]
    said = [
        (True, f"for: texts are {seen['cosine']:.0%} alike by their letters"),
        (True, f"for: {seen['contained']:.0%} of the words of the lighter title stand in the other, by weight"),
        (seen["code_shared"] > 0, "for: the titles share a code"),
        (seen["code_shared_all"] > seen["code_shared"], "for: the texts share a code"),
        (seen["identifier_equal"] > 0, "for: an identifier is equal"),
        (seen["identifier_apart"] > 0, f"against: {seen['identifier_apart']:.0f} identifier(s) differ"),
        (seen["code_apart"] > 0, "against: either title has a code that the other lacks"),
        (seen["number_apart"] > 0, "against: either title has a number or size that the other lacks"),
        (seen["number_lacking"] > 0, "against: one title has a number or size that the other lacks"),
        (seen["model_apart"] > 0, "against: one names another model, or is without what the other is with"),
        (seen["word_apart"] > 0, "against: either title has a word that the other lacks"),
    ]
    return [*lines, *(line for holds, line in said if holds)]


def row_of(comparison: Comparison, one: int, other: int) -> int | None:
    """Return the row of a pair of records among the candidates, None where they were not compared."""
    pairs = comparison.candidates.pairs
    rows = np.flatnonzero((pairs == [min(one, other), max(one, other)]).all(axis=1))
    return int(rows[0]) if len(rows) else None
