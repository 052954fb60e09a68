from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from training.studies.rule_tree import Condition, RuleConfig, rule_tree

CONFIG = RuleConfig(resamples=5)
INPUTS = ("recency", "spend", "noise")


def window(seed: int, turned: bool = False, size: int = 2000) -> pd.DataFrame:
    """Who has been away for more than 20 days leaves half of the time, others hardly ever; or the other way round."""
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {"recency": rng.integers(0, 40, size), "spend": rng.gamma(2, 50, size), "noise": rng.random(size)}
    )
    away = (frame["recency"] > 20) != turned
    return frame.assign(left=rng.random(size) < np.where(away, 0.5, 0.05), customer_id=np.arange(size))


def test_a_rule_that_is_there_is_found_and_held():
    result = rule_tree(window(1), window(2), INPUTS, "left", CONFIG)
    assert result is not None
    assert (result.first, result.stability) == ("recency", 1.0)
    worst = result.rules[0]
    assert worst.conditions[0].column == "recency"
    assert worst.conditions[0].low == pytest.approx(20, abs=1)
    assert worst.held
    assert worst.checked.low > result.checked_base_rate
    assert worst.checked.low < 0.5 < worst.checked.high  # on fitted rows the highest leaf flatters itself


def test_rules_share_the_customers_out():
    fitted, check = window(1), window(2)
    result = rule_tree(fitted, check, INPUTS, "left", CONFIG)
    assert result is not None
    assert sum(rule.rows for rule in result.rules) == len(fitted)
    assert sum(rule.checked_rows for rule in result.rules) == len(check)
    assert sum(rule.rows * rule.rate for rule in result.rules) == pytest.approx(fitted["left"].sum())
    assert [rule.rate for rule in result.rules] == sorted((rule.rate for rule in result.rules), reverse=True)


def test_a_rule_that_turns_round_does_not_hold():
    result = rule_tree(window(1), window(2, turned=True), INPUTS, "left", CONFIG)
    assert result is not None
    assert not any(rule.held for rule in result.rules)


def test_without_a_difference_there_is_no_rule_and_noise_is_unstable():
    same = window(1).assign(left=False)
    assert rule_tree(same, same, INPUTS, "left", CONFIG) is None
    rng = np.random.default_rng(3)
    noise = pd.DataFrame(rng.random((2000, 8)), columns=list("abcdefgh")).assign(customer_id=np.arange(2000))
    noise["left"] = rng.random(2000) < 0.3
    result = rule_tree(noise, noise.assign(left=rng.permutation(noise["left"])), list("abcdefgh"), "left", RuleConfig())
    assert result is not None
    assert result.stability < 0.7
    assert sum(rule.held for rule in result.rules) <= 1


def test_an_unknown_value_counts_as_lowest():
    frame = pd.DataFrame({"x": [np.nan, 1.0, 5.0]})
    assert Condition("x", -np.inf, 3.0).holds(frame).tolist() == [True, True, False]
    assert Condition("x", 0.0, 3.0).holds(frame).tolist() == [False, True, False]
