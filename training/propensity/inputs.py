"""What propensities are learnt from: one wide frame of customers serves all labels.

It holds purchase series and profile, the history in each label's scope (``<label>:<column>``), and the affinity to
departments (``likes:<department>``). n = customers, l = labels, d = departments.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from conf.settings.propensities import Amount, Attribute, FirstPurchase, Propensity, Purchase, Return
from conf.tables.features import HISTORY
from training.models.lists import label_matrix

LABEL = "happens"
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
LISTS = ("likes", "lift")
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
        customer never bought in has affinity 0.
    """
    place = pd.Index(pd.Series(labels, dtype=object)).get_indexer(pd.Index(history["label"].astype(object)))
    listed = place >= 0
    parts: dict[str, np.ndarray] = {}
    cells = {name: np.full((len(customers), len(labels)), np.nan, dtype="float32") for name in HISTORY_INPUTS}
    for name, values in cells.items():
        values[row[listed], place[listed]] = history[name].to_numpy(dtype="float32", na_value=np.nan)[listed]
    never = ~(cells["visits_total"] > 0)  # who will buy has a row in training: it must look like having none
    for name, values in cells.items():
        values[never] = 0.0 if name in _ZEROS else 1.0 if name == "absence_by_rate" else np.nan
        parts |= {f"{label}:{name}": values[:, number] for number, label in enumerate(labels)}
    affinity = label_matrix(customers["likes"], customers["lift"], pd.Index(pd.Series(liked, dtype=object))).toarray()
    parts |= {f"likes:{department}": affinity[:, number] for number, department in enumerate(liked)}
    kept = customers.drop(columns=list(LISTS))
    return kept.join(pd.DataFrame(parts, index=customers.index)) if parts else kept


def inputs(propensity: Propensity, labels: Sequence[str], liked: Sequence[str]) -> list[str]:
    """Return what the label's model takes: the customer's habits, the own scope, a little of the other scopes."""
    scoped = isinstance(propensity, Purchase) or (isinstance(propensity, Amount) and propensity.scope is not None)
    own = [f"{propensity.label}:{name}" for name in HISTORY_INPUTS] if scoped else []
    if isinstance(propensity, Purchase) and propensity.kind == "adopts":
        own = []  # the scope's history is empty by definition
    further = [f"{label}:visits_decay_112" for label in labels if label != propensity.label]
    return [*SERIES_INPUTS, *PROFILE_INPUTS, *own, *further, *(f"likes:{department}" for department in liked)]


def eligible(frame: pd.DataFrame, propensity: Propensity) -> np.ndarray:
    """Return of which customers the label can be asked (n,); attributes are asked of all who ever bought."""
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
            labels with a scope (and ``spent:<label>``) and ``recorded:<label>`` (null: unknown) for attributes.
        propensity: the label.
    """
    kept = frame[eligible(frame, propensity)]
    if isinstance(propensity, Attribute):
        recorded = kept[f"recorded:{propensity.label}"]
        return kept[recorded.notna()].assign(**{LABEL: recorded[recorded.notna()].astype(bool)})
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
