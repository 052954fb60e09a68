"""Matches between two catalogues that hold no duplicates themselves, without labels.

Every record is one text of all its fields. Similarity is the cosine of TF-IDF weighted character n-grams within words
(3 to 5 letters, sublinear counts), corrected for hubs by the mean similarity to the nearest neighbours of both sides
(CSLS: Conneau et al. 2018, "Word translation without parallel data"). Since neither side has duplicates, the matches
are the one-to-one assignment with the greatest total similarity (Kuhn 1955).

The threshold needs no labels. The assignment is made again with all its pairs forbidden; that shows what similarity
records get that have no counterpart. From the share of non-matches that the lower end of the scores implies (Storey
2002, "A direct approach to false discovery rates") follow expected precision and recall of each threshold; the one of
the greatest expected F1 is taken.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import linear_sum_assignment
from sklearn.feature_extraction.text import TfidfVectorizer

#: cells of the similarity matrix up to which the assignment is exact; beyond, pairs are taken greedily
EXACT_CELLS = 60_000_000
_FORBIDDEN = -10.0


@dataclass(frozen=True)
class TwoSourcesConfig:
    """Settings of :func:`match`; ``neighbours`` are those whose mean similarity corrects for hubs."""

    shortest: int = 3
    longest: int = 5
    neighbours: int = 5


@dataclass(frozen=True)
class Matches:
    """Rows of the left and right records that match (int64), their scores, the threshold, and the expected F1."""

    left: np.ndarray
    right: np.ndarray
    scores: np.ndarray
    threshold: float
    expected_f1: float


def match(left: Sequence[str], right: Sequence[str], config: TwoSourcesConfig | None = None) -> Matches:
    """Match two lists of records, each record one text.

    Memory is 8 bytes for each pair of records: for some ten thousand records a side, not for a web catalogue.

    Raises:
        ValueError: a side is empty.
    """
    config = config or TwoSourcesConfig()
    if not len(left) or not len(right):
        raise ValueError(f"both sides need records; have {len(left)} and {len(right)}")
    scores = _similarity([normal(text) for text in left], [normal(text) for text in right], config)
    rows, columns = _assigned(scores)
    found = scores[rows, columns].copy()
    scores[rows, columns] = _FORBIDDEN
    other_rows, other_columns = _assigned(scores)
    null = scores[other_rows, other_columns]
    threshold, expected = choose_threshold(found, null[null > _FORBIDDEN])
    kept = found >= threshold
    return Matches(rows[kept], columns[kept], found[kept], threshold, expected)


def normal(text: str) -> str:
    """Lower-case a text, drop accents, and leave letters and digits.

    >>> normal("Ёлка «Café» 1,5 л")
    'елка cafe 1 5 л'
    """
    plain = unicodedata.normalize("NFKD", text.lower().replace("й", "\0"))
    plain = "".join(letter for letter in plain if not unicodedata.combining(letter)).replace("\0", "й")
    return " ".join(re.findall(r"[^\W_]+", plain))


def choose_threshold(found: np.ndarray, null: np.ndarray) -> tuple[float, float]:
    """Return the threshold with the greatest expected F1, and that F1.

    Args:
        found: scores of the assigned pairs, matches and non-matches mixed.
        null: scores that records get without their counterpart.
    """
    if not len(null):
        return float(found.min()), 1.0
    low = np.median(null)
    share = min(1.0, (found <= low).mean() / max((null <= low).mean(), 1e-9))
    matches = max(1.0, (1.0 - share) * len(found))
    levels = np.sort(found)
    kept = len(levels) - np.arange(len(levels))
    wrong = share * len(found) * (1.0 - np.searchsorted(np.sort(null), levels, side="left") / len(null))
    right = np.clip(np.minimum(kept - wrong, matches), 0, None)
    expected = 2 * right / (kept + matches)
    best = int(expected.argmax())
    return float(levels[best]), float(expected[best])


def _similarity(left: list[str], right: list[str], config: TwoSourcesConfig) -> np.ndarray:
    grams = TfidfVectorizer(
        analyzer="char_wb", ngram_range=(config.shortest, config.longest), sublinear_tf=True, dtype=np.float32
    ).fit([*left, *right])
    cosine = (grams.transform(left) @ grams.transform(right).T).toarray()
    near = min(config.neighbours, *cosine.shape)
    rows = np.partition(cosine, -near, axis=1)[:, -near:].mean(axis=1)
    columns = np.partition(cosine, -near, axis=0)[-near:].mean(axis=0)
    return 2 * cosine - rows[:, None] - columns[None]


def _assigned(scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    if scores.size <= EXACT_CELLS:
        return linear_sum_assignment(scores, maximize=True)
    order = np.argsort(-scores, axis=None, kind="stable")
    rows, columns = np.unravel_index(order, scores.shape)
    free_row, free_column = np.ones(scores.shape[0], bool), np.ones(scores.shape[1], bool)
    pairs = []
    for row, column in zip(rows, columns, strict=True):
        if free_row[row] and free_column[column]:
            free_row[row] = free_column[column] = False
            pairs.append((row, column))
            if len(pairs) == min(scores.shape):
                break
    taken = np.array(sorted(pairs))
    return taken[:, 0], taken[:, 1]
