"""Repeat rates of a young company: calibrated on what came, whatever the length of the history."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from training.rankers.repeat_rates import LEAST_EVENTS, fit, probability


def counts(rows: list[tuple[int, int, int, int, int]]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["baskets", "weeks_since_last", "weeks_since_first", "pairs", "repeated"])


def test_one_purchase_is_no_habit_and_many_are():
    # 1,000 pairs bought once, 63 of them again; 100 bought ten times, 80 of them again
    rates = fit(counts([(1, 3, 3, 1000, 63), (10, 0, 8, 100, 80)]), 28)
    once, often = probability(rates, np.array([[1, 3, 3], [10, 0, 8]]), 28)
    assert once == pytest.approx(0.063, abs=0.003)
    assert often == pytest.approx(0.80, abs=0.02)


def test_expected_repeats_are_those_that_came():
    generator = np.random.default_rng(5)
    rows = []
    for _ in range(300):
        baskets, last, extra = (
            int(generator.integers(1, 20)),
            int(generator.integers(0, 10)),
            int(generator.integers(0, 5)),
        )
        pairs = int(generator.integers(5, 60))
        share = 1 / (1 + np.exp(2.5 - 1.2 * np.log1p(baskets) + 0.8 * np.log1p(last)))
        rows.append((baskets, last, last + extra, pairs, int(generator.binomial(pairs, share))))
    table = counts(rows)
    expected = probability(fit(table, 28), table[["baskets", "weeks_since_last", "weeks_since_first"]].to_numpy(), 28)
    for tenth in np.array_split(np.argsort(expected), 10):
        came, of = table["repeated"].to_numpy()[tenth].sum(), table["pairs"].to_numpy()[tenth]
        share = (expected[tenth] * of).sum() / of.sum()
        error = 3 * np.sqrt(share * (1 - share) / of.sum())
        assert came / of.sum() == pytest.approx(share, abs=error)


def test_hardly_any_repeat_gives_the_shrunken_share_to_all():
    rates = fit(counts([(1, 1, 1, 80, LEAST_EVENTS - 16)]), 28)
    both = probability(rates, np.array([[1, 1, 1], [9, 0, 5]]), 28)
    assert both == pytest.approx([0.05, 0.05])  # (4 + 1) / (80 + 20)
    assert probability(fit(counts([]), 28), np.array([[3, 0, 0]]), 28) == pytest.approx([0.05])


def test_rates_of_a_shorter_stretch_are_carried_to_the_horizon():
    rates = fit(counts([(1, 1, 1, 80, 4)]), 14)
    assert probability(rates, np.array([[1, 1, 1]]), 28) == pytest.approx([1 - 0.95**2])
