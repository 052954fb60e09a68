"""Redemptions: small trees learn them from few, lists are judged by hand, their order stands guard."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from training.evaluation.gate import decide, worse
from training.models.artifacts import from_bytes
from training.rankers import coupon_response
from training.rankers.coupon_response import RESPONSE, SCOPE, ResponseConfig, baselines, fit_response, judge_response

#: enough for what the rows hold
SMALL = replace(ResponseConfig().trees, rounds=80, learning_rate=0.15)
INPUTS = ("scope_frequency", "offer_responses", "scope_lift")


def rows(customers: int, seed: int, one: int = 30) -> pd.DataFrame:
    """Coupons: one in fifty is redeemed, by who buys there often and more than others do; popularity says nothing."""
    generator, n = np.random.default_rng(seed), customers * one
    frame = pd.DataFrame(
        {
            "customer_id": np.repeat([f"c{number:04d}" for number in range(customers)], one),
            "offer_id": [f"o{number:02d}" for number in range(one)] * customers,
            "scope_frequency": generator.poisson(2, n).astype(float),
            "offer_responses": generator.poisson(3, n).astype(float),
            "scope_lift": generator.normal(size=n),
        }
    )
    odds = -5.5 + 0.3 * frame["scope_frequency"] + 1.2 * frame["scope_lift"]
    return frame.assign(redeemed=generator.random(n) < 1 / (1 + np.exp(-odds)))


class Fixed:
    """A model that says what it is told to."""

    meta = None

    def __init__(self, chance: np.ndarray) -> None:
        self.chance = chance

    def predict(self, frame: pd.DataFrame) -> np.ndarray:
        return self.chance[: len(frame)]


@pytest.fixture(scope="module")
def fitted() -> coupon_response.Candidate:
    return fit_response(rows(600, 1), INPUTS, ResponseConfig(SMALL, negatives=20))


def test_trees_beat_the_baselines_and_keep_the_rate_of_what_was_sampled(fitted: coupon_response.Candidate) -> None:
    gate = rows(600, 2)
    judged = judge_response(fitted.model, gate)
    rest = {
        baseline.model.meta.family: judge_response(baseline.model, gate)
        for baseline in baselines(RESPONSE, rows(600, 1))
    }
    assert list(rest) == ["personal frequency in the scope", "coupon popularity"]
    assert fitted.params["sampled_share"] < 0.7
    assert judged.probability.mean() == pytest.approx(gate["redeemed"].mean(), rel=0.15)
    assert decide(judged.by_customer, {name: one.by_customer for name, one in rest.items()}).promote
    assert worse(judged.guards, {name: one.guards for name, one in rest.items()}) == []
    assert len(judged.slices["redeemers"]) == gate.loc[gate["redeemed"], "customer_id"].nunique()


def test_the_baseline_of_frequency_orders_by_frequency() -> None:
    start, popular = (baseline.model for baseline in baselines(RESPONSE, rows(600, 1)))
    asked = rows(1, 3).sort_values("scope_frequency")
    assert (np.diff(start.predict(asked)) >= 0).all()
    assert popular.meta.inputs == ("offer_responses",)
    assert [baseline.model.meta.inputs for baseline in baselines(SCOPE, _with_scope())] == [
        ("scope_baskets_84", "scope_baskets_total")
    ]


def test_lists_by_hand() -> None:
    """Of a's coupons the second and fourth place are redeemed; b redeems nothing and is not asked."""
    frame = pd.DataFrame(
        {
            "customer_id": ["a"] * 4 + ["b"],
            "offer_id": ["o1", "o2", "o3", "o4", "o1"],
            "redeemed": [False, True, False, True, False],
        }
    )
    chance = np.array([0.4, 0.2, 0.3, 0.2, 0.9])  # o2 and o4 are equal: by id
    judged = judge_response(Fixed(chance), frame)
    gained, best = 1 / np.log2(4) + 1 / np.log2(5), 1 + 1 / np.log2(3)
    assert judged.guards["NDCG@5"].to_dict() == {"a": pytest.approx(gained / best)}
    assert judged.metrics["ndcg_at_5"] == pytest.approx(gained / best)
    assert judged.by_customer.to_dict() == {
        "a": pytest.approx((np.log(0.6) + np.log(0.2) + np.log(0.7) + np.log(0.2)) / 4),
        "b": pytest.approx(np.log(0.1)),
    }


def test_good_chances_in_a_senseless_order_are_refused(fitted: coupon_response.Candidate) -> None:
    """Who redeems at all is predicted well here, which of their coupons is predicted upside down."""
    gate = rows(300, 4)
    judged = judge_response(fitted.model, gate)
    rate = gate.groupby("customer_id")["redeemed"].transform("mean").to_numpy()
    planted = judge_response(Fixed(rate + 1e-4 * (1 - judged.probability)), gate)
    assert decide(planted.by_customer, {"the model": judged.by_customer}).promote
    result = worse(planted.guards, {"the model": judged.guards})
    assert len(result) == 1
    assert result[0].startswith("its NDCG@5 is below that of the model: -")
    assert not decide(planted.by_customer, {"the model": judged.by_customer}, faults=result).promote


def test_the_same_rows_give_the_same_model_and_hardly_any_do_not_crash(fitted: coupon_response.Candidate) -> None:
    again = fit_response(rows(600, 1), INPUTS, ResponseConfig(SMALL, negatives=20))
    assert again.model.to_bytes() == fitted.model.to_bytes()
    few = rows(5, 1)
    few["redeemed"] = np.arange(len(few)) < 2
    result = fit_response(few, INPUTS, ResponseConfig(SMALL, negatives=1)).model
    assert np.isfinite(from_bytes(result.to_bytes()).predict(few)).all()


def _with_scope() -> pd.DataFrame:
    frame = rows(20, 5)
    return frame.assign(scope_baskets_84=frame["scope_frequency"], scope_baskets_total=1.0, bought=frame["redeemed"])
