"""Paired intervals of how much better the offers of some nights were than simpler methods.

A figure of a night is a ratio of two sums over customers: hits over customers who bought, or redemptions of offered
coupons over all redemptions. Over several nights it is the mean of the nights' ratios. The same customers are behind
all nights and methods, so customers are resampled, with all their nights and all methods' results.
"""

from __future__ import annotations

import pandas as pd

from scoring.outcomes.outcomes import NBO
from training.evaluation.metrics import Interval, paired_bootstrap

#: a row per night, method and customer of one figure: the customer's part of the numerator and of the denominator
COLUMNS = ("offers_of", "method", "customer_id", "above", "below")


def gains(rows: pd.DataFrame, rounds: int, seed: int) -> dict[str, Interval]:
    """Return by how much the night's offers beat every other method, with the paired 95 % interval over customers.

    Args:
        rows: :data:`COLUMNS` of one figure; distinct nights, methods and customers.
        rounds: resamples.
        seed: of the resampling.

    Returns:
        method -> the mean over the nights that both have of NBO's ratio minus the method's.
    """
    gain_of = {}
    ours = rows[rows["method"] == NBO]
    for method, theirs in rows[rows["method"] != NBO].groupby("method", observed=True):
        nights = set(ours["offers_of"]) & set(theirs["offers_of"])
        if not nights:
            continue
        better, worse = (part[part["offers_of"].isin(nights)] for part in (ours, theirs))
        customers = pd.Index(sorted({*better["customer_id"], *worse["customer_id"]}), name="customer_id")
        values = ratio_values(better, customers), ratio_values(worse, customers)
        gain_of[str(method)] = paired_bootstrap(values[0], values[1], rounds, seed)
    return gain_of


def ratio_values(rows: pd.DataFrame, customers: pd.Index) -> pd.Series:
    """Return a value per customer whose mean is the mean over the nights of sum(above) / sum(below).

    To first order a customer changes the ratio r by (above - r below) / sum(below); so the mean of resampled values is
    the ratio of the resampled customers, except for second-order terms.

    Reference: Efron and Tibshirani (1993), "An Introduction to the Bootstrap", chapter 22 (influence values).

    Args:
        rows: :data:`COLUMNS` of one method.
        customers: whom to return; a customer without a row has no influence.
    """
    by_night = rows.groupby("offers_of", observed=True)
    above, below = by_night["above"].transform("sum"), by_night["below"].transform("sum")
    nights = by_night.ngroups
    moved = (rows["above"] - above / below * rows["below"]) / (below * nights)
    ratio = float((by_night["above"].sum() / by_night["below"].sum()).mean())
    influence = moved.groupby(rows["customer_id"], observed=True).sum().reindex(customers, fill_value=0.0)
    return influence * len(customers) + ratio
