"""The propensity of a night without rankers, by hand and against the rates it is made of."""

from __future__ import annotations

import numpy as np
import pytest

from scoring.offers.untrained import with_learnt_propensity
from training.rankers.repeat_rates import RepeatRates, probability

pytestmark = pytest.mark.spark
RATES = RepeatRates(-2.0, (1.5, -0.7, 0.2), 500, 14)
CANDIDATE = (
    "customer_id string, pair_baskets_total double, pair_days_since_last double, pair_days_since_first double, "
    "type_new_share_28 double, type_popularity_28 double"
)


def test_repeats_have_the_learnt_rate_and_news_the_share_of_new_buyers(rows):
    frame = rows(
        CANDIDATE,
        ("often", 12.0, 3.0, 80.0, 0.01, 0.3),
        ("long ago", 900.0, 4000.0, 4000.0, 0.01, 0.3),  # counted as the most baskets and weeks there are
        ("new", None, None, None, 0.01, 0.3),
        ("new, no share", None, None, None, float("nan"), 0.3),
        ("nothing is known", None, None, None, None, None),
    )
    made = {row["customer_id"]: row["propensity"] for row in with_learnt_propensity(frame, RATES, 28).collect()}
    often, ago = probability(RATES, np.array([[12, 0, 11], [20, 52, 52]]), 28)
    assert made == pytest.approx(
        {"often": often, "long ago": ago, "new": 0.01, "new, no share": 0.3, "nothing is known": 0.0}
    )


def test_rankers_for_all_need_no_rates(rows):
    frame = rows(CANDIDATE, ("c", 1.0, 1.0, 1.0, 0.1, 0.1))
    assert with_learnt_propensity(frame, None, 28).collect()[0]["propensity"] is None
