from __future__ import annotations

import numpy as np
import pytest

from training.studies.uplift import LEARNERS, judge, out_of_fold, overlap, qini, uplift_at


def trial(size: int = 6000, effect: float = 0.3, seed: int = 0):
    """A randomised trial in which only customers with a positive first input are moved, by ``effect``."""
    rng = np.random.default_rng(seed)
    x, treated = rng.normal(size=(size, 3)), rng.integers(0, 2, size)
    chance = 0.2 + 0.1 * (x[:, 1] > 0) + effect * treated * (x[:, 0] > 0)
    return x, treated, (rng.random(size) < chance).astype(int)


@pytest.mark.parametrize("name", LEARNERS)
def test_every_learner_finds_whom_the_offer_moves(name):
    x, treated, outcome = trial()
    effect = out_of_fold(LEARNERS[name], x, treated, outcome, 1)
    assert effect[x[:, 0] > 0.5].mean() > effect[x[:, 0] < -0.5].mean() + 0.1
    result = judge(effect, treated, outcome, rounds=50)
    assert result.uplift.value == pytest.approx(0.3, abs=0.08)
    assert result.verdict.startswith("target the best 30%")


def test_a_shuffled_treatment_gives_nothing_to_target():
    x, treated, outcome = trial()
    shuffled = np.random.default_rng(5).permutation(treated)
    result = judge(out_of_fold(LEARNERS["T-learner"], x, shuffled, outcome, 1), shuffled, outcome, rounds=100)
    assert result.verdict.startswith("nothing to target here")


def test_figures_by_hand():
    effect = np.array([0.9, 0.8, 0.7, 0.1, 0.0, -0.1])
    treated, outcome = np.array([1, 0, 1, 0, 1, 0]), np.array([1, 0, 1, 1, 0, 1])
    assert uplift_at(effect, treated, outcome, 0.5) == 1.0
    assert uplift_at(effect, treated, outcome, 1.0) == 0.0
    assert np.isnan(uplift_at(effect, treated, outcome, 1 / 6))
    assert qini(effect, treated, outcome) == pytest.approx(np.mean([1, 1, 2, 1, 0.5, 0]) / 6)


def test_arms_that_were_chosen_are_told_apart():
    x, treated, _ = trial(2000)
    assert overlap(x, treated).is_random or overlap(x, treated).roc_auc < 0.55
    chosen = (x[:, 0] > 0).astype(int)
    actual = overlap(x, chosen)
    assert actual.roc_auc > 0.99
    assert not actual.is_random
    assert actual.outside > 0.3
