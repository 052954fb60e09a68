"""Choosing among treatments by effect and cost, by hand and on a made-up test of three arms."""

from __future__ import annotations

import numpy as np

from bench.measures.treatments import best_treatment, groups, policy_value


def test_groups_and_treatments_follow_the_money():
    effect, without = np.array([0.3, -0.1, 0.01, 0.01]), np.array([0.1, 0.5, 0.9, 0.1])
    assert groups(effect, without, 10, 1).tolist() == ["persuadable", "do not disturb", "sure", "lost"]
    effects = {"mail": np.array([0.1, 0.1, 0.0]), "call": np.array([0.15, 0.9, 0.0])}
    assert best_treatment(effects, 10, {"mail": 0.2, "call": 3.0}).tolist() == ["mail", "call", "none"]


def test_a_policy_is_worth_what_a_test_of_three_arms_says():
    rng = np.random.default_rng(3)
    size = 30_000
    liking = rng.integers(0, 3, size)  # who answers to a letter, to a mail, to nothing
    given = np.array(["none", "letter", "mail"])[rng.integers(0, 3, size)]
    chance = 0.1 + 0.3 * ((liking == 0) & (given == "letter")) + 0.3 * ((liking == 1) & (given == "mail"))
    outcome, costs = (rng.random(size) < chance).astype(int), {"letter": 1.0, "mail": 0.1}
    effects = {arm: np.where(liking == place, 0.3, 0.0) for place, arm in enumerate(("letter", "mail"))}
    chosen = best_treatment(effects, 10.0, costs)
    assert set(chosen[liking == 0]) == {"letter"}
    assert set(chosen[liking == 2]) == {"none"}
    result = policy_value(chosen, given, outcome, 10.0, costs)
    expected = (0.4 * 10 - 1 + 0.4 * 10 - 0.1 + 0.1 * 10) / 3
    assert result.low < expected < result.high
    everybody = policy_value(np.full(size, "mail"), given, outcome, 10.0, costs)
    assert everybody.low < 10 * (0.1 + 0.3 / 3) - 0.1 < everybody.high
    assert everybody.high < result.low
