"""Which two coupons to offer: by chance of redemption, by value, as before, or by simple rules; on windows long after.

Reads the clean layer of one night (``NBO_HOME``) and builds the coupons' training sets with the night's own code. Each
of the newest windows is judged by models that the night of its ``as_of`` could have had: the labels they learn from end
28 days before it, as behind a gate. Figures: redemptions@2 (the share of all redemptions that were among the two
coupons), NDCG@5 of who redeems anything, and what the two brought: spend in their scopes times the margin, less the
discount of what was redeemed, a customer's mean (margin and discount are assumptions of ``conf/offers.yml``). Intervals
are paired, over customers with all their windows. ``--cache`` keeps the sets between runs.
"""

from __future__ import annotations

import argparse
import logging
import pickle
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
from pyspark.sql import SparkSession, functions as F

from bench.inputs.night_windows import windows_of
from conf.settings.load import load
from conf.settings.schema import Offers, Settings
from jobs.lake.lake import Lake
from jobs.spark import session
from jobs.train.sets.training_sets import training_sets
from scoring.offers.arbitration import value_coupons
from scoring.outcomes.gains import gains
from scoring.outcomes.outcomes import NBO
from training.evaluation.metrics import ranks
from training.rankers.coupon_response import (
    RESPONSE,
    SCOPE,
    CouponConfig,
    ResponseConfig,
    fit,
    fit_response,
    list_figures,
)
from training.rankers.inputs import COUPON_INPUTS, RESPONSE_INPUTS

SPEND = ("scope_spend_84", "scope_baskets_84", "scope_spend_per_buyer_28")
#: what the model of redemptions learnt from before: the newest windows, the one after them to choose by
FORMER_WINDOWS = 4
PLACES = 2
Sets = dict[date, pd.DataFrame]


def built(settings: Settings, night: date) -> Sets:
    """Return the coupons of every window of the night, newest first, with the spend that is expected of a buyer."""
    lake = Lake(settings.lake)
    windows = windows_of(settings, lake, night, 12)
    spark = session(settings, "bench")
    with training_sets(settings, lake, spark, night, windows, {"coupons"}) as sets:
        made = {day: with_spend(spark, sets.read("coupons", day), settings.offers) for day in windows.all}
    spark.stop()
    return made


def with_spend(spark: SparkSession, rows: pd.DataFrame, offers: Offers) -> pd.DataFrame:
    """Add ``expected_spend``, as the night reckons it."""
    keys = ["customer_id", "offer_id"]
    constants = {"propensity": F.lit(1.0), "response_probability": F.lit(0.0), "offer_discount": F.lit(None)}
    valued = value_coupons(spark.createDataFrame(rows[[*keys, *SPEND]]).withColumns(constants), offers)
    return rows.merge(valued.select(*keys, "expected_spend").toPandas(), on=keys)


def scored(sets: Sets, day: date, settings: Settings) -> tuple[pd.DataFrame, dict[str, np.ndarray]]:
    """Return the coupons of a window with their value and each method's score of them."""
    step = timedelta(days=28)
    behind = [day_before for day_before in sets if day_before <= day - 2 * step][: 1 + settings.models.coupon_windows]
    rows, train = sets[day], pd.concat([sets[day_before] for day_before in behind], ignore_index=True)
    former = pd.concat([sets[day_before] for day_before in behind[1 : 1 + FORMER_WINDOWS]], ignore_index=True)
    models = {name: fit(name, former, sets[behind[0]], COUPON_INPUTS, CouponConfig()) for name in (RESPONSE, SCOPE)}
    chance = fit_response(train, RESPONSE_INPUTS, ResponseConfig()).model.predict(rows)
    rules, spend = settings.offers.coupons, rows["expected_spend"].to_numpy()
    value = models[SCOPE].model.predict(rows) * spend * rules.margin - chance * rules.discount
    brought = rows["spend"].fillna(0.0) * rules.margin - rows["redeemed"] * rules.discount
    return rows.assign(brought=brought), {
        NBO: np.where(value > 0, chance, chance - 1),
        "chance, whether it pays or not": chance,
        "value": value,
        "chance, as before": models[RESPONSE].model.predict(rows),
        "personal frequency": rows["scope_frequency"].to_numpy(),
        "popularity": rows["offer_responses"].to_numpy(),
    }


def judged(day: date, method: str, rows: pd.DataFrame, score: np.ndarray) -> dict[str, pd.DataFrame]:
    """Return what every customer adds to each figure (:data:`scoring.outcomes.gains.COLUMNS`)."""
    ranked = ranks(rows.assign(item=rows["offer_id"]), score).rename(columns={"item": "offer_id"})
    cases = rows[["customer_id", "offer_id", "redeemed", "brought"]].merge(ranked, on=["customer_id", "offer_id"])
    two = cases["rank"] <= PLACES
    shown = pd.DataFrame(
        {
            "found": (cases["redeemed"] & two).groupby(cases["customer_id"]).sum(),
            "wanted": cases.groupby("customer_id")["redeemed"].sum(),
            "brought": cases["brought"].where(two, 0.0).groupby(cases["customer_id"]).sum(),
        }
    ).astype(float)
    ndcg = list_figures(score, rows)["ndcg"]
    figures = {
        f"redemptions@{PLACES}": (shown["found"], shown["wanted"]),
        "NDCG@5": (ndcg, ndcg * 0 + 1),
        f"value@{PLACES}": (shown["brought"], shown["wanted"] * 0 + 1),
    }
    return {
        name: pd.DataFrame({"above": above, "below": below})
        .rename_axis("customer_id")
        .reset_index()
        .assign(offers_of=day, method=method)
        for name, (above, below) in figures.items()
    }


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--night", type=date.fromisoformat, default=date(2017, 12, 31), help="all labels end by it")
    parser.add_argument("--judged", type=int, default=2, help="windows that are judged, the newest")
    parser.add_argument("--cache", type=Path, help="file to keep the sets in")
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.WARNING)
    settings = load()
    if arguments.cache and arguments.cache.exists():
        sets = pickle.loads(arguments.cache.read_bytes())
    else:
        sets = built(settings, arguments.night)
        if arguments.cache:
            arguments.cache.write_bytes(pickle.dumps(sets))
    parts: dict[str, list[pd.DataFrame]] = {}
    for day in list(sets)[: arguments.judged]:
        rows, scores = scored(sets, day, settings)
        redeemers = rows.loc[rows["redeemed"], "customer_id"]
        print(f"{day}: {len(rows):,} coupons of {rows['customer_id'].nunique():,} customers, "
              f"{len(redeemers)} redeemed by {redeemers.nunique()}", flush=True)  # fmt: skip
        for method, score in scores.items():
            for name, frame in judged(day, method, rows, score).items():
                parts.setdefault(name, []).append(frame)
    for name, frames in parts.items():
        cases = pd.concat(frames, ignore_index=True)
        sums = cases.groupby(["method", "offers_of"], sort=False)[["above", "below"]].sum()
        means = (sums["above"] / sums["below"]).unstack()
        lift = gains(cases, settings.models.bootstrap_rounds, settings.models.seed)
        print(f"\n{name}")
        for method in dict.fromkeys(cases["method"]):
            gain = lift.get(method)
            beaten = "" if gain is None else f"NBO minus it {gain.value:+.4f} ({gain.low:+.4f} to {gain.high:+.4f})"
            windowed = "  ".join(f"{value:.4f}" for value in means.loc[method])
            print(f"  {method:<32} {means.loc[method].mean():.4f}   {windowed}   {beaten}", flush=True)


if __name__ == "__main__":
    main()
