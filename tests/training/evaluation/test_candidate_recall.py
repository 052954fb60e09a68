"""What sources of candidates bring, counted by hand."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from training.evaluation.candidate_recall import UNION, recall_metrics, source_recall

#: a has candidates of both sources, b of the second alone; the third source brings nothing
PAIRS = pd.DataFrame(
    [
        ("a", "milk", 1, None, None),
        ("a", "beer", 2, 1, None),
        ("a", "tea", None, 2, None),
        ("b", "milk", None, 1, None),
        ("b", "soap", None, 2, None),
    ],
    columns=["customer_id", "item", "own_rank", "popular_rank", "silent_rank"],
)
RANKS = {"own": "own_rank", "popular": "popular_rank", "silent": "silent_rank"}


def pairs(*rows: tuple[str, str]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["customer_id", "item"])


TRUTH = pairs(("a", "milk"), ("a", "beer"), ("a", "wine"), ("b", "soap"), ("b", "milk"))
SEEN = pairs(("a", "milk"), ("a", "wine"), ("b", "milk"))


def test_each_source_is_held_against_what_was_bought():
    result = source_recall(PAIRS, TRUTH, SEEN, RANKS)
    recall = result.set_index(["source", "slice"])["recall"].to_dict()
    assert recall == {
        ("own", "all"): 2 / 5,  # milk and beer of a
        ("popular", "all"): 3 / 5,  # beer of a, soap and milk of b
        (UNION, "all"): 4 / 5,  # the wine is nobody's candidate
        ("own", "repeats"): 1 / 3,  # bought again: milk and wine by a, milk by b
        ("popular", "repeats"): 1 / 3,
        (UNION, "repeats"): 2 / 3,
        ("own", "discoveries"): 1 / 2,  # for the first time: beer by a, soap by b
        ("popular", "discoveries"): 1.0,
        (UNION, "discoveries"): 1.0,
    }
    assert result.groupby("source", sort=False)["candidates"].first().to_dict() == {"own": 1, "popular": 2, UNION: 2.5}
    assert (result["customers"] == 2).all()


def test_figures_are_named_by_source_and_slice():
    figures = recall_metrics(source_recall(PAIRS, TRUTH, SEEN, RANKS))
    assert figures["recall_own"] == 2 / 5
    assert figures["recall_all_sources_repeats"] == pytest.approx(2 / 3)
    assert len(figures) == 9


def test_where_nothing_was_bought_or_no_candidate_is_there_is_no_crash():
    nothing = source_recall(PAIRS, TRUTH.iloc[:0], SEEN, RANKS)
    assert np.isnan(nothing["recall"]).all()
    assert (nothing["customers"] == 0).all()
    empty = source_recall(PAIRS.iloc[:0], TRUTH, SEEN, RANKS)
    assert empty["source"].unique().tolist() == [UNION]
    assert (empty["recall"] == 0).all()
