"""What churn is learnt from: customers who are active, and whether they bought within the horizon."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from typing import TYPE_CHECKING

from conf.settings.schema import Models
from training.evaluation.windows import Windows

if TYPE_CHECKING:
    import pandas as pd

LABEL = "left"


def days(windows: Windows, models: Models) -> Iterable[date]:
    """Return the days a week apart that churn learns from."""
    return windows.weekly(models.churn_windows)


def rows(customers: pd.DataFrame, active_days: int) -> pd.DataFrame:
    """Keep customers that are active, and add :data:`LABEL`.

    Args:
        customers: numbers of the purchase series, and ``returned``: bought within the horizon.
        active_days: a customer is active with a purchase in these days.
    """
    active = customers[customers["recency_days"] < active_days]
    return active.assign(**{LABEL: ~active["returned"].astype(bool)}).reset_index(drop=True)
