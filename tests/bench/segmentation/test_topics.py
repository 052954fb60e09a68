from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse

from bench.segmentation.topics import TopicsConfig, judge_topics

CONFIG = TopicsConfig(topics=(3,), rounds=15)


def bought(size: int = 300, width: int = 24, purchases: int = 20) -> sparse.csr_matrix:
    """Customers of three sorts; each sort buys from eight categories of its own."""
    rng = np.random.default_rng(0)
    rows = [rng.multinomial(purchases, np.repeat(np.eye(3)[n % 3], width // 3) * 3 / width) for n in range(size)]
    nothing = np.zeros((size, 2))  # categories that nobody buys take no place
    return sparse.csr_matrix(np.hstack([nothing, np.array(rows, dtype="float64")]))


def test_topics_are_the_sorts_of_customers_and_predict_what_is_hidden():
    (result,) = judge_topics(bought(), CONFIG)
    assert result.of_all == pytest.approx(24, rel=0.02)  # nothing is known of the sort
    assert result.perplexity == pytest.approx(8, rel=0.1)  # one of eight categories
    assert result.perplexity < result.of_own < result.of_all
    assert result.softness > 0.9
    assert sorted(len({(place - 2) // 8 for place in names}) for names in result.categories) == [1, 1, 1]
    assert sum(result.shares) == pytest.approx(1)


def test_where_all_buy_alike_topics_predict_no_better_than_the_shares_of_all():
    rng = np.random.default_rng(0)
    counts = sparse.csr_matrix(rng.multinomial(20, np.full(24, 1 / 24), 300).astype("float64"))
    (result,) = judge_topics(counts, CONFIG)
    assert result.perplexity > 0.99 * result.of_all


def test_a_handful_is_not_judged():
    assert judge_topics(bought(8), CONFIG) == []
    assert judge_topics(sparse.csr_matrix((0, 0)), CONFIG) == []
