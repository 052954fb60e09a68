"""What the overdue model is learnt from: customers within the limit of their own inter-purchase times."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from typing import TYPE_CHECKING

from conf.settings.schema import Models
from features.customers.series_labels import MOST_LIMIT
from training.evaluation.windows import Windows

if TYPE_CHECKING:
    import pandas as pd

LABEL = "outlasts"


def days(windows: Windows, models: Models) -> Iterable[date]:
    """Return the gate day whose labels end with the night whatever the limit, and the days to train on."""
    gate, training = windows.longer(MOST_LIMIT, models.churn_windows)
    return (gate, *training)


def rows(customers: pd.DataFrame) -> pd.DataFrame:
    """Keep customers who have a limit of their own and have not passed it, and add :data:`LABEL`.

    Args:
        customers: the set ``purchase_series``, with ``beyond_limit``: 1, 0, or NaN where the data does not settle it.
    """
    kept = customers[customers["beyond_limit"].notna()]
    return kept.assign(**{LABEL: kept["beyond_limit"] > 0}).reset_index(drop=True)
