"""What a choice among treatments is worth, from a randomised test of all arms.

Nothing of the night chooses among treatments yet; the bench shows what choosing by effect and cost would bring.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from training.evaluation.metrics import Interval

#: resamples of the customers
_ROUNDS = 200


def groups(effect: np.ndarray, without: np.ndarray, worth: float, cost: float) -> np.ndarray:
    """Name what each customer is to an offer (n,): ``persuadable``, ``do not disturb``, ``sure`` or ``lost``.

    Args:
        effect: of the offer.
        without: P(outcome without the offer).
        worth: money that an outcome brings.
        cost: of an offer.
    """
    likely = without >= np.mean(without)
    rest = np.where(likely, "sure", "lost")
    return np.where(effect * worth > cost, "persuadable", np.where(effect < 0, "do not disturb", rest))


def best_treatment(effects: Mapping[str, np.ndarray], worth: float, costs: Mapping[str, float]) -> np.ndarray:
    """Choose each customer's treatment by effect x worth - cost; ``none`` where none pays, the first of equals."""
    names = ["none", *effects]
    value = np.stack([effect * worth - costs[name] for name, effect in effects.items()], axis=1)
    gains = np.concatenate([np.zeros((len(value), 1)), value], axis=1)
    return np.array(names)[gains.argmax(axis=1)]


def policy_value(
    chosen: np.ndarray, given: np.ndarray, outcome: np.ndarray, worth: float, costs: Mapping[str, float], seed: int = 1
) -> Interval:
    """Return what a customer brings when everybody gets what a policy chooses, from a randomised test of all arms.

    Only customers who happened to get what would be chosen count; each stands for the inverse of the share of the arm.

    Args:
        chosen: arm that the policy gives each customer (n,), by a model not fitted on them; ``none`` for no offer.
        given: arm that the test gave (n,).
        outcome: 0 or 1.
        worth: money that an outcome brings.
        costs: of each arm; ``none`` costs nothing.
        seed: of the resampling of customers.

    Returns:
        Money per customer with its 95 % bootstrap interval.

    Reference: Horvitz and Thompson (1952), in the normalised form of Hájek.
    """
    arms, place = np.unique(given, return_inverse=True)
    weight = np.where(chosen == given, 1 / np.bincount(place)[place], 0.0)
    money = outcome * worth - np.array([costs.get(str(arm), 0.0) for arm in arms])[place]
    drawn = np.random.default_rng(seed).integers(0, len(given), (_ROUNDS, len(given)))
    values = np.array([np.average(money[rows], weights=weight[rows]) for rows in drawn])
    low, high = np.quantile(values, [0.025, 0.975])
    return Interval(float(np.average(money, weights=weight)), float(low), float(high))
