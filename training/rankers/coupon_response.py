"""What becomes of a coupon: P(redeems it), and P(buys in its scope), within the horizon.

One in a thousand coupons is redeemed. So the model of redemptions learns from many windows, with small trees
and without the customer's habits. A customer is offered the coupons that are most likely to be redeemed: so a
model that goes live must order them no worse than the baselines, personal frequency in the scope among them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace

import numpy as np
import pandas as pd

from training.classifiers.calibration import calibrated, with_calibration
from training.classifiers.linear import LogisticConfig, logistic
from training.classifiers.trees import TreesConfig, boosted, trees
from training.evaluation.fitted import Evaluation, FittedModel, better, likelihood
from training.evaluation.metrics import binary_metrics, ranking_metrics, ranks
from training.models.artifacts import Model

RESPONSE = "coupon_response"
SCOPE = "coupon_scope"
#: label of each model
LABELS = {RESPONSE: "redeemed", SCOPE: "bought"}
#: baselines that have to be beaten, the best of which serves where they are not: their inputs
BASELINES: dict[str, dict[str, tuple[str, ...]]] = {
    RESPONSE: {"personal frequency in the scope": ("scope_frequency",), "coupon popularity": ("offer_responses",)},
    SCOPE: {"personal frequency in the scope": ("scope_baskets_84", "scope_baskets_total")},
}
#: places of a customer's list of coupons that the gate looks at
K = 5
#: rows of a leaf, whatever the share
_LEAST_LEAF = 50


@dataclass(frozen=True)
class CouponConfig:
    """Everything that changes the model of purchases in the scope."""

    logistic: LogisticConfig = field(default_factory=lambda: LogisticConfig(strength=0.01))
    trees: TreesConfig = field(
        default_factory=lambda: TreesConfig(leaves=15, rounds=300, learning_rate=0.05, min_rows=100, patience=20)
    )


@dataclass(frozen=True)
class ResponseConfig:
    """Everything that changes the model of redemptions.

    Attributes:
        trees: sizes; ``min_rows`` follows from ``leaf_share``.
        leaf_share: least share of the rows in a leaf.
        negatives: coupons that were not redeemed that it learns from, for one that was.
    """

    trees: TreesConfig = field(
        default_factory=lambda: TreesConfig(
            leaves=4, rounds=300, learning_rate=0.05, inputs_share=0.5, l2=20.0, threads=1
        )
    )
    leaf_share: float = 0.04
    negatives: int = 150


def baselines(name: str, train: pd.DataFrame) -> list[FittedModel]:
    """Fit the baselines of model ``name``."""
    config = LogisticConfig(strength=1e6)
    return [
        FittedModel(logistic(name, train, inputs, LABELS[name], config, family))
        for family, inputs in BASELINES[name].items()
    ]


def fit(
    name: str, train: pd.DataFrame, validation: pd.DataFrame, inputs: Sequence[str], config: CouponConfig
) -> FittedModel:
    """Fit a logistic regression and gradient-boosted trees, and return the better on the validation window.

    Args:
        name: :data:`SCOPE`.
        train: rows of customers and coupons, with both labels.
        validation: the same of the validation window.
        inputs: columns the model takes.
        config: penalty, sizes and seed.
    """
    label = LABELS[name]
    linear = FittedModel(logistic(name, train, inputs, label, config.logistic), asdict(config.logistic))
    best = better([linear, boosted(name, train, validation, inputs, label, config.trees)], validation, label)
    return FittedModel(calibrated(best.model, validation, label), best.params, best.curves)


def fit_response(train: pd.DataFrame, inputs: Sequence[str], config: ResponseConfig) -> FittedModel:
    """Fit gradient-boosted trees to all redemptions and a sample of the other coupons.

    A window may hold a handful of redemptions, too few to choose by: how many trees there are is settled. The sample
    shifts all log-odds by the logarithm of its share, which is taken back.

    Reference: King and Zeng (2001), "Logistic Regression in Rare Events Data", Political Analysis 9(2).

    Args:
        train: rows of customers and coupons, with ``redeemed``.
        inputs: columns the model takes.
        config: sizes, sample and seed.
    """
    label = LABELS[RESPONSE]
    redeemed = train[label].to_numpy(dtype=bool)
    share = min(1.0, config.negatives * redeemed.sum() / max(1, (~redeemed).sum()))
    drawn = np.random.default_rng(config.trees.seed).random(len(train)) < share
    sample = train[redeemed | drawn]
    sizes = replace(config.trees, min_rows=max(_LEAST_LEAF, int(config.leaf_share * len(sample))))
    model = trees(RESPONSE, sample, None, inputs, label, sizes)
    params = {**asdict(sizes), "negatives": config.negatives, "sampled_share": share}
    return FittedModel(with_calibration(model, 1.0, float(np.log(share))), params)


def judge_response(model: Model, rows: pd.DataFrame) -> Evaluation:
    """Judge probabilities by likelihood, and guard the order of a customer's coupons by the redemptions.

    The order is what is sold, but those who redeem anything are too few to compare orders by: likelihood decides.

    Args:
        model: of redemptions.
        rows: customers and all their coupons of one window, with ``redeemed``.
    """
    probability, label = model.predict(rows), LABELS[RESPONSE]
    lists, truth = list_figures(probability, rows), rows[label].to_numpy(dtype=bool)
    figures = binary_metrics(truth, probability)
    figures |= {f"{name}_at_{K}": float(lists[name].mean()) for name in ("hit_rate", "ndcg")}
    by_row = likelihood(probability, rows, label)
    slices = {"all": by_row.to_frame("log_likelihood"), "redeemers": lists}
    return Evaluation(by_row, figures, probability, truth, slices, {f"NDCG@{K}": lists["ndcg"]})


def list_figures(score: np.ndarray, rows: pd.DataFrame) -> pd.DataFrame:
    """Judge each customer's list of coupons by a score (n,); who redeems nothing has no list to judge.

    Returns:
        The figures of :func:`training.evaluation.metrics.ranking_metrics`; one row per customer who redeems.
    """
    label = rows[LABELS[RESPONSE]].to_numpy(dtype=bool)
    listed = rows[["customer_id"]].assign(item=rows["offer_id"])
    asked = listed["customer_id"].isin(listed.loc[label, "customer_id"]).to_numpy()
    return ranking_metrics(ranks(listed[asked], score[asked]), listed[label], K)
