"""Records of one table that describe the same thing, without labels, in time that is linear in the records.

Equal records are one from the start. The chance of each pair of the others comes from all the evidence
(:mod:`features.matching.chances`), the clusters from the chances (:mod:`features.matching.clusters`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.special import logit

from features.matching.chances import SHARE_OF_CANDIDATES, settled
from features.matching.clusters import linked
from features.matching.columns import Kind, kinds_of
from features.matching.comparison import compare
from features.matching.records import normalised_column, prepare


@dataclass(frozen=True)
class Groups:
    """For n records: int64 first row of the cluster of each, and float64 confidence that it belongs there, 0..1."""

    centres: np.ndarray
    confidence: np.ndarray
    threshold: float


def group(given: pd.DataFrame | Sequence[str], kinds: dict[str, Kind] | None = None) -> Groups:
    """Group the records of a table that are one.

    Args:
        given: a table of strings, "" where missing; or one text a record. An empty record stays alone.
        kinds: kind of each column; None: found by looking.

    Returns:
        The clusters; the confidence of a record is the mean chance of its compared pairs within its cluster, 1 where it
        is alone or equal to all others.
    """
    table = given if isinstance(given, pd.DataFrame) else pd.DataFrame({"text": list(given)}, dtype="string")
    n = len(table)
    if n < 2:
        return Groups(np.arange(n), np.ones(n), 1.0)
    table, kinds = table.reset_index(drop=True), kinds or kinds_of(table)
    distinct, rows = _distinct(table, kinds)
    if len(distinct) < 2:
        return Groups(_first(rows), np.ones(n), 1.0)
    comparison = compare(prepare(table.iloc[distinct].reset_index(drop=True), kinds=kinds))
    pairs = comparison.candidates.pairs
    chances, threshold = settled(comparison.odds, None if comparison.by_columns else SHARE_OF_CANDIDATES)
    held = np.clip(chances, 1e-9, 1 - 1e-9)
    clusters = linked(len(distinct), pairs, logit(held) - logit(threshold))
    within = clusters[pairs[:, 0]] == clusters[pairs[:, 1]]
    sums, counts = np.zeros(len(distinct)), np.zeros(len(distinct))
    for side in range(2):
        np.add.at(sums, pairs[within, side], chances[within])
        np.add.at(counts, pairs[within, side], 1)
    confidence = np.where(counts > 0, sums / np.maximum(counts, 1), 1.0)
    return Groups(_first(clusters[rows]), confidence[rows], threshold)


def _distinct(table: pd.DataFrame, kinds: dict[str, Kind]) -> tuple[np.ndarray, np.ndarray]:
    """Return a row for each distinct record, and for each record its place among them; empty ones are distinct."""
    columns = [normalised_column(table[name], kinds[name]) for name in kinds]
    whole = columns[0].astype(str)
    for column in columns[1:]:
        whole = whole + "\0" + column.astype(str)
    empty = whole.str.strip("\0 ") == ""
    whole = whole.where(~empty, "\0" + pd.Series(np.arange(len(table)).astype(str)))
    codes, _ = pd.factorize(whole)
    _, first = np.unique(codes, return_index=True)
    return first, codes


def _first(clusters: np.ndarray) -> np.ndarray:
    """Return the first row of each record's cluster; int64 (n,)."""
    _, first, back = np.unique(clusters, return_index=True, return_inverse=True)
    return first[back].astype(np.int64)
