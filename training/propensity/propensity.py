"""What a customer will do, or is: one model per configured label, the simplest that is as good as the best.

One wide frame serves all labels: series and profile, the history in each label's scope (``<label>:<column>``), and the
lean to departments (``likes:<department>``). n = customers, l = labels, d = departments.

References: Breiman et al. (1984), "Classification and Regression Trees" (the one-standard-error rule); Bennett et al.
(2009) and others call such label factories look-alike or propensity modelling.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd

from conf.settings.propensities import Amount, Attribute, FirstPurchase, Propensity, Purchase, Return
from conf.tables.features import HISTORY
from training.characteristics.numpy_network import label_matrix
from training.churn.churn import coverage
from training.evaluation.fitted import Candidate, Judged, better, judge_binary
from training.models.artifacts import Model
from training.models.classifiers import (
    LogisticConfig,
    TreesConfig,
    boosted,
    calibrated,
    logistic,
    naive_bayes,
    trees,
    with_calibration,
    with_extra,
)

LABEL = "happens"
#: the rung that knows the history in the label's own scope alone
OWN = "own history"
#: columns of ``PURCHASE_SERIES`` and then of ``PROFILE`` that every label's model takes
SERIES_INPUTS = (
    "recency_days", "tenure_days", "visits_total", "baskets_28", "baskets_84", "baskets_364", "spend_28", "spend_84",
    "spend_364", "basket_value_84", "trend_28", "visits_decay_7", "visits_decay_28", "visits_decay_112",
    "visit_rate_56", "spend_decay_28", "interval_days", "overdue_ratio", "gap_variation", "gap_max", "gap_last",
    "gap_p90", "absence_share", "absence_by_habit", "absence_by_rate", "weeks_active_share", "last_basket_ratio",
)  # fmt: skip
PROFILE_INPUTS = (
    "types_84", "types_total", "stores_84", "main_store_share_84", "basket_lines_84", "private_brand_share_84",
    "discount_share_28", "discount_share_84", "discount_share_365", "weekend_share_84", "evening_share_84",
    "campaigns_total", "responses_total", "responses_84",
)  # fmt: skip
LISTS = ("likes", "lean")
HISTORY_INPUTS = tuple(column.name for column in HISTORY)
#: what customers without a purchase in a scope have none of
_ZEROS = (
    "visits_total",
    "spend_84",
    "weeks_active_share",
    *(n for n in HISTORY_INPUTS if n.startswith("visits_decay")),
)
#: customers of a department without which it is no input
_LEAST_LIKED = 0.05
_FOLDS = 5
#: precisions at which it is told how many customers can be named
PRECISIONS = (0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
#: shares of the customers below the bands "middle" and "high"
BANDS = (0.7, 0.9)


@dataclass(frozen=True)
class LadderConfig:
    """Everything that changes the fitted models; of the penalties the validation window chooses."""

    logistic: tuple[LogisticConfig, ...] = (LogisticConfig(strength=0.01), LogisticConfig(strength=0.1))
    trees: TreesConfig = field(
        default_factory=lambda: TreesConfig(
            leaves=6, learning_rate=0.05, rounds=300, min_rows=100, rows_share=0.7, inputs_share=0.3, l2=10.0, threads=1
        )
    )


# --- the frame


def departments(likes: pd.Series) -> list[str]:
    """Return the departments that at least 5 % of the customers bought in, by name."""
    counted = likes.explode().value_counts()
    return sorted(counted[counted >= _LEAST_LIKED * len(likes)].index)


def wide(
    customers: pd.DataFrame, row: np.ndarray, history: pd.DataFrame, labels: Sequence[str], liked: Sequence[str]
) -> pd.DataFrame:
    """Put together the inputs of all models; the same for training and for the night.

    Args:
        customers: a row per customer (n): :data:`SERIES_INPUTS`, :data:`PROFILE_INPUTS` and :data:`LISTS`, in any
            order; null where unknown. Other columns stay.
        row: position in ``customers`` that each row of ``history`` belongs to.
        history: ``LABEL_HISTORY``: ``label`` and :data:`HISTORY_INPUTS`.
        labels: labels with a scope, known to ``history``.
        liked: departments.

    Returns:
        ``customers`` without lists, and float32 ``<label>:<column>`` and ``likes:<department>``; a department the
        customer never bought in has lean 0.
    """
    place = pd.Index(pd.Series(labels, dtype=object)).get_indexer(pd.Index(history["label"].astype(object)))
    known = place >= 0
    parts: dict[str, np.ndarray] = {}
    cells = {name: np.full((len(customers), len(labels)), np.nan, dtype="float32") for name in HISTORY_INPUTS}
    for name, each in cells.items():
        each[row[known], place[known]] = history[name].to_numpy(dtype="float32", na_value=np.nan)[known]
    never = ~(cells["visits_total"] > 0)  # who will buy has a row in training: it must look like having none
    for name, each in cells.items():
        each[never] = 0.0 if name in _ZEROS else 1.0 if name == "absence_by_rate" else np.nan
        parts |= {f"{label}:{name}": each[:, number] for number, label in enumerate(labels)}
    lean = label_matrix(customers["likes"], customers["lean"], pd.Index(pd.Series(liked, dtype=object))).toarray()
    parts |= {f"likes:{department}": lean[:, number] for number, department in enumerate(liked)}
    others = customers.drop(columns=list(LISTS))
    return others.join(pd.DataFrame(parts, index=customers.index)) if parts else others


def inputs(propensity: Propensity, labels: Sequence[str], liked: Sequence[str]) -> list[str]:
    """Return what the label's model takes: the customer's habits, the own scope, a little of the other scopes."""
    scoped = isinstance(propensity, Purchase) or (isinstance(propensity, Amount) and propensity.scope is not None)
    own = [f"{propensity.label}:{name}" for name in HISTORY_INPUTS] if scoped else []
    if isinstance(propensity, Purchase) and propensity.kind == "adopts":
        own = []  # the scope's history is empty by definition
    others = [f"{label}:visits_decay_112" for label in labels if label != propensity.label]
    return [*SERIES_INPUTS, *PROFILE_INPUTS, *own, *others, *(f"likes:{department}" for department in liked)]


def eligible(frame: pd.DataFrame, propensity: Propensity) -> np.ndarray:
    """Tell of which customers the label can be asked (n,); attributes are asked of all who ever bought."""
    baskets = frame["visits_total"].to_numpy(dtype="float64", na_value=0.0)
    bought = np.nan_to_num(baskets) > 0
    if isinstance(propensity, FirstPurchase):
        return ~bought
    if isinstance(propensity, Return):
        recency = frame["recency_days"].to_numpy(dtype="float64", na_value=np.nan)
        return bought & (np.nan_to_num(recency) >= propensity.lapse_days)
    if isinstance(propensity, Purchase) and propensity.kind == "adopts":
        return bought & (frame[f"{propensity.label}:visits_total"].to_numpy() == 0)
    return bought


def rows(frame: pd.DataFrame, propensity: Propensity) -> pd.DataFrame:
    """Return the customers of whom the label can be asked and is known, with :data:`LABEL`.

    Args:
        frame: result of :func:`wide` with ``returned`` (bought anything within the horizon), ``bought:<label>`` for
            labels with a scope (``spent:<label>`` beside it) and ``recorded:<label>`` (null: unknown) for attributes.
        propensity: the label.
    """
    kept = frame[eligible(frame, propensity)]
    if isinstance(propensity, Attribute):
        known = kept[f"recorded:{propensity.label}"]
        return kept[known.notna()].assign(**{LABEL: known[known.notna()].astype(bool)})
    if isinstance(propensity, Amount):
        column = f"spent:{propensity.label}" if propensity.scope else f"recorded:{propensity.label}"
        amount = kept[column].astype("float64")
        return kept[amount.notna()].assign(**{LABEL: np.maximum(amount[amount.notna()], 0.0)})
    truth = kept[f"bought:{propensity.label}"] if isinstance(propensity, Purchase) else kept["returned"]
    return kept.assign(**{LABEL: truth.astype(bool)})


def folds(frame: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Split customers by a hash into training (3 of 5), validation and gate: for labels without a horizon."""
    fold = pd.util.hash_array(frame["customer_id"].to_numpy(dtype=object)) % _FOLDS
    return frame[fold < _FOLDS - 2], frame[fold == _FOLDS - 2], frame[fold == _FOLDS - 1]


# --- the models


def baseline(propensity: Propensity, train: pd.DataFrame) -> Candidate:
    """Fit what a label is held against: personal frequency, shopping frequency, recency or the base rate alone."""
    name, label = propensity.model, propensity.label
    if isinstance(propensity, Purchase) and propensity.kind == "buys":
        columns, family = [f"{label}:visits_total", f"{label}:visits_decay_56"], "personal frequency"
    elif isinstance(propensity, Purchase):
        columns, family = ["visits_decay_28"], "shopping frequency"
    elif isinstance(propensity, Return):
        columns, family = ["recency_days"], "recency alone"
    else:
        columns, family = ["tenure_days"], "base rate"
    strength = 1e-9 if family == "base rate" else 1e6
    return Candidate(logistic(name, train, columns, LABEL, LogisticConfig(strength=strength), family))


def ladder(
    name: str, train: pd.DataFrame, validation: pd.DataFrame, columns: Sequence[str], config: LadderConfig
) -> dict[str, Candidate]:
    """Fit every rung, all calibrated on validation, the simplest first.

    They are logistic regression on the history in the own scope (where there is one), naive Bayes and logistic
    regression on everything, and trees.
    """
    own = [column for column in columns if column.startswith(f"{name.removeprefix('propensity_')}:")]

    def line(taken: Sequence[str], family: str) -> Candidate:
        fitted = [logistic(name, train, taken, LABEL, each, family) for each in config.logistic]
        candidates = zip(fitted, config.logistic, strict=True)
        return better([Candidate(model, asdict(each)) for model, each in candidates], validation, LABEL)

    rungs = {OWN: line(own, f"logistic regression on the {OWN}")} if own else {}
    rungs |= {
        "naive Bayes": Candidate(naive_bayes(name, train, columns, LABEL)),
        "logistic regression": line(columns, "logistic regression"),
        "trees": boosted(name, train, validation, columns, LABEL, config.trees),
    }
    return {rung: replace(found, model=calibrated(found.model, validation, LABEL)) for rung, found in rungs.items()}


def simplest(rungs: dict[str, Candidate], judge: Callable[[Model], Judged]) -> str:
    """Return the first rung that ``judge`` finds within one standard error of the best, paired by customer."""
    each = {rung: judge(found.model).each for rung, found in rungs.items()}
    best = each[max(each, key=lambda rung: float(each[rung].mean()))]

    def is_as_good(values: pd.Series) -> bool:
        behind = best - values
        return float(behind.mean()) <= float(behind.std(ddof=0)) / np.sqrt(len(behind))

    return next(rung for rung, values in each.items() if is_as_good(values))


def fit(
    name: str, train: pd.DataFrame, validation: pd.DataFrame, columns: Sequence[str], config: LadderConfig
) -> Candidate:
    """Fit the ladder, keep the simplest rung as good as the best, and fit it again with the validation window.

    Args:
        name: of the model.
        train: rows with :data:`LABEL`.
        validation: the same, later in time or of other customers.
        columns: inputs.
        config: penalties and sizes.
    """
    rungs = ladder(name, train, validation, columns, config)
    rung = simplest(rungs, lambda model: judge_binary(model, validation, LABEL))
    again = _again(rungs[rung], pd.concat([train, validation], ignore_index=True), config)
    calibration: Any = rungs[rung].model.meta.extra.get("calibration")
    told = {
        f"validation {each}": float(judge_binary(found.model, validation, LABEL).each.mean())
        for each, found in rungs.items()
    }
    params = {"rung": rung, **rungs[rung].params, **told}
    return Candidate(with_calibration(again, *calibration) if calibration else again, params, rungs[rung].curves)


def with_bands(found: Candidate, frame: pd.DataFrame) -> Candidate:
    """Fix the borders of the bands, so that they hold still from night to night: by the shares of ``frame``."""
    borders = np.quantile(found.model.predict(frame), BANDS)
    return replace(found, model=with_extra(found.model, bands=[float(border) for border in borders]))


def figures(judged: Judged) -> Judged:
    """Add how many of the customers can be named at a precision to what is known of a model."""
    table = coverage(judged.truth, judged.probability, PRECISIONS)
    named = {
        f"coverage_at_precision_{precision:g}": float(share)
        for precision, share in zip(table["precision"], table["coverage"], strict=True)
    }
    return replace(judged, metrics={**judged.metrics, **named})


def _again(chosen: Candidate, both: pd.DataFrame, config: LadderConfig) -> Model:
    model, columns = chosen.model, chosen.model.meta.inputs
    if model.meta.family == "naive Bayes":
        return naive_bayes(model.meta.name, both, columns, LABEL)
    if model.meta.kind == "sklearn":
        return logistic(model.meta.name, both, columns, LABEL, LogisticConfig(**chosen.params), model.meta.family)
    rounds = max(1, model.booster.num_trees())  # type: ignore[attr-defined]
    return trees(model.meta.name, both, None, columns, LABEL, replace(config.trees, rounds=rounds))
