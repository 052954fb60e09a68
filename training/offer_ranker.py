"""Ranks a customer's candidate product types by the probability that he buys them within the horizon."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field

import numpy as np
import pandas as pd

from training.artifacts import Model
from training.classifiers import LogisticConfig, TreesConfig, logistic, trees_again
from training.evaluation import binary_metrics, ranking_metrics, ranks, split_truth
from training.fitting import Candidate, Judged

NAME = "offer_ranker"
LABEL = "bought"
K = 5
#: of personal frequency, and popularity where there is none
FREQUENCY = ("pair_baskets_84", "pair_baskets_total", "type_popularity_28")
#: baselines that have to be beaten, the best of which serves where they are not: what each is told
BASELINES = {
    "personal frequency": FREQUENCY,
    "popularity": ("type_popularity_28",),
    "EASE": ("ease_score",),
    "ALS": ("als_score",),
    "bought together": ("together_score",),
}


@dataclass(frozen=True)
class OfferRankerConfig:
    """Everything that changes the fitted model."""

    trees: TreesConfig = field(
        default_factory=lambda: TreesConfig(leaves=15, rounds=400, learning_rate=0.05, min_rows=400, patience=30)
    )


def rows(pairs: pd.DataFrame) -> pd.DataFrame:
    """Name the product type of each candidate ``item``, as rankings do."""
    return pairs.assign(item=pairs["product_type"])


def baselines(train: pd.DataFrame) -> list[Candidate]:
    """Fit a logistic regression for each of :data:`BASELINES`; what was never bought has frequency zero."""
    config = LogisticConfig(strength=1e6, missing="zero")
    return [Candidate(logistic(NAME, train, told, LABEL, config, family)) for family, told in BASELINES.items()]


def fit(train: pd.DataFrame, validation: pd.DataFrame, inputs: Sequence[str], config: OfferRankerConfig) -> Candidate:
    """Fit gradient-boosted trees.

    Args:
        train: rows of candidates with :data:`LABEL`.
        validation: the same of the validation window: when to stop, and how to calibrate.
        inputs: columns the ranker takes.
        config: sizes and seed.
    """
    return Candidate(trees_again(NAME, train, validation, inputs, LABEL, config.trees), asdict(config.trees))


def judge(model: Model, pairs: pd.DataFrame, truth: pd.DataFrame, seen: pd.DataFrame) -> Judged:
    """Judge the ranking of each customer's candidates against all that he bought.

    Args:
        model: the ranker.
        pairs: candidates (:func:`rows`).
        truth: ``customer_id``, ``item``: offerable types that were bought, candidates or not.
        seen: ``customer_id``, ``item`` bought before.
    """
    return judge_scores(model.predict(pairs), pairs, truth, seen)


def judge_scores(score: np.ndarray, pairs: pd.DataFrame, truth: pd.DataFrame, seen: pd.DataFrame) -> Judged:
    """Judge any score (n,) of the candidates in the same way; of repeats or discoveries only they are listed."""
    slices, figures = {}, {}
    fresh = pairs["pair_baskets_total"].fillna(0).to_numpy() == 0
    parts = (("all", "", truth, fresh | True), *zip(
        ("repeats", "discoveries"), ("_repeat", "_discovery"), split_truth(truth, seen), (~fresh, fresh), strict=True
    ))  # fmt: skip
    for part, suffix, wanted, kept in parts:
        slices[part] = ranking_metrics(ranks(pairs[kept], score[kept]), wanted, K)
        for name in ("hit_rate", "ndcg"):
            figures[f"{name}_at_{K}{suffix}"] = float(slices[part][name].mean())
    label = pairs[LABEL].to_numpy(dtype=bool)
    if len(score) and np.min(score) >= 0 and np.max(score) <= 1:
        figures |= binary_metrics(label, score)
    return Judged(slices["all"]["ndcg"], figures, score, label, slices)
