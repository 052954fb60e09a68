"""The mixture of pairs that are one and pairs that are not, fitted to the table at hand."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from features.matching.agreement import DIFFERENT, EQUAL, MISSING, NEAR, compared_columns
from features.matching.columns import Kind
from features.matching.mixture import mixture_log_odds, settling_columns
from features.matching.records import prepare

NONE = np.zeros(4, bool)


def drawn(pairs: int, share: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Draw levels of four columns: true pairs agree in nine of ten, others in one of ten."""
    rng = np.random.default_rng(seed)
    one = rng.random(pairs) < share
    agree = rng.random((pairs, 4)) < np.where(one, 0.9, 0.1)[:, None]
    return np.where(agree, EQUAL, DIFFERENT).astype(np.uint8), one


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_share_and_chances_are_those_that_the_pairs_were_drawn_with(seed: int) -> None:
    levels, one = drawn(20_000, 0.03, seed)
    odds = mixture_log_odds(levels, NONE)
    assert (1 / (1 + np.exp(-odds))).mean() == pytest.approx(one.mean(), abs=0.004)
    # three columns of four: odds .03 / .97 times 9 twice
    three = (levels == EQUAL).sum(axis=1) == 3
    assert odds[three].mean() == pytest.approx(np.log(0.03 / 0.97 * 9**2), abs=0.4)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_without_true_pairs_none_has_a_chance(seed: int) -> None:
    assert mixture_log_odds(drawn(20_000, 0.0, seed)[0], NONE).max() < 0


def test_a_missing_value_says_nothing() -> None:
    levels, _ = drawn(5_000, 0.05, 1)
    levels = np.concatenate([levels, [[EQUAL, EQUAL, NEAR, MISSING], [EQUAL, EQUAL, NEAR, DIFFERENT]]]).astype(np.uint8)
    odds = mixture_log_odds(levels, NONE)
    assert odds[-2] > odds[-1]


def test_a_category_speaks_against_only() -> None:
    levels, _ = drawn(20_000, 0.05, 2)
    odds = mixture_log_odds(levels, np.array([False, False, False, True]))
    agree = (levels[:, :3] == EQUAL).all(axis=1)
    both, apart = odds[agree & (levels[:, 3] == EQUAL)][0], odds[agree & (levels[:, 3] == DIFFERENT)][0]
    assert both > apart
    # three columns that agree, as if there were no fourth: odds .05 / .95 times 9 three times
    assert both == pytest.approx(np.log(0.05 / 0.95 * 9**3), abs=0.4)


def test_three_columns_settle_it_and_categories_do_not_count() -> None:
    kinds = {"name": Kind.NAME, "born": Kind.DATE, "email": Kind.EMAIL, "city": Kind.CATEGORY}
    row = ("Anna Petrov", "1971-06-24", "anna@x.org", "Rome")
    for names, expected in ((list(kinds), 4), (["name", "born", "city"], 0)):
        some = {name: kinds[name] for name in names}
        table = pd.DataFrame([row, row], columns=list(kinds), dtype="string")[names]
        records = prepare(table, kinds=some)
        assert len(settling_columns(records, compared_columns(records))) == expected
