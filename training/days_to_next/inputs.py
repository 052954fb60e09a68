"""What days to the next purchase are learnt from: active customers, and the day of the visit that came next.

A customer who has not come back by the last day that may be known is censored there: it is known how long they stayed
away at least. n = customers.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, timedelta
from typing import Any

import numpy as np
import pandas as pd

from conf.settings.schema import Models
from training.evaluation.windows import Windows
from training.next_action.inputs import windows as visits_as_of
from training.sets import TrainingSets

#: days after which nobody is followed any longer
FOLLOWED = 84
#: days to the next visit, days for which it is known whether there was one, and whether there was none in them
LABEL, OBSERVED, CENSORED = "days_to_next", "days_observed", "is_censored"


def gate_and_training(windows: Windows, models: Models) -> tuple[date, tuple[date, ...]]:
    """Return a gate day with :data:`FOLLOWED` known days after it, and days two weeks apart to train on.

    The latter are followed up to the gate day at most, for at least one horizon.
    """
    gate = windows.until - timedelta(days=FOLLOWED)
    back = [gate - windows.horizon - timedelta(days=14 * number) for number in range(models.churn_windows // 2)]
    return gate, tuple(day for day in back if day >= windows.earliest)


def days(windows: Windows, models: Models) -> Iterable[date]:
    """Return the days of the purchase series that the model reads."""
    gate, training = gate_and_training(windows, models)
    return (gate, *training)


def rows(sets: TrainingSets, days: tuple[date, ...], active_days: int, until: date) -> pd.DataFrame:
    """Return the active customers of some days with :data:`LABEL`, :data:`OBSERVED` and :data:`CENSORED`.

    Args:
        sets: the training sets.
        days: days of the purchase series.
        active_days: a customer is active with a purchase in these days.
        until: last day whose visits may be known.
    """
    series, visits = sets.purchase_series(days), sets.visits()
    active = series[series["recency_days"] < active_days]
    parts = []
    for day in days:
        followed = min(FOLLOWED, (until - day).days)
        after = visits_as_of(visits, (sets.night - day).days, followed)[["customer_id", "days"]]
        part = active[pd.to_datetime(active["as_of"]) == pd.Timestamp(day)].merge(after, on="customer_id")
        parts.append(with_label(part, followed))
    return pd.concat(parts, ignore_index=True)


def with_label(part: pd.DataFrame, days: int) -> pd.DataFrame:
    """Return the customers of one day with their labels; ``days`` to the next visit is 0 where none came in ``days``.

    >>> with_label(pd.DataFrame({"days": [3, 0]}), 28)[[LABEL, OBSERVED, CENSORED]].values.tolist()
    [[3.0, 28, False], [28.0, 28, True]]
    """
    came = part["days"].to_numpy() > 0
    labels: dict[str, Any] = {
        LABEL: np.where(came, part["days"], days).astype("float64"),
        OBSERVED: days,
        CENSORED: ~came,
    }
    return part.assign(**labels)
