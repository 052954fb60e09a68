"""The propensity of product types where no ranker serves yet: rates learnt from the company's own last days."""

from __future__ import annotations

from pyspark.sql import Column, DataFrame, functions as F

from features.customers.repeat_counts import MOST_BASKETS, MOST_WEEKS
from training.rankers.repeat_rates import RepeatRates


def with_learnt_propensity(candidates: DataFrame, rates: RepeatRates | None, horizon_days: int) -> DataFrame:
    """Add ``propensity``: P(buys the product type within the horizon).

    What a customer bought before has the rate of repeats (:mod:`training.rankers.repeat_rates`) of its history. What
    is new to the customer has the share of customers who lacked the type 28 days ago and bought it since; where that
    is not known, the share of all customers who bought it in 28 days.

    Args:
        candidates: from :func:`scoring.offers.candidates.candidates`.
        rates: learnt rates; None: rankers serve all candidates, and the column is null until they do.
        horizon_days: days of the horizon.

    Returns:
        ``candidates`` with ``propensity`` (double).
    """
    if rates is None:
        return candidates.withColumn("propensity", F.lit(None).cast("double"))
    is_new = F.coalesce("pair_baskets_total", F.lit(0.0)) == 0
    new = F.coalesce(F.nanvl("type_new_share_28", F.lit(None).cast("double")), "type_popularity_28", F.lit(0.0))
    return candidates.withColumn("propensity", F.when(is_new, new).otherwise(_repeat(rates, horizon_days)))


def _repeat(rates: RepeatRates, horizon_days: int) -> Column:
    """Return the closed form of :func:`training.rankers.repeat_rates.probability` over the columns of a candidate."""
    baskets = F.least("pair_baskets_total", F.lit(float(MOST_BASKETS)))
    weeks = (
        F.least(F.floor(F.coalesce(name, F.lit(0.0)) / 7).cast("double"), F.lit(float(MOST_WEEKS)))
        for name in ("pair_days_since_last", "pair_days_since_first")
    )
    log_odds = F.lit(rates.intercept)
    for slope, value in zip(rates.slopes, (baskets, *weeks), strict=True):
        log_odds = log_odds + F.lit(slope) * F.log1p(value)
    rate = 1 / (1 + F.exp(-log_odds))
    return 1 - F.pow(1 - rate, F.lit(horizon_days / rates.days))
