"""Agreement of columns and its weight in bits, with hand-computed answers."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from features.matching.agreement import DIFFERENT, EQUAL, M_PRIOR, MISSING, NEAR, PRIOR_PAIRS, Weights, levels_of
from features.matching.columns import Kind
from features.matching.records import prepare

KINDS = {"name": Kind.NAME, "phone": Kind.PHONE, "email": Kind.EMAIL, "born": Kind.DATE}
ROWS = [
    ("Anna Petrov", "+7 916 105-87-56", "anna.p1@x.org", "1971-06-24"),
    ("Petrov, Anna", "8 916 105 87 56", "ANNA.P1@X.ORG", "1971-24-06"),
    ("Anna Petrof", "8 916 105 87 57", "ana.p1@x.org", "1971-06-25"),
    ("Boris Orlov", "", "anna.p2@x.org", "1950-11-30"),
]


def levels(one: int, other: int) -> list[int]:
    records = prepare(pd.DataFrame(ROWS, columns=list(KINDS), dtype="string"), kinds=KINDS)
    return levels_of(records, np.array([[one, other]]))[0].tolist()


def test_levels_of_names_phones_mails_and_dates() -> None:
    assert levels(0, 1) == [NEAR, EQUAL, EQUAL, NEAR]
    assert levels(0, 2) == [NEAR, NEAR, NEAR, NEAR]
    # another number in an e-mail is another person
    assert levels(0, 3) == [DIFFERENT, MISSING, DIFFERENT, DIFFERENT]


def test_equal_values_weigh_by_their_rarity_and_m_follows_the_pairs() -> None:
    table = pd.DataFrame({"name": ["ivan"] * 6 + ["leopold"] * 2}, dtype="string")
    weights = Weights(prepare(table, kinds={"name": Kind.NAME}))
    pairs = np.array([[0, 1], [6, 7]])
    seen = levels_of(weights.records, pairs)
    assert weights.of(seen, pairs)[:, 0] == pytest.approx([np.log2(0.75 / 0.75), np.log2(0.75 / 0.25)], abs=1e-5)
    weights.fit(np.full((150, 1), EQUAL, np.uint8), np.ones(150))
    assert weights.m[0, 0] == pytest.approx((150 + PRIOR_PAIRS * M_PRIOR[0]) / (150 + PRIOR_PAIRS))
