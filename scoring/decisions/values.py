"""What a contact adds: what is expected with it, less what would be bought anyway.

Assumption, in this one place: where no randomised evidence exists, the customer's own frequency stands for what would
be bought anyway, and purchases come at random (a Poisson process): P(at least one) = 1 - exp(-rate x days). A weekly
buyer of milk buys it anyway; a reminder adds nothing. Where the rate at which buyers of the type return so long after
their last purchase is higher than the customer's own frequency, it stands for what would be bought anyway.
"""

from __future__ import annotations

import numpy as np

#: days over which a customer's own frequency is counted
FREQUENCY_DAYS = 84


def anyway(baskets_84: np.ndarray, horizon_days: int, returns: np.ndarray | None = None) -> np.ndarray:
    """Return the probability that a customer buys at least once within the horizon without being contacted.

    Args:
        baskets_84: the customer's baskets with the type in 84 days.
        horizon_days: days ahead.
        returns: P(buyers of the type buy again within the horizon, so long after the last purchase), or None.

    >>> anyway(np.array([0.0, 12.0]), 28).round(3).tolist()
    [0.0, 0.982]
    >>> anyway(np.array([0.0, 12.0]), 28, np.array([0.2, 0.5])).round(3).tolist()
    [0.2, 0.982]
    """
    own: np.ndarray = 1 - np.exp(-np.maximum(baskets_84, 0) * horizon_days / FREQUENCY_DAYS)
    return own if returns is None else np.maximum(own, returns)


def of_purchase(probability: np.ndarray, own: np.ndarray, spend: np.ndarray, margin: float) -> np.ndarray:
    """Return the margin that an offer of a product type adds.

    >>> of_purchase(np.array([0.6, 0.9]), np.array([0.1, 0.95]), np.array([8.0, 8.0]), 0.25).tolist()
    [1.0, 0.0]
    """
    added: np.ndarray = np.maximum(probability - own, 0) * spend * margin
    return added


def of_coupon(
    redeems: np.ndarray, own: np.ndarray, spend: np.ndarray, margin: float, discount: np.ndarray
) -> np.ndarray:
    """Return the margin that a coupon adds; who would have bought anyway brings none, and costs the discount.

    >>> of_coupon(np.array([0.1]), np.array([0.5]), np.array([8.0]), 0.25, np.array([1.0])).tolist()
    [0.0]
    """
    added: np.ndarray = redeems * ((1 - own) * spend * margin - discount)
    return added
