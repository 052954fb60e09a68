"""What becomes of a coupon: P(redeems it), and P(buys in its scope), within the horizon.

Few coupons are redeemed, so the models are small and the simpler one often wins.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field

import pandas as pd

from training.classifiers import LogisticConfig, TreesConfig, calibrated, logistic, trees
from training.fitting import Candidate, better

RESPONSE = "coupon_response"
SCOPE = "coupon_scope"
#: label of each model
LABELS = {RESPONSE: "redeemed", SCOPE: "bought"}
#: what each baseline takes: the coupon's popularity; the customer's frequency in the scope
BASELINES: dict[str, tuple[tuple[str, ...], str]] = {
    RESPONSE: (("offer_responses",), "coupon popularity"),
    SCOPE: (("scope_baskets_84", "scope_baskets_total"), "personal frequency in the scope"),
}


@dataclass(frozen=True)
class CouponConfig:
    """Everything that changes the fitted models."""

    logistic: LogisticConfig = field(default_factory=lambda: LogisticConfig(strength=0.01))
    trees: TreesConfig = field(
        default_factory=lambda: TreesConfig(leaves=15, rounds=300, learning_rate=0.05, min_rows=100, patience=20)
    )


def baseline(name: str, train: pd.DataFrame) -> Candidate:
    """Fit the baseline of model ``name``."""
    inputs, family = BASELINES[name]
    return Candidate(logistic(name, train, inputs, LABELS[name], LogisticConfig(strength=1e6), family))


def fit(
    name: str, train: pd.DataFrame, validation: pd.DataFrame, inputs: Sequence[str], config: CouponConfig
) -> Candidate:
    """Fit a logistic regression and gradient-boosted trees, and return the better on the validation window.

    Args:
        name: :data:`RESPONSE` or :data:`SCOPE`.
        train: rows of customers and coupons, with both labels.
        validation: the same of the validation window.
        inputs: columns the model takes.
        config: penalty, sizes and seed.
    """
    label = LABELS[name]
    linear = Candidate(logistic(name, train, inputs, label, config.logistic), asdict(config.logistic))
    boosted = Candidate(trees(name, train, validation, inputs, label, config.trees), asdict(config.trees))
    best = better([linear, boosted], validation, label)
    return Candidate(calibrated(best.model, validation, label), best.params)
