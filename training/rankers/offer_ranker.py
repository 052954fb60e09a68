"""Ranks a customer's candidate product types by the probability of a purchase within the horizon."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from training.classifiers.linear import LogisticConfig, logistic
from training.classifiers.trees import TreesConfig, boosted, trees_again
from training.evaluation.beyond_accuracy import shown_figures
from training.evaluation.fitted import Evaluation, FittedModel
from training.evaluation.metrics import binary_metrics, ranking_metrics, ranks, slice_figures, split_truth
from training.models.artifacts import Model

NAME = "offer_ranker"
LABEL = "bought"
K = 5
#: baskets from which on a customer is not cold, and buyers up to which an item is
COLD_BASKETS, FEW_BUYERS = 2, 5
#: of personal frequency, and popularity where there is none
FREQUENCY = ("pair_baskets_84", "pair_baskets_total", "type_popularity_28")
#: baselines that have to be beaten, the best of which serves where they are not: their inputs
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


def baselines(train: pd.DataFrame) -> list[FittedModel]:
    """Fit a logistic regression for each of :data:`BASELINES`; what was never bought has frequency zero."""
    config = LogisticConfig(strength=1e6, missing="zero")
    return [FittedModel(logistic(NAME, train, inputs, LABEL, config, family)) for family, inputs in BASELINES.items()]


def fit(train: pd.DataFrame, validation: pd.DataFrame, inputs: Sequence[str], config: OfferRankerConfig) -> FittedModel:
    """Fit gradient-boosted trees.

    Args:
        train: rows of candidates with :data:`LABEL`.
        validation: the same of the validation window: when to stop, and how to calibrate.
        inputs: columns the ranker takes.
        config: sizes and seed.
    """
    return boosted(NAME, train, validation, inputs, LABEL, config.trees, trees_again)


def judge(
    model: Model,
    pairs: pd.DataFrame,
    truth: pd.DataFrame,
    seen: pd.DataFrame,
    items: pd.DataFrame | None = None,
    companion: Model | None = None,
) -> Evaluation:
    """Judge the ranking of every customer's candidates against all purchases.

    Args:
        model: the ranker.
        pairs: candidates (:func:`rows`).
        truth: ``customer_id``, ``item``: offerable types that were bought, candidates or not.
        seen: ``customer_id``, ``item`` bought before.
        items: ``item``, ``department``, ``buyers`` before, ``offered``; with it cold customers and cold items are
            judged apart, and what lists show is measured (:func:`training.evaluation.beyond_accuracy.shown_figures`).
        companion: the ranker of discoveries; with it what the customer never bought has its probability, as in the
            lists that are served (:func:`scoring.offers.next_best_offers.product_type_ranking`).
    """
    score = np.array(model.predict(pairs), dtype="float64")
    if companion is not None:
        fresh = is_new(pairs)
        score[fresh] = companion.predict(pairs[fresh])
    return judge_scores(score, pairs, truth, seen, items)


def is_new(pairs: pd.DataFrame) -> np.ndarray:
    """Return of every candidate (n,) whether the customer never bought it."""
    never_bought: np.ndarray = pairs["pair_baskets_total"].fillna(0).to_numpy() == 0
    return never_bought


def judge_scores(
    score: np.ndarray, pairs: pd.DataFrame, truth: pd.DataFrame, seen: pd.DataFrame, items: pd.DataFrame | None = None
) -> Evaluation:
    """Judge any score (n,) of the candidates in the same way; of repeats or discoveries only they are listed."""
    slices = {}
    fresh = is_new(pairs)
    everything = ranks(pairs, score)
    slices["all"] = ranking_metrics(everything, truth, K)
    for part, wanted, kept in zip(("repeats", "discoveries"), split_truth(truth, seen), (~fresh, fresh), strict=True):
        slices[part] = ranking_metrics(ranks(pairs[kept], score[kept]), wanted, K)
    figures = slice_figures(slices, K)
    label = pairs[LABEL].to_numpy(dtype=bool)
    if len(score) and np.min(score) >= 0 and np.max(score) <= 1:
        figures |= binary_metrics(label, score)
    if items is not None:
        slices |= cold_slices(everything, slices["all"], pairs, truth, items)
        buyers = everything[everything["customer_id"].isin(slices["all"].index)]
        figures |= shown_figures(buyers, seen, items[items["offered"]], K)
    return Evaluation(slices["all"]["ndcg"], figures, score, label, slices)


def cold_slices(
    ranked: pd.DataFrame, judged: pd.DataFrame, pairs: pd.DataFrame, truth: pd.DataFrame, items: pd.DataFrame
) -> dict[str, pd.DataFrame]:
    """Return the metrics of cold customers' lists, and of lists of cold items alone.

    A customer is cold with fewer than two baskets before, an item with at most :data:`FEW_BUYERS` buyers. Where no cold
    item is offered, the customers who buy one have no figure: no ranking could have listed it.
    """
    baskets = pairs.drop_duplicates("customer_id").set_index("customer_id")["customer_baskets_total"].fillna(0)
    cold = items[items["buyers"] <= FEW_BUYERS]
    types = set(items["item"]) - set(cold["item"])
    wanted = truth[~truth["item"].isin(types)]
    listed = ranked[ranked["item"].isin(cold.loc[cold["offered"], "item"])]
    # ranks close up; the order stays
    listed = listed.assign(rank=listed.groupby("customer_id")["rank"].rank().astype("int64"))
    metrics = ranking_metrics(listed, wanted, K)
    return {
        "cold customers": judged[(baskets.reindex(judged.index, fill_value=0) < COLD_BASKETS).to_numpy()],
        "cold items": metrics if cold["offered"].any() else metrics * np.nan,
    }
