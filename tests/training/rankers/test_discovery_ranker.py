"""The ranker of what was never bought: it learns, it is judged on discoveries alone, and its fallback follows EASE."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from training.classifiers.trees import TreesConfig, trees, trees_again
from training.evaluation.gate import decide, stands_in
from training.models.artifacts import from_bytes
from training.rankers import discovery_ranker, offer_ranker


def pairs(customers: int, seed: int, one: int = 12) -> pd.DataFrame:
    """Candidates whose first purchase follows the linear model's score, and popularity hardly."""
    generator = np.random.default_rng(seed)
    n = customers * one
    frame = pd.DataFrame(
        {
            "customer_id": np.repeat([f"c{number:04d}" for number in range(customers)], one),
            "product_type": [f"t{number:02d}" for number in range(one)] * customers,
            **{name: generator.random(n) for actual in discovery_ranker.BASELINES.values() for name in actual},
            **{name: generator.random(n) for name in discovery_ranker.HABITS},
            "ease_score": generator.random(n),
            "pair_baskets_total": np.where(generator.random(n) < 0.25, 3.0, np.nan),
        }
    )
    chance = 0.6 * frame["ease_new_score"] ** 3
    return frame.assign(bought=generator.random(n) < chance)


def truth(rows: pd.DataFrame) -> pd.DataFrame:
    return rows.loc[rows["bought"], ["customer_id", "item"]]


def test_only_what_was_never_bought_counts():
    given = pairs(20, 1)
    rows = discovery_ranker.rows(given)
    assert len(rows) == given["pair_baskets_total"].isna().sum()
    assert (rows["item"] == rows["product_type"]).all()


def test_the_linear_model_beats_popularity_and_a_shuffled_one_is_refused():
    train, gate = (discovery_ranker.rows(pairs(300, seed)) for seed in (1, 2))
    judged, *rest = (discovery_ranker.judge(b.model, gate, truth(gate)) for b in discovery_ranker.baselines(train))
    further = dict(zip(list(discovery_ranker.BASELINES)[1:], (one.by_customer for one in rest), strict=True))
    assert decide(judged.by_customer, further).promote
    assert judged.metrics["ece"] < 0.05
    assert list(judged.slices) == ["discoveries"]
    worse = discovery_ranker.judge_scores(np.random.default_rng(0).random(len(gate)), gate, truth(gate))
    refused = decide(worse.by_customer, {**further, "linear": judged.by_customer})
    assert not refused.promote
    assert "does not beat linear" in refused.reason


def test_trees_learn_what_the_scores_do_not_say():
    def shaped(seed: int) -> pd.DataFrame:
        rows = discovery_ranker.rows(pairs(400, seed))
        hidden = (rows["als_score"] > 0.8) & (rows["type_popularity_28"] > 0.5)
        return rows.assign(bought=np.random.default_rng(seed).random(len(rows)) < 0.05 + 0.6 * hidden)

    train, validation, gate = (shaped(seed) for seed in (1, 2, 3))
    inputs = (*discovery_ranker.BASELINES["linear item-to-item model"], *discovery_ranker.HABITS, "als_score")
    fitted = discovery_ranker.fit(train, validation, inputs, discovery_ranker.DiscoveryConfig())
    better = discovery_ranker.judge(fitted.model, gate, truth(gate))
    simple = discovery_ranker.judge(discovery_ranker.baselines(train)[0].model, gate, truth(gate))
    assert decide(better.by_customer, {"linear": simple.by_customer}).promote


def test_slices_of_the_offer_ranker_list_only_their_own():
    given = offer_ranker.rows(pairs(30, 4))
    bought, seen = truth(given), given.loc[given["pair_baskets_total"].notna(), ["customer_id", "item"]]
    judged = offer_ranker.judge_scores(given["ease_new_score"].to_numpy(), given, bought, seen)
    assert list(judged.slices) == ["all", "repeats", "discoveries"]
    fresh = discovery_ranker.rows(given)
    same = discovery_ranker.judge_scores(fresh["ease_new_score"].to_numpy(), fresh, truth(fresh))
    pd.testing.assert_frame_equal(judged.slices["discoveries"], same.slices["discoveries"])
    assert judged.metrics["hit_rate_at_5_discovery"] == pytest.approx(same.metrics["hit_rate_at_5"])


def test_where_the_challenger_fails_the_baseline_that_does_best_serves():
    """Customers change: what the linear model learnt holds no longer, popularity does."""
    train = discovery_ranker.rows(pairs(300, 1))
    gate = discovery_ranker.rows(pairs(300, 2))
    chance = 0.6 * gate["type_popularity_28"] ** 3
    gate = gate.assign(bought=np.random.default_rng(2).random(len(gate)) < chance)
    bank = discovery_ranker.baselines(train.assign(bought=train["bought"] | (train["type_popularity_28"] > 0.97)))
    judged = {one.model.meta.family: discovery_ranker.judge(one.model, gate, truth(gate)) for one in bank}
    linear, popular = judged["linear item-to-item model"], judged["popularity"]
    decision = decide(linear.by_customer, {name: one.by_customer for name, one in judged.items()})
    assert (decision.promote, decision.baseline) == (False, "popularity")
    assert stands_in(popular.by_customer, None, False)
    assert stands_in(popular.by_customer, linear.by_customer, is_baseline=True)
    assert not stands_in(linear.by_customer, popular.by_customer, is_baseline=True)
    assert not stands_in(popular.by_customer, linear.by_customer, is_baseline=False)
    (served,) = (one.model for one in bank if one.model.meta.family == "popularity")
    assert from_bytes(served.to_bytes()).predict(gate) == pytest.approx(served.predict(gate))


def test_the_last_fit_learns_from_the_validation_window_too():
    """Customers begin to buy what is popular only there; the training windows held nothing so popular."""

    def window(seed: int, low: float, high: float) -> pd.DataFrame:
        generator = np.random.default_rng(seed)
        score, popular = generator.random(4000), generator.uniform(low, high, 4000)
        bought = generator.random(4000) < np.where(popular > 0.5, 0.8, 0.3 * score)
        return pd.DataFrame({"score": score, "popular": popular, "bought": bought})

    train, validation = window(1, 0, 0.5), window(2, 0, 1)
    config = TreesConfig(leaves=7, rounds=60, min_rows=20, patience=60, threads=1)
    asked = pd.DataFrame({"score": [0.2], "popular": [0.9]})
    once = trees("m", train, validation, ("score", "popular"), "bought", config)
    again = trees_again("m", train, validation, ("score", "popular"), "bought", config)
    assert once.predict(asked)[0] < 0.3
    assert again.predict(asked)[0] > 0.5
    assert again.to_bytes() == trees_again("m", train, validation, ("score", "popular"), "bought", config).to_bytes()
