"""Ranks the product types that a customer never bought by the probability of a purchase within the horizon.

What a customer buys again and what they try next are two questions: their own history answers the first and says
nothing of the second. So discoveries have a model of their own, learnt from what was new to its buyers, and judged on
it alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from training.classifiers.linear import LogisticConfig, logistic
from training.classifiers.trees import TreesConfig, boosted, trees_again
from training.evaluation.beyond_accuracy import shown_figures
from training.evaluation.fitted import Evaluation, FittedModel
from training.evaluation.metrics import binary_metrics, ranking_metrics, ranks
from training.models.artifacts import Model

NAME = "discovery_ranker"
LABEL = "bought"
K = 5
#: the customer's habits move no rank within the list, they say how much the customer tries at all
HABITS = ("customer_new_types_84", "customer_types_total", "customer_baskets_28", "customer_baskets_84")
#: inputs of the offer ranker that discoveries are ranked better without: the customer's share of the department says
#: what they buy already
LEFT_OUT = ("department_affinity",)
#: baselines that have to be beaten, the best of which serves where they are not: their inputs besides the habits
BASELINES = {
    "linear item-to-item model": ("ease_new_score", "ease_new_lead", "type_popularity_28"),
    "popularity": ("type_popularity_28",),
    "ALS": ("als_score",),
    "bought together": ("together_score",),
}


@dataclass(frozen=True)
class DiscoveryConfig:
    """Everything that changes the fitted model: small trees, for the signal is weak and the noise is not."""

    trees: TreesConfig = field(
        default_factory=lambda: TreesConfig(
            leaves=7, rounds=300, learning_rate=0.05, min_rows=1000, inputs_share=0.5, l2=20.0, patience=40
        )
    )


def rows(pairs: pd.DataFrame) -> pd.DataFrame:
    """Keep the candidates that the customer never bought, each an ``item`` as rankings name it."""
    fresh = pairs[pairs["pair_baskets_total"].fillna(0) == 0]
    return fresh.assign(item=fresh["product_type"]).reset_index(drop=True)


def baselines(train: pd.DataFrame) -> list[FittedModel]:
    """Fit a logistic regression for each of :data:`BASELINES`."""
    config = LogisticConfig(strength=1e6, missing="zero")
    return [
        FittedModel(logistic(NAME, train, (*inputs, *HABITS), LABEL, config, family))
        for family, inputs in BASELINES.items()
    ]


def fit(train: pd.DataFrame, validation: pd.DataFrame, inputs: Sequence[str], config: DiscoveryConfig) -> FittedModel:
    """Fit gradient-boosted trees.

    Args:
        train: :func:`rows` of the training windows.
        validation: the same of the validation window: when to stop, and how to calibrate.
        inputs: columns the model takes.
        config: sizes and seed.
    """
    return boosted(NAME, train, validation, inputs, LABEL, config.trees, trees_again)


def judge(
    model: Model,
    pairs: pd.DataFrame,
    truth: pd.DataFrame,
    seen: pd.DataFrame | None = None,
    items: pd.DataFrame | None = None,
) -> Evaluation:
    """Judge the ranking of every customer's candidates against all first purchases.

    Args:
        model: the ranker.
        pairs: candidates (:func:`rows`).
        truth: ``customer_id``, ``item``: offerable types bought for the first time, candidates or not.
        seen: ``customer_id``, ``item`` bought before; with ``items`` what the lists show is measured.
        items: ``item``, ``department``, ``offered``.
    """
    return judge_scores(model.predict(pairs), pairs, truth, seen, items)


def judge_scores(
    score: np.ndarray,
    pairs: pd.DataFrame,
    truth: pd.DataFrame,
    seen: pd.DataFrame | None = None,
    items: pd.DataFrame | None = None,
) -> Evaluation:
    """Judge any score (n,) of the candidates in the same way."""
    ranked = ranks(pairs, score)
    metrics = ranking_metrics(ranked, truth, K)
    label = pairs[LABEL].to_numpy(dtype=bool)
    figures = {f"{name}_at_{K}": float(metrics[name].mean()) for name in ("hit_rate", "ndcg")}
    if len(score) and np.min(score) >= 0 and np.max(score) <= 1:
        figures |= binary_metrics(label, score)
    if seen is not None and items is not None:
        triers = ranked[ranked["customer_id"].isin(metrics.index)]
        figures |= shown_figures(triers, seen, items[items["offered"]], K)
    return Evaluation(metrics["ndcg"], figures, score, label, {"discoveries": metrics})
