"""How a model of characteristics does on a window.

Over all, repeats and discoveries apart, by stage of the funnel, and on contacts nobody knows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from training.characteristics.columns import BASKETS, CATEGORIES, LISTS, NUMBERS, ORGANIZATION, STAGE, K
from training.characteristics.examples import seen_of, truth_of
from training.characteristics.expert_prior import FIRST, STAGES
from training.evaluation.fitted import Evaluation
from training.evaluation.metrics import (
    binary_metrics,
    paired_bootstrap,
    ranking_metrics,
    slice_figures,
    split_truth,
    top_ranks,
)
from training.models.artifacts import META, Model, from_bytes
from training.models.lists import label_matrix

_ROUNDS = 1000


def judge(model: Model, gate: pd.DataFrame, dictionary: Sequence[str], rival: Model | None = None) -> Evaluation:
    """Judge the ranking of characteristics against all that each customer bought.

    Args:
        model: ``meta.outputs`` are the characteristics it ranks.
        gate: rows of :func:`training.characteristics.examples.examples` with the list ``bought``.
        dictionary: characteristics of the night; probabilities are judged if the model knows the same.
        rival: ranks discoveries too: popularity.

    Returns:
        NDCG per customer; ``slices``: all, repeats and discoveries, of which only they are listed, and stages; as
        figures NDCG if every customer were unknown to the house, with the expert's prior and without, and the gain of
        discoveries over the rival's with its interval; as guard NDCG of discoveries.
    """
    truth, outputs = truth_of(gate), np.asarray(model.meta.outputs)
    happened = label_matrix(gate["bought"], None, pd.Index(dictionary)).toarray() > 0
    probability = model.predict(gate)
    slices = slices_of(gate, truth, outputs, probability)
    figures = slice_figures(slices, K)
    if rival is not None and len(slices["discoveries"]):
        other = slices_of(gate, truth, np.asarray(rival.meta.outputs), rival.predict(gate))["discoveries"]
        gain = paired_bootstrap(slices["discoveries"]["ndcg"], other["ndcg"], _ROUNDS, 0)
        interval = zip(("", "_low", "_high"), (gain.value, gain.low, gain.high), strict=True)
        figures |= {f"ndcg_at_{K}_discovery_over_{rival.meta.family}{end}": value for end, value in interval}
    if list(outputs) == list(dictionary):
        figures |= binary_metrics(happened.ravel(), probability.ravel())
    for name, version in (("", model), ("_without_prior", without_prior(model))):
        unknown = np.repeat(version.predict(as_first_contacts(gate.head(1))), len(gate), axis=0)
        cold = ranking_metrics(top_ranks(gate["customer_id"].to_numpy(), outputs, unknown, K), truth, K)
        figures[f"ndcg_at_{K}_as_first_contact{name}"] = float(cold["ndcg"].mean())
    overall = slices["all"]
    stages = gate.set_index("customer_id")[STAGE].reindex(overall.index)
    slices |= {name: overall[(stages == name).to_numpy()] for name in STAGES if (stages == name).any()}
    ndcg = slices["discoveries"]["ndcg"]
    guards = {"NDCG of discoveries": ndcg} if len(ndcg) else {}
    return Evaluation(overall["ndcg"], figures, probability, happened, slices, guards)


def slices_of(
    gate: pd.DataFrame, truth: pd.DataFrame, outputs: np.ndarray, probability: np.ndarray
) -> dict[str, pd.DataFrame]:
    """Return the metrics per customer over all, and of repeats and discoveries, each with lists of its own.

    Args:
        gate: rows of :func:`training.characteristics.examples.examples` with the list ``bought``.
        truth: ``customer_id``, ``item``: all that was bought.
        outputs: characteristics (l,).
        probability: of each (n, l).
    """
    owned = label_matrix(gate[LISTS[0]], None, pd.Index(outputs)).toarray() > 0
    repeats, discoveries = split_truth(truth, seen_of(gate))
    parts = {
        "all": (truth, probability),
        "repeats": (repeats, np.where(owned, probability, -np.inf)),
        "discoveries": (discoveries, np.where(owned, -np.inf, probability)),
    }
    customers = gate["customer_id"].to_numpy()
    return {
        name: ranking_metrics(top_ranks(customers, outputs, score, K), wanted, K)
        for name, (wanted, score) in parts.items()
    }


def as_first_contacts(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the examples as if nothing were known of the customers."""
    unknown = {name: np.nan for name in NUMBERS} | dict.fromkeys((*CATEGORIES, *ORGANIZATION, *LISTS))
    return frame.assign(**{**unknown, STAGE: FIRST, BASKETS: 0.0})


def without_prior(model: Model) -> Model:
    """Return the model without the rules of an expert."""
    kept = {name: value for name, value in model.meta.extra.items() if name != "prior"}
    return from_bytes({**model.to_bytes(), META: replace(model.meta, extra=kept).to_json().encode()})
