"""How near what a buyer is expected to spend on a product type comes to what buyers spend.

Reads the clean layer of one night (``NBO_HOME``). Of every window the night's own code gives the expected spend as of
its first day, and the 28 days after it what was spent. Printed: the sum of what buyers spent over the sum expected, and
the mean absolute error, in the currency, for the five types that each customer bought most, all repeats and all
discoveries; by the rule of ``value_product_types``, and by the one before: as many windows as
baskets, at most three, and all buyers' mean for new buyers too. Settings windows come first; the last two are told, not
chosen by.
"""

from __future__ import annotations

import argparse
import logging
from datetime import date

import numpy as np
import pandas as pd
from pyspark.sql import SparkSession, functions as F

from conf.settings.load import load
from conf.settings.schema import Settings
from features.customers.affinity import affinity
from features.customers.labels import type_purchases
from features.items.product_types import product_types
from features.lines import basket_types
from jobs.lake.lake import Lake
from jobs.spark import session
from scoring.offers.arbitration import value_product_types
from scoring.offers.candidates import offerable

TOP = 5
#: what is known of the type
WORTH = ("spend_per_buyer_28", "spend_per_new_buyer_28")
_KEYS = ["customer_id", "product_type"]


def buyers(settings: Settings, lake: Lake, spark: SparkSession, day: date, as_of: date) -> pd.DataFrame:
    """Return who buys what within the horizon: expected spend by both rules, ``spend``, and ``place`` by frequency."""
    lines, products = (lake.spark(spark, f"clean/{name}", day) for name in ("order_lines", "products"))
    basket_types(lines, products).persist()
    types = offerable(product_types(lines, products, as_of), settings.offers.product_types)
    worth = types.select("product_type", *(F.col(n).alias(f"type_{n}") for n in WORTH))
    own = affinity(lines, products, as_of).select(
        *_KEYS, "baskets_total", *(F.col(name).alias(f"pair_{name}") for name in ("spend_84", "baskets_84"))
    )
    bought = type_purchases(lines, products, as_of, settings.horizon_days)
    rows = own.join(bought, _KEYS, "full").join(F.broadcast(worth), "product_type")
    asked = rows.withColumns({"propensity": F.lit(1.0), "is_discovery": F.col("baskets_total").isNull()})
    valued = value_product_types(asked, settings.offers).toPandas()
    spark.catalog.clearCache()
    often = (2 * valued["pair_baskets_84"] + valued["baskets_total"]).where(~valued["is_discovery"])
    place = often.groupby(valued["customer_id"]).rank(method="first", ascending=False)
    baskets = np.minimum(valued["pair_baskets_84"].fillna(0), 3)
    before = (valued["pair_spend_84"].where(baskets > 0, 0.0) + valued["type_spend_per_buyer_28"]) / (baskets + 1)
    return valued.assign(place=place, before=before)[valued["spend"].notna()]


def error_line(rows: pd.DataFrame) -> str:
    """Return ratio and error of both rules."""
    line = [f"{len(rows):>6,} bought"]
    for name, column in (("now", "expected_spend"), ("before", "before")):
        error = (rows["spend"] - rows[column]).abs().mean()
        line.append(f"{name}: realised / expected {rows['spend'].sum() / rows[column].sum():.3f}, off by {error:.2f}")
    return "  ".join(line)


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--night", type=date.fromisoformat, default=date(2017, 12, 31), help="whose clean layer is read"
    )
    days = ("2017-09-10", "2017-10-08", "2017-11-05", "2017-12-03")
    parser.add_argument("--windows", nargs="*", type=date.fromisoformat, default=[date.fromisoformat(d) for d in days])
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.WARNING)
    settings = load()
    lake, spark = Lake(settings.lake), session(settings, "bench")
    for as_of in arguments.windows:
        rows = buyers(settings, lake, spark, arguments.night, as_of)
        print(as_of)
        for name, part in (
            (f"the {TOP} bought most", rows[rows["place"] <= TOP]),
            ("repeats", rows[~rows["is_discovery"]]),
            ("discoveries", rows[rows["is_discovery"]]),
        ):
            print(f"  {name:<18} {error_line(part)}", flush=True)
    spark.stop()


if __name__ == "__main__":
    main()
