"""How sure one is that the offers of some nights did better than simpler ways to choose them.

A figure of a night is a ratio of two sums over customers: hits over customers who bought, or redemptions found over all
redemptions. Over several nights it is the mean of the nights' ratios. The same customers stand behind all nights and
all methods, so customers are resampled, each with all his nights and with what every method gave him.
"""

from __future__ import annotations

import pandas as pd

from scoring.outcomes.outcomes import NBO
from training.evaluation.metrics import Interval, paired_bootstrap

#: a row per night, method and customer of one figure: what he adds to the sum above and to the sum below
COLUMNS = ("offers_of", "method", "customer_id", "above", "below")


def gains(rows: pd.DataFrame, rounds: int, seed: int) -> dict[str, Interval]:
    """Return by how much the night's offers beat each other method, with the paired 95 % interval over customers.

    Args:
        rows: :data:`COLUMNS` of one figure; distinct nights, methods and customers.
        rounds: resamples.
        seed: of the resampling.

    Returns:
        method -> the mean over the nights that both have of NBO's ratio minus the method's.
    """
    found = {}
    ours = rows[rows["method"] == NBO]
    for method, theirs in rows[rows["method"] != NBO].groupby("method", observed=True):
        nights = set(ours["offers_of"]) & set(theirs["offers_of"])
        if not nights:
            continue
        better, worse = (part[part["offers_of"].isin(nights)] for part in (ours, theirs))
        customers = pd.Index(sorted({*better["customer_id"], *worse["customer_id"]}), name="customer_id")
        values = ratio_values(better, customers), ratio_values(worse, customers)
        found[str(method)] = paired_bootstrap(values[0], values[1], rounds, seed)
    return found


def ratio_values(rows: pd.DataFrame, customers: pd.Index) -> pd.Series:
    """Return a value per customer whose mean is the mean over the nights of sum(above) / sum(below).

    To the first order a customer moves the ratio r by (above - r below) / sum(below); so the mean of resampled values
    is the ratio of the resampled customers, but for terms of the second order.

    Reference: Efron and Tibshirani (1993), "An Introduction to the Bootstrap", chapter 22 (influence values).

    Args:
        rows: :data:`COLUMNS` of one method.
        customers: whom to return; who has no row moves nothing.
    """
    by_night = rows.groupby("offers_of", observed=True)
    above, below = by_night["above"].transform("sum"), by_night["below"].transform("sum")
    nights = by_night.ngroups
    moved = (rows["above"] - above / below * rows["below"]) / (below * nights)
    ratio = float((by_night["above"].sum() / by_night["below"].sum()).mean())
    each = moved.groupby(rows["customer_id"], observed=True).sum().reindex(customers, fill_value=0.0)
    return each * len(customers) + ratio
