"""A year of purchases by customer, and what all customers together bought: inputs of interests and the wide table.

Spark gathers the lines of a customer once; NumPy computes the rest in the workers. Lines carry the hash of their
product's kind (department, category, type); the kinds themselves are few and live on the driver. Sums are of whole
numbers, so that partitions do not matter.

n = customers of a block, e = their lines, b = their baskets, c = kinds, g = groups (departments, then categories).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date

import numpy as np
import pyarrow as pa
from pyspark.sql import DataFrame, functions as F, types as T

from features.lines import MONEY_UNIT, QUANTITY_UNIT, within

Batches = Iterator[pa.RecordBatch]
YEAR = 365
#: days after which a purchase counts half in the short and in the long interests
SHORT_DAYS, LONG_DAYS = 28, 182
LEVELS = ("department", "category")
#: groups that get columns of their own, by level, and the share of the customers that has to buy in them
MOST_GROUPS, LEAST_SHARE = {"department": 24, "category": 224}, 0.01
_UNIT = 1_000_000
_EPOCH, _MONDAY = date(1970, 1, 1), 3  # a Thursday
_FIELDS = ("day", "order", "kind", "amount", "discount", "pieces", "moment", "store")
_SUMS = T.StructType([T.StructField("sums", T.BinaryType())])


@dataclass(frozen=True)
class Kinds:
    """Kinds of products: their hashes, ascending (c,), and each one's department and category (2, c), -1 for none."""

    hashes: np.ndarray
    groups: np.ndarray
    names: tuple[str, ...]
    levels: tuple[str, ...]


@dataclass(frozen=True)
class Base:
    """What the whole base bought in groups of its own (g): units by year, short and long decay; and prices by kind.

    A unit is a basket with the group in it. ``totals`` are the units of all groups of a group's level, those without
    columns included; ``prices`` are mean logarithms of list prices (c,), NaN where unknown.
    """

    kinds: Kinds
    units: np.ndarray
    totals: np.ndarray
    prices: np.ndarray

    @property
    def shares(self) -> np.ndarray:
        """Shares of the level's units by year, short and long decay (3, g)."""
        return np.divide(self.units, self.totals, out=np.zeros_like(self.units), where=self.totals > 0)


@dataclass(frozen=True)
class PurchaseBlock:
    """Lines of a block, by owner and basket, and its baskets.

    ``as_of`` is in days since 1970. ``basket`` numbers a line's basket; ``owner``, ``age`` (days before ``as_of``),
    ``order``, ``hour`` and ``store`` belong to the baskets (b,). ``kind`` is the position in :class:`Kinds`, -1 where
    the product is not counted.
    """

    customers: int
    as_of: int
    basket: np.ndarray
    kind: np.ndarray
    amount: np.ndarray
    discount: np.ndarray
    pieces: np.ndarray
    owner: np.ndarray
    age: np.ndarray
    order: np.ndarray
    hour: np.ndarray
    store: np.ndarray

    @property
    def buyer(self) -> np.ndarray:
        """The customer of each line (e,)."""
        return self.owner[self.basket]

    @property
    def weekday(self) -> np.ndarray:
        """Local weekday of each basket, 0 for Monday (b,)."""
        return (self.as_of - self.age + _MONDAY) % 7

    @property
    def line_age(self) -> np.ndarray:
        """Days before ``as_of`` of each line (e,)."""
        return self.age[self.basket]

    def units(self, groups: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
        """Return basket and group of every different pair of them.

        Args:
            groups: each kind's group (c,), -1 for none.
            count: how many groups there are.
        """
        group = np.append(groups, -1)[self.kind]
        counted = group >= 0
        key = np.unique(self.basket[counted] * np.int64(count) + group[counted])
        return key // count, key % count


@dataclass(frozen=True)
class Grouped:
    """Purchases with the base they are compared with; ``pairs``: baskets and groups that occur together, by level."""

    bought: PurchaseBlock
    base: Base
    pairs: tuple[tuple[np.ndarray, np.ndarray], ...]


def grouped(bought: PurchaseBlock, base: Base) -> Grouped:
    """Find the groups of every basket, once for all features."""
    count = len(base.kinds.names)
    nothing = np.zeros(0, dtype="int64"), np.zeros(0, dtype="int64")
    return Grouped(
        bought, base, tuple(bought.units(groups, count) if count else nothing for groups in base.kinds.groups)
    )


def kinds(products: DataFrame) -> Kinds:
    """Return the kinds of all counted products; a catalogue without categories has product types in their place.

    The driver collects the different kinds: hundreds or thousands, not products.
    """
    path = products.where("counted").select("department", "category", "product_type").distinct()
    rows = path.withColumn("hash", F.xxhash64("department", "category", "product_type")).collect()
    rows.sort(key=lambda row: row["hash"])
    finer = "category" if any(row["category"] is not None for row in rows) else "product_type"
    names: list[str] = []
    levels: list[str] = []
    groups = np.full((len(LEVELS), len(rows)), -1, dtype="int64")
    for place, column in enumerate(("department", finer)):
        values = sorted({row[column] for row in rows if row[column] is not None})
        number = {name: len(names) + position for position, name in enumerate(values)}
        groups[place] = [number.get(row[column], -1) for row in rows]
        names += values
        levels += [LEVELS[place]] * len(values)
    hashes = np.array([row["hash"] for row in rows], dtype="int64")
    return Kinds(hashes, groups, tuple(names), tuple(levels))


def purchase_lists(lines: DataFrame, as_of: date) -> DataFrame:
    """Gather each customer's sale lines of the year up to ``as_of``; no shuffle beyond that of the lines.

    Args:
        lines: result of :func:`features.lines.lines`, with ``category``.
        as_of: last day that counts.

    Returns:
        ``customer_id`` and one aligned array of longs for each of day, order, kind, amount, discount, pieces, moment
        (UTC seconds) and store; orders, kinds and stores as hashes, a store that is unknown as 0.
    """
    line = F.struct(
        F.datediff("ordered_on", F.lit(_EPOCH)).cast("long").alias("day"),
        F.xxhash64("order_id").alias("order"),
        F.when(F.col("counted"), F.xxhash64("department", "category", "product_type")).otherwise(0).alias("kind"),
        "amount",
        "discount",
        F.coalesce("pieces", F.lit(0)).cast("long").alias("pieces"),
        F.unix_seconds("ordered_at").alias("moment"),
        F.when(F.col("store_id").isNull(), 0).otherwise(F.xxhash64("store_id")).alias("store"),
    )
    # a return takes nothing off: what somebody once chose shows an interest
    sold = lines.where("is_sale").where(within(as_of, YEAR))
    lists = sold.groupBy("customer_id").agg(F.collect_list(line).alias("l"))
    return lists.select("customer_id", *(F.col(f"l.{name}").alias(name) for name in _FIELDS))


def held(batch: pa.RecordBatch, kinds: Kinds, as_of: date, timezone: str) -> PurchaseBlock:
    """Read a batch of :func:`purchase_lists`; ``timezone`` is the IANA zone of the business day."""
    lists: list[pa.ListArray] = [batch.column(place + 1) for place in range(len(_FIELDS))]  # type: ignore[misc]
    owner = np.repeat(np.arange(batch.num_rows), np.diff(lists[0].offsets.to_numpy()))
    given = dict(zip(_FIELDS, (column.flatten().to_numpy() for column in lists), strict=True))
    # whole order of a basket's lines: sums of floats must not depend on how Spark gathered them
    order = np.lexsort((given["amount"], given["kind"], given["order"], given["day"], owner))
    owner, given = owner[order], {name: values[order] for name, values in given.items()}
    starts = np.diff(owner, prepend=-1) != 0
    starts[1:] |= (np.diff(given["order"]) != 0) | (np.diff(given["day"]) != 0)
    first, basket = np.flatnonzero(starts), np.cumsum(starts) - 1
    place = np.searchsorted(kinds.hashes, given["kind"])
    there = np.append(kinds.hashes, 0)[place] == given["kind"]
    return PurchaseBlock(
        batch.num_rows,
        (as_of - _EPOCH).days,
        basket,
        np.where(there & (place < len(kinds.hashes)), place, -1),
        given["amount"],
        given["discount"],
        given["pieces"],
        owner[first],
        (as_of - _EPOCH).days - given["day"][first],
        given["order"][first],
        _hours(given["moment"][first], timezone),
        given["store"][first],
    )


def log_prices(bought: PurchaseBlock) -> tuple[np.ndarray, np.ndarray]:
    """Return which lines have a price (e,), and the logarithms of their list prices a piece."""
    list_value = bought.amount + bought.discount
    priced = (list_value > 0) & (bought.pieces > 0) & (bought.kind >= 0)
    price = list_value[priced] / MONEY_UNIT / (bought.pieces[priced] / QUANTITY_UNIT)
    return priced, np.log(price)


def base(lists: DataFrame, kinds: Kinds, as_of: date, timezone: str) -> Base:
    """Sum up what the whole base bought, in one pass; the driver sees sums by group and kind.

    Groups with too few buyers get no column; of the others each level keeps those with the most.
    """
    wide, many = len(kinds.names), len(kinds.hashes)

    def add(batches: Batches) -> Batches:
        total = np.zeros(4 * wide + 2 * many + 1, dtype="int64")
        for batch in batches:
            total += _sums(held(batch, kinds, as_of, timezone), kinds)
        yield pa.record_batch([pa.array([total.tobytes()], pa.binary())], names=["sums"])

    parts = [np.frombuffer(row["sums"], dtype="int64") for row in lists.mapInArrow(add, _SUMS).collect()]
    total = sum(parts, np.zeros(4 * wide + 2 * many + 1, dtype="int64"))
    buyers, units = total[:wide], total[wide : 4 * wide].reshape(3, wide) / _UNIT
    weights, prices = total[4 * wide : 4 * wide + many], total[4 * wide + many : -1] / _UNIT
    mean = np.divide(prices, weights, out=np.full(many, np.nan), where=weights > 0)
    return _chosen(kinds, buyers, units, mean, int(total[-1]))


def _hours(moments: np.ndarray, timezone: str) -> np.ndarray:
    """Return local hours of UTC seconds."""
    import pandas as pd

    utc = pd.DatetimeIndex(moments.astype("datetime64[s]"), tz="UTC")
    return np.asarray(utc.tz_convert(timezone).hour, dtype="int64")


def _sums(bought: PurchaseBlock, kinds: Kinds) -> np.ndarray:
    wide, many = len(kinds.names), len(kinds.hashes)
    sums = np.zeros((4, wide), dtype="int64")
    for groups in kinds.groups:
        if not wide:
            break
        basket, group = bought.units(groups, wide)
        sums[0] += np.bincount(np.unique(bought.owner[basket] * np.int64(wide) + group) % wide, minlength=wide)
        age = bought.age[basket]
        for place, weight in enumerate((np.ones(len(age)), 0.5 ** (age / SHORT_DAYS), 0.5 ** (age / LONG_DAYS)), 1):
            whole = np.rint(weight * _UNIT)  # sums of whole numbers below 2^53 are exact in floats
            sums[place] += np.bincount(group, whole, wide).astype("int64")
    priced, price = log_prices(bought)
    kind = bought.kind[priced]
    counts = np.bincount(kind, minlength=many), np.bincount(kind, np.rint(price * _UNIT), many).astype("int64")
    return np.concatenate([sums.ravel(), *counts, [len(np.unique(bought.owner))]])


def _chosen(kinds: Kinds, buyers: np.ndarray, units: np.ndarray, prices: np.ndarray, customers: int) -> Base:
    """Keep the groups that get columns, departments first, each level by falling buyers."""
    least = max(LEAST_SHARE * customers, 1)
    levels = np.array(kinds.levels, dtype=object)
    chosen: list[int] = []
    totals: list[np.ndarray] = []
    for level in LEVELS:
        own = np.flatnonzero(levels == level)
        kept = sorted((int(n) for n in own if buyers[n] >= least), key=lambda n: (-buyers[n], kinds.names[n]))
        chosen += kept[: MOST_GROUPS[level]]
        totals += [units[:, own].sum(axis=1)] * min(len(kept), MOST_GROUPS[level])
    place = np.full(len(kinds.names) + 1, -1)
    place[chosen] = np.arange(len(chosen))
    small = Kinds(
        kinds.hashes,
        place[kinds.groups],
        tuple(kinds.names[n] for n in chosen),
        tuple(kinds.levels[n] for n in chosen),
    )
    return Base(small, units[:, chosen], np.array(totals).reshape(-1, 3).T, prices)
