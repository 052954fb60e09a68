"""How far the columns of two records agree, and the weight of that: Fellegi and Sunter (1969).

A column of a pair is at one of :data:`LEVELS`. Its weight is the binary logarithm of how much more often that level is
seen in pairs that are one (m) than in pairs at random (u): for equal values u is how frequent the value is, else it is
counted in pairs drawn at random. m begins with :data:`M_PRIOR` and is fitted by expectation maximisation without
labels, in which the prior counts as ``PRIOR_PAIRS`` pairs (Winkler 2000; Enamorado, Fifield and Imai 2019).
"""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
from rapidfuzz import process
from rapidfuzz.distance import OSA, Indel, JaroWinkler

from features.matching.columns import IDENTIFIERS, Kind
from features.matching.records import Records

MISSING, EQUAL, NEAR, WEAK, DIFFERENT = LEVELS = range(5)
#: share of true pairs at each level from EQUAL on, before anything is learnt, and the pairs this counts as
M_PRIOR, PRIOR_PAIRS = np.array([0.75, 0.12, 0.05, 0.08]), 50.0
#: pairs drawn at random for u, and their seed
RANDOM_PAIRS, SEED = 50_000, 20260101
#: rounds of expectation maximisation
TURNS = 5
_NEAR_NAME, _WEAK_NAME = 0.92, 0.82


def compared_columns(records: Records) -> list[str]:
    """Return the columns whose values are compared as a whole: all but descriptions and a single title."""
    names = [name for name, kind in records.kinds.items() if kind != Kind.DESCRIPTION]
    first = next((name for name in names if records.kinds[name] == Kind.TITLE), None)
    return [name for name in names if name != first]


def levels_of(records: Records, pairs: np.ndarray) -> np.ndarray:
    """Return the level of agreement of each compared column of each pair; uint8 (m, columns)."""
    names = compared_columns(records)
    out = np.zeros((len(pairs), len(names)), np.uint8)
    for place, name in enumerate(names):
        codes, values = pd.factorize(records.table[name])
        left, right = codes[pairs[:, 0]], codes[pairs[:, 1]]
        keys, back = np.unique(np.minimum(left, right) * len(values) + np.maximum(left, right), return_inverse=True)
        levels = _levels(values.to_numpy(object), keys // len(values), keys % len(values), records.kinds[name])
        out[:, place] = levels[back]
    return out


def _levels(values: np.ndarray, left: np.ndarray, right: np.ndarray, kind: Kind) -> np.ndarray:
    """Return the level of each pair of distinct values."""
    one, other = values[left].tolist(), values[right].tolist()
    empty = np.array([value == "" for value in values], bool)
    if kind in IDENTIFIERS or kind in (Kind.DATE, Kind.NUMBER):
        edits = np.asarray(process.cpdist(one, other, scorer=OSA.distance, score_cutoff=4))
        length = np.array([min(len(a), len(b)) for a, b in zip(one, other, strict=True)])
        near, weak = (edits <= 1) & (length >= 4), (edits <= 2) & (length >= 7)
        if kind == Kind.EMAIL:  # with another number it is another person's of that name
            same_digits = np.array(
                [re.sub(r"\D", "", a) == re.sub(r"\D", "", b) for a, b in zip(one, other, strict=True)], bool
            )
            near = weak & same_digits
            weak = ((edits <= 3) & (length >= 7) & same_digits) | np.array(
                [a.split("@")[0] == b.split("@")[0] for a, b in zip(one, other, strict=True)], bool
            )
        if kind == Kind.DATE:
            near |= np.array([sorted(a) == sorted(b) for a, b in zip(one, other, strict=True)], bool)
    else:
        alike = np.asarray(process.cpdist(one, other, scorer=JaroWinkler.similarity))
        words = ["".join(sorted(value.split())) for value in values]
        turned = process.cpdist(
            [words[row] for row in left], [words[row] for row in right], scorer=Indel.normalized_similarity
        )
        near = (alike >= _NEAR_NAME) | (np.asarray(turned) >= _NEAR_NAME)
        weak = alike >= _WEAK_NAME
        weak |= np.array([bool(set(a.split()) & set(b.split())) for a, b in zip(one, other, strict=True)], bool)
    level = np.where(left == right, EQUAL, np.where(near, NEAR, np.where(weak, WEAK, DIFFERENT)))
    return np.where(empty[left] | empty[right], MISSING, level).astype(np.uint8)


class Weights:
    """Weights of agreement of the compared columns, in bits."""

    def __init__(self, records: Records) -> None:
        """Count u among values and pairs at random; m is the prior."""
        self.records, self.names = records, compared_columns(records)
        n, split = len(records.table), records.split
        rng = np.random.default_rng(SEED)
        if records.two:
            drawn = np.stack([rng.integers(0, split, RANDOM_PAIRS), rng.integers(split, n, RANDOM_PAIRS)], axis=1)
        else:
            drawn = rng.integers(0, n, (RANDOM_PAIRS, 2))
        drawn = drawn[drawn[:, 0] != drawn[:, 1]]
        levels = levels_of(records, drawn) if len(drawn) else np.zeros((0, len(self.names)), np.uint8)
        counts = np.stack([(levels == level).sum(axis=0) for level in LEVELS[1:]], axis=1) + 0.5
        self.u = counts / counts.sum(axis=1, keepdims=True)
        self.m = np.tile(M_PRIOR, (len(self.names), 1))
        # how frequent each record's value is
        self.frequency = np.ones((n, len(self.names)), np.float32)
        for place, name in enumerate(self.names):
            column = records.table[name]
            size = column.map(column.value_counts()).to_numpy(np.float32)
            self.frequency[:, place] = size / max(int((column != "").sum()), 1)

    def fit(self, levels: np.ndarray, chance: np.ndarray) -> None:
        """Take m from the levels of pairs (m, columns) and their chances to be one (m,)."""
        for place in range(len(self.names)):
            counts = np.array([chance[levels[:, place] == level].sum() for level in LEVELS[1:]])
            self.m[place] = (counts + PRIOR_PAIRS * M_PRIOR) / (counts.sum() + PRIOR_PAIRS)

    def learn(self, levels: np.ndarray, pairs: np.ndarray) -> None:
        """Fit m by expectation maximisation over candidate pairs; as many are one at first as there are records."""
        n = len(self.records.table)
        for _ in range(TURNS):
            bits = self.of(levels, pairs).sum(axis=1).astype(np.float64)
            self.fit(levels, 1.0 / (1.0 + np.exp2(np.clip(np.log2(n) - bits + 2, -60, 60))))

    def of(self, levels: np.ndarray, pairs: np.ndarray) -> np.ndarray:
        """Return the weight of each column of each pair in bits, 0 where a value is missing; float32 (m, columns)."""
        out = np.zeros(levels.shape, np.float32)
        for place in range(len(self.names)):
            table = np.concatenate([[0.0], np.log2(self.m[place] / self.u[place])])
            out[:, place] = table[levels[:, place]]
            equal = levels[:, place] == EQUAL
            frequency = self.frequency[pairs[equal, 0], place]
            out[equal, place] = np.log2(self.m[place, 0] / frequency)
        return out
