"""Soft segments: a customer as a mixture of topics, each a way to fill baskets (latent Dirichlet allocation).

n = customers, c = categories, k = topics. The cheap baseline for soft segments, compared with two
without topics: hidden purchases of a customer are predicted from those that are seen.

References: Blei, Ng and Jordan (2003), "Latent Dirichlet Allocation"; Wallach et al. (2009), "Evaluation Methods for
Topic Models" (document completion).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import sparse

#: weight of the base's shares in a customer's own shares; the customers fitted choose
_WEIGHTS = (1.0, 3.0, 10.0, 30.0, 100.0, 300.0)
_NAMED = 3


@dataclass(frozen=True)
class TopicsConfig:
    """Everything that changes the comparison; ``held_out`` is a share of the customers."""

    topics: tuple[int, ...] = (4, 8, 16)
    rounds: int = 20
    held_out: float = 0.25
    seed: int = 20260101


@dataclass(frozen=True)
class Topics:
    """A number of topics, judged on customers who were not fitted.

    Attributes:
        k: topics.
        perplexity: of hidden purchases by the topics of the seen ones; the lower the better, c for pure guessing.
        of_all: the same by the shares of all customers.
        of_own: the same by the customer's own shares, shrunk to those of all.
        softness: mean weight of a customer's strongest topic.
        shares: share of the customers whose strongest topic it is (k,).
        categories: places of the categories that stand out most in each topic (k, 3).
    """

    k: int
    perplexity: float
    of_all: float
    of_own: float
    softness: float
    shares: tuple[float, ...]
    categories: tuple[tuple[int, ...], ...]


def judge_topics(counts: sparse.csr_matrix, config: TopicsConfig) -> list[Topics]:
    """Fit topics and predict hidden purchases of other customers.

    Args:
        counts: baskets that a category was in, by customer (n, c), whole numbers.
        config: numbers of topics.

    Returns:
        One for each number of topics; empty where there are too few customers or categories.
    """
    from sklearn.decomposition import LatentDirichletAllocation

    used_words = np.flatnonzero(np.asarray(counts.sum(axis=0)).ravel() > 0)
    counts = sparse.csr_matrix(counts)[:, used_words]
    if min(counts.shape) < 4 * max(config.topics):
        return []
    rng = np.random.default_rng(config.seed)
    order = rng.permutation(counts.shape[0])
    rest, fitted = np.split(order, [int(config.held_out * len(order))])
    seen, hidden = _halves(counts[rest], rng)
    base = _shares(np.asarray(counts[fitted].sum(axis=0)))
    weight = _weight(*_halves(counts[fitted], rng), base)
    of_all = _perplexity(np.broadcast_to(base, hidden.shape), hidden)
    of_own = _perplexity(_shrunk(seen, base, weight), hidden)
    judgements = []
    for k in config.topics:
        model = LatentDirichletAllocation(k, max_iter=config.rounds, random_state=config.seed, n_jobs=1)
        model.fit(counts[fitted])
        topics, mixture = _shares(model.components_), model.transform(seen)
        strongest = np.bincount(mixture.argmax(axis=1), minlength=k) / len(mixture)
        named = np.argsort(-topics * np.log(topics / base), axis=1, kind="stable")[:, :_NAMED]
        judgements.append(
            Topics(k, _perplexity(mixture @ topics, hidden), of_all, of_own, float(mixture.max(axis=1).mean()),
                   tuple(strongest.tolist()), tuple(tuple(row) for row in used_words[named].tolist()))
        )  # fmt: skip
    return judgements


def _halves(counts: sparse.csr_matrix, rng: np.random.Generator) -> tuple[sparse.csr_matrix, np.ndarray]:
    """Split every customer's purchases at random."""
    seen = counts.copy()
    seen.data = rng.binomial(counts.data.astype("int64"), 0.5).astype("float64")
    return seen, (counts - seen).toarray()


def _shares(counts: np.ndarray) -> np.ndarray:
    """Return shares by row; what never came has a little, so that a logarithm is known."""
    return (counts + 1e-3) / (counts + 1e-3).sum(axis=1, keepdims=True)


def _shrunk(seen: sparse.csr_matrix, base: np.ndarray, weight: float) -> np.ndarray:
    total = np.asarray(seen.sum(axis=1))
    return (seen.toarray() + weight * base) / (total + weight)


def _weight(seen: sparse.csr_matrix, hidden: np.ndarray, base: np.ndarray) -> float:
    """Return the weight of the base's shares that predicts best."""
    return min(_WEIGHTS, key=lambda weight: _perplexity(_shrunk(seen, base, weight), hidden))


def _perplexity(probability: np.ndarray, hidden: np.ndarray) -> float:
    return float(np.exp(-(hidden * np.log(probability)).sum() / max(hidden.sum(), 1)))
