"""Cold customers and cold items of the gate, and what its lists show, by hand."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from training.rankers import discovery_ranker, offer_ranker

#: what is offered: milk and beer are known to many, tea to five, soap to three; wine is not offered
ITEMS = pd.DataFrame(
    {
        "item": ["beer", "milk", "soap", "tea", "wine"],
        "department": ["drinks", "dairy", None, "drinks", "drinks"],
        "buyers": [60, 90, 3, 5, 2],
        "offered": [True, True, True, True, False],
    }
)


def candidates(*rows: tuple[str, str, float, float]) -> pd.DataFrame:
    """Rows of customer, item, baskets before and those with the item; the first listed has the highest score."""
    frame = pd.DataFrame(rows, columns=["customer_id", "product_type", "customer_baskets_total", "pair_baskets_total"])
    return offer_ranker.rows(frame.assign(bought=False))


def pairs(*rows: tuple[str, str]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["customer_id", "item"])


def judged(given: pd.DataFrame, truth: pd.DataFrame, seen: pd.DataFrame, items: pd.DataFrame = ITEMS):
    score = np.linspace(0.9, 0.1, len(given))
    return offer_ranker.judge_scores(score, given, truth, seen, items)


GIVEN = candidates(
    ("new", "milk", 1, np.nan), ("new", "beer", 1, np.nan),
    ("old", "milk", 9, 3), ("old", "tea", 9, np.nan), ("old", "soap", 9, np.nan),
    ("silent", "beer", np.nan, np.nan),
)  # fmt: skip
TRUTH = pairs(("new", "beer"), ("old", "soap"), ("old", "wine"), ("silent", "milk"))
SEEN = pairs(("old", "milk"), ("new", "milk"), ("old", "wine"))


def test_cold_customers_have_fewer_than_two_baskets():
    result = judged(GIVEN, TRUTH, SEEN).slices["cold customers"]
    assert result["hit_rate"].to_dict() == {"new": 1.0, "silent": 0.0}
    assert result["ndcg"]["new"] == pytest.approx(1 / np.log2(3))  # beer stands second


def test_of_cold_items_only_they_are_listed():
    result = judged(GIVEN, TRUTH, SEEN).slices["cold items"]
    assert result.index.tolist() == ["old"]  # soap, and wine, which is not offered
    row = result.iloc[0]
    assert row["recall"] == 1 / 2
    assert row["ndcg"] == pytest.approx((1 / np.log2(3)) / (1 + 1 / np.log2(3)))  # tea first, soap second of two


def test_without_a_cold_item_on_offer_nothing_is_judged():
    result = judged(GIVEN, TRUTH, SEEN, ITEMS.assign(offered=ITEMS["buyers"] > 50))
    assert len(result.slices["cold items"]) == 1
    assert result.slices["cold items"].isna().all(axis=None)


def test_slices_of_nobody_are_empty():
    warm = GIVEN[GIVEN["customer_id"] == "old"].reset_index(drop=True)
    result = judged(warm, pairs(("old", "milk")), SEEN)
    assert [len(result.slices[name]) for name in ("cold customers", "cold items")] == [0, 0]
    assert list(result.slices["cold items"]) == list(result.slices["all"])


def test_lists_of_those_who_buy_show_what_they_show():
    result = judged(GIVEN, pairs(("old", "soap")), SEEN).metrics
    assert result["coverage"] == 3 / 4  # milk, tea and soap of four offered
    # of two customers with a history both have milk; tea and soap, which none has, count as if one had
    assert result["novelty"] == pytest.approx((0 + 1 + 1) / 3)
    assert result["diversity"] == 1.0  # nobody had two of them
    # the customer had dairy alone; the list is one third dairy
    assert result["miscalibration"] == pytest.approx(np.log(1 / (0.99 / 3 + 0.01)))


def test_what_discoveries_show_is_told_too():
    fresh = discovery_ranker.rows(GIVEN)
    result = discovery_ranker.judge_scores(np.linspace(1, 0, len(fresh)), fresh, pairs(("old", "soap")), SEEN, ITEMS)
    assert result.metrics["coverage"] == 2 / 4
    assert result.metrics["novelty"] == 1


class Fixed:
    """A model that has learnt each product type's probability by heart."""

    def __init__(self, **chances: float) -> None:
        self.chances = chances

    def predict(self, frame: pd.DataFrame) -> np.ndarray:
        return frame["product_type"].map(self.chances).to_numpy()


def test_what_a_customer_never_bought_is_ranked_by_the_model_that_serves_it():
    ranker, fresh = Fixed(milk=0.5, tea=0.9, soap=0.1, beer=0.2), Fixed(milk=0.0, tea=0.4, soap=0.6, beer=0.3)
    alone = offer_ranker.judge(ranker, GIVEN, pairs(("old", "soap"), ("new", "beer")), SEEN)
    mixed = offer_ranker.judge(ranker, GIVEN, pairs(("old", "soap"), ("new", "beer")), SEEN, companion=fresh)
    # of old's candidates milk is a repeat: its chance stays the ranker's, and soap comes before it
    assert mixed.probability.tolist() == [0.0, 0.3, 0.5, 0.4, 0.6, 0.3]
    assert alone.by_customer.to_dict() == {"new": pytest.approx(1 / np.log2(3)), "old": pytest.approx(0.5)}
    assert mixed.by_customer.to_dict() == {"new": 1.0, "old": 1.0}
    assert alone.probability.tolist() == [0.5, 0.2, 0.5, 0.9, 0.1, 0.2]


def test_with_itself_a_ranker_serves_as_it_does_alone():
    ranker = Fixed(milk=0.5, tea=0.9, soap=0.1, beer=0.2)
    alone, mixed = (offer_ranker.judge(ranker, GIVEN, TRUTH, SEEN, ITEMS, other) for other in (None, ranker))
    assert alone.metrics == pytest.approx(mixed.metrics, nan_ok=True)
    assert alone.by_customer.equals(mixed.by_customer)
