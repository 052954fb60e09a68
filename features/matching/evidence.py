"""The evidence for and against a pair of records being one, as numbers of one scale whatever the table.

m = pairs, d = len(FEATURES).
"""

from __future__ import annotations

import numpy as np

from features.matching.agreement import DIFFERENT, EQUAL, MISSING, NEAR, WEAK, Weights
from features.matching.columns import IDENTIFIERS
from features.matching.records import Candidates, Records
from features.matching.words import CODE_SHARED, WIDTH, compare_words

FEATURES = (
    "cosine", "above_density", "contained", "shared", "word_apart", "words_apart", "code_shared", "code_apart",
    "number_apart", "number_lacking", "model_apart", "code_shared_all", "contained_all", "shared_all",
    "agreement", "disagreement", "identifier_equal", "identifier_near", "identifier_apart",
    "identifiers_refuse", "agreeing",
)  # fmt: skip


def evidence(records: Records, candidates: Candidates, levels: np.ndarray, weights: Weights) -> np.ndarray:
    """Return the evidence of each pair; float32 (m, d)."""
    pairs, n = candidates.pairs, len(records.table)
    title, words = compare_words(records.title, pairs), compare_words(records.words, pairs)
    bits = weights.of(levels, pairs)
    scale = np.log2(max(n, 4))
    named = np.array([records.kinds[name] in IDENTIFIERS for name in weights.names], bool)
    identifier, its_bits = levels[:, named], bits[:, named]
    # an e-mail with another number, or a code with two other letters, is half of another
    apart = (identifier == DIFFERENT).sum(axis=1) + 0.5 * (identifier == WEAK).sum(axis=1)
    near = 2 * candidates.cosine - candidates.density[pairs[:, 0]] - candidates.density[pairs[:, 1]]
    columns = [
        candidates.cosine, near, *(title[:, place] for place in range(WIDTH)), words[:, CODE_SHARED], words[:, 0],
        words[:, 1],
        np.clip(bits, 0, None).sum(axis=1) / scale,
        np.clip(-bits, 0, None).sum(axis=1) / 10,
        np.where(identifier == EQUAL, its_bits, 0).max(axis=1, initial=0) / scale,
        (identifier == NEAR).any(axis=1),
        apart,
        np.where((identifier == EQUAL).any(axis=1) | (identifier == NEAR).any(axis=1), 0, apart),
        ((levels == EQUAL) | (levels == NEAR)).sum(axis=1) / np.maximum((levels != MISSING).sum(axis=1), 1),
    ]  # fmt: skip
    return np.stack([np.asarray(column, np.float32) for column in columns], axis=1)
