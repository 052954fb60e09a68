"""How a model of characteristics does on a window: over all, by stage of the funnel, and on contacts nobody knows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from training.artifacts import META, Model, from_bytes
from training.characteristics import CATEGORIES, NUMBERS, ORGANIZATION, K, seen_of, truth_of
from training.evaluation import binary_metrics, ranking_metrics, top_ranks
from training.expert_prior import FIRST, STAGES
from training.fitting import Judged
from training.network import BASKETS, LISTS, STAGE, label_matrix
from training.offer_ranker import ranking_figures


def judge(model: Model, gate: pd.DataFrame, dictionary: Sequence[str]) -> Judged:
    """Judge the ranking of characteristics against all that each customer bought.

    Args:
        model: ``meta.outputs`` are the characteristics it ranks.
        gate: rows of :func:`training.characteristics.examples` with the list ``bought``.
        dictionary: characteristics of the night; probabilities are judged if the model knows the same.

    Returns:
        NDCG per customer; ``slices`` by stage; and, as figures, NDCG if every customer were unknown to the house, with
        the expert's prior and without.
    """
    truth, outputs = truth_of(gate), np.asarray(model.meta.outputs)
    happened = label_matrix(gate["bought"], None, pd.Index(dictionary)).toarray() > 0
    probability = model.predict(gate)
    ranked = top_ranks(gate["customer_id"].to_numpy(), outputs, probability, K)
    each = ranking_metrics(ranked, truth, K)
    figures = ranking_figures(ranked, truth, seen_of(gate), K)
    if list(outputs) == list(dictionary):
        figures |= binary_metrics(happened.ravel(), probability.ravel())
    for name, version in (("", model), ("_without_prior", without_prior(model))):
        unknown = np.repeat(version.predict(as_first_contacts(gate.head(1))), len(gate), axis=0)
        cold = ranking_metrics(top_ranks(gate["customer_id"].to_numpy(), outputs, unknown, K), truth, K)
        figures[f"ndcg_at_{K}_as_first_contact{name}"] = float(cold["ndcg"].mean())
    stages = gate.set_index("customer_id")[STAGE].reindex(each.index)
    slices = {"all": each} | {name: each[(stages == name).to_numpy()] for name in STAGES if (stages == name).any()}
    return Judged(each["ndcg"], figures, probability, happened, slices)


def as_first_contacts(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the examples as if nothing were known of the customers."""
    unknown = {name: np.nan for name in NUMBERS} | dict.fromkeys((*CATEGORIES, *ORGANIZATION, *LISTS))
    return frame.assign(**{**unknown, STAGE: FIRST, BASKETS: 0.0})


def without_prior(model: Model) -> Model:
    """Return the model without the rules of an expert."""
    kept = {name: value for name, value in model.meta.extra.items() if name != "prior"}
    return from_bytes({**model.to_bytes(), META: replace(model.meta, extra=kept).to_json().encode()})
