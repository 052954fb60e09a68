from __future__ import annotations

from math import inf

import pytest

from scoring.customers.rule_sentences import sentence
from training.evaluation.metrics import Interval
from training.studies.rule_tree import Condition, TreeRule


@pytest.mark.parametrize(
    ("condition", "words"),
    [
        (Condition("recency_days", 20.5, inf), "last basket more than 20 days ago"),
        (Condition("baskets_84", -inf, 0.5), "no basket in the last 84 days"),
        (Condition("baskets_84", 1.5, 2.5), "2 baskets in the last 84 days"),
        (Condition("baskets_84", 1.5, 4.5), "more than 1 and at most 4 baskets in the last 84 days"),
        (Condition("baskets_84", -inf, 1.5), "at most 1 basket in the last 84 days"),
        (Condition("spend_84", -inf, 120.0), "spent at most 120 in the last 84 days"),
        (Condition("discount_share_84", 0.25, 0.4), 
         "more than 25 % and at most 40 % of list value in discounts over 84 days"),
        (Condition("interval_days", -inf, -5e8), "fewer than two visits"),
        (Condition("interval_days", -5e8, inf), "two visits or more"),
        (Condition("interval_days", -5e8, 9.0), "at most 9 days between baskets on average"),
        (Condition("fish:recency_days", -inf, -5e8), "no such purchase ever"),
        (Condition("stores_84", -5e8, inf), "stores 84 known"),
        (Condition("fish:visits_total", 2.5, inf), "more than 2 visits with such a purchase"),
        (Condition("wine:visits_decay_112", 1.2, inf), "buys wine: more than 1.2 times of late"),
    ],
)  # fmt: skip
def test_a_condition_in_words(condition: Condition, words: str):
    rule = TreeRule((condition,), 1, 0.5, 1, Interval(0.5, 0.4, 0.6), True)
    assert sentence(rule, "fish", {"wine": "buys wine"}) == words


def test_conditions_are_joined_and_none_means_everybody():
    both = (Condition("recency_days", 20.5, inf), Condition("baskets_84", -inf, 2.5))
    result = TreeRule(both, 1, 0.5, 1, Interval(0.5, 0.4, 0.6), True)
    assert sentence(result) == "last basket more than 20 days ago and at most 2 baskets in the last 84 days"
    assert sentence(TreeRule((), 1, 0.5, 1, Interval(0.5, 0.4, 0.6), True)) == "all customers"
