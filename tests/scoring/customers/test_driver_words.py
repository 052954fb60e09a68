from __future__ import annotations

import numpy as np
import pandas as pd

from conf.tables.features import PURCHASE_SERIES
from scoring.customers.driver_words import NUMBERS, WORDS, driver_words
from training.churn import spec as churn_spec
from training.value import spec as value_spec


def test_drivers_are_named_in_order_with_the_customers_values():
    values = pd.DataFrame(
        {
            "recency_days": [1, 1, 1],
            "baskets_84": [5, 1, 1],
            "discount_share_84": [0.126, None, 0.5],
            "other_thing": [3.0, 3.0, 3.0],
        }
    )
    names = np.array(
        [["recency_days", "discount_share_84", "other_thing"], ["baskets_84", "discount_share_84", None], [None] * 3],
        dtype=object,
    )
    assert driver_words(names, values).to_pylist() == [
        "last basket 1 day ago; 13 % of list value in discounts over 84 days; other thing",
        "1 basket in the last 84 days; discount share 84 unknown",
        "",
    ]


def test_faded_counts_do_not_claim_a_visit_in_their_half_life():
    names = np.array([["visits_decay_28", "spend_decay_14"]], dtype=object)
    values = pd.DataFrame({"visits_decay_28": [0.74], "spend_decay_14": [3.0]})
    assert driver_words(names, values).to_pylist() == [
        "0.7 visits of late, older ones counting less (half after 28 days); "
        "spent 3.00 of late, older spend counting less (half after 14 days)"
    ]


def test_every_input_of_the_models_has_words():
    assert {*churn_spec.INPUTS, *value_spec.DECLARED} <= {*WORDS, *NUMBERS}
    assert {*churn_spec.INPUTS} == {*PURCHASE_SERIES.names[1:]}
