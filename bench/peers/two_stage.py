"""Two stages: several recommenders bring candidates, one ranker that learnt from earlier windows orders them.

The ranker is trained on windows that ended before: candidates and features are those of the window's first day, labels
what was bought in it. Discoveries may be ranked by a model of their own, whose candidates are items not yet bought.

Reference: Ke et al. (2017), "LightGBM: A Highly Efficient Gradient Boosting Decision Tree", NeurIPS.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy import sparse

from bench.measures.top_lists import top_lists
from bench.peers.pair_features import Pairs
from bench.peers.recommender import Recommender, only_own
from training.classifiers.trees import TreesConfig

#: what the ranker is fitted with where nothing else is said
RANKER = TreesConfig(leaves=31, rounds=150, learning_rate=0.08, min_rows=200, inputs_share=0.5)
#: the same for discoveries: small trees, for the signal is weak and the noise is not
NEW_RANKER = TreesConfig(leaves=7, rounds=200, learning_rate=0.05, min_rows=1000, inputs_share=0.5, l2=20.0)


def candidate_pairs(
    sources: Sequence[tuple[Recommender, int]], users: np.ndarray, excluded: sparse.csr_matrix | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Return the pairs (n,), (n,) that any source ranks among its best, by user and item.

    Args:
        sources: recommenders and how many candidates each gives a user.
        users: (u,) rows that get candidates.
        excluded: items that are no candidates for a user.
    """
    return united(source_pairs(sources, users, excluded), sources[0][0].shape[1])


def source_pairs(
    sources: Sequence[tuple[Recommender, int]], users: np.ndarray, excluded: sparse.csr_matrix | None = None
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return the pairs (n,), (n,) of each source; arguments as :func:`candidate_pairs`."""
    pairs = []
    for model, most in sources:
        lists = top_lists(model, users, most, excluded)
        row, place = np.nonzero(lists >= 0)
        pairs.append((users[row], lists[row, place]))
    return pairs


def united(parts: Sequence[tuple[np.ndarray, np.ndarray]], width: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the pairs that are in any part, by user and item; ``width`` is the number of items."""
    keys = np.unique(np.concatenate([row * width + column for row, column in parts]))
    return keys // width, keys % width


def candidate_recall(row: np.ndarray, column: np.ndarray, truth: sparse.csr_matrix) -> float:
    """Return the share of the truth (u, i) that is among the candidates: what no ranker can exceed."""
    chosen = sparse.csr_matrix((np.ones(len(row), dtype="float32"), (row, column)), shape=truth.shape)
    return float(chosen.multiply(truth).sum() / max(truth.sum(), 1))


def labels(pairs: Pairs, truth: sparse.csr_matrix) -> np.ndarray:
    """Return whether each pair was bought (n,)."""
    return np.asarray(truth[pairs.row, pairs.column]).ravel() > 0


def of_buyers(pairs: Pairs, truth: sparse.csr_matrix) -> tuple[Pairs, np.ndarray]:
    """Return the pairs of the users who buy in the window, with their labels: what to rank, not whether they come."""
    kept = (np.diff(truth.indptr) > 0)[pairs.row]
    part = Pairs(pairs.row[kept], pairs.column[kept], pairs.names, pairs.values[kept])
    return part, labels(part, truth)


def fit_ranker(windows: Sequence[tuple[Pairs, np.ndarray]], config: TreesConfig) -> Any:
    """Fit gradient-boosted trees on the pairs and labels of earlier windows and return the booster.

    Raises:
        ValueError: the windows have different features.
    """
    import lightgbm

    names = windows[0][0].names
    if any(pairs.names != names for pairs, _ in windows):
        raise ValueError(f"all windows need the features {names}")
    x, y = np.concatenate([pairs.values for pairs, _ in windows]), np.concatenate([label for _, label in windows])
    plain = [re.sub(r"\W", "_", name) for name in names]  # LightGBM refuses commas and the like
    return lightgbm.train(config.parameters(), lightgbm.Dataset(x, y.astype(float), feature_name=plain), config.rounds)


def ranked(booster: Any, pairs: Pairs, shape: tuple[int, int], name: str = "two stages") -> Recommender:
    """Return the recommender whose score is the probability of a candidate, and 0 of anything else."""
    probability = booster.predict(pairs.values).astype("float32")
    return only_own(name, sparse.csr_matrix((probability, (pairs.row, pairs.column)), shape=shape))
