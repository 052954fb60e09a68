"""The wide table: windows x measures x groups of products, sparse, one NumPy pass over a block of customers.

Hundreds of columns that no marketer reads one by one: segments of interests and look-alikes are learnt from them. Which
groups have columns follows from the base of the night; what a column means stands in its dictionary.

n = customers of a block, g = groups, w = columns.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from features.customers.interests import DAY_PARTS, WEEKDAYS, day_part, lifts
from features.customers.purchases import LEVELS, LONG_DAYS, SHORT_DAYS, Base, Grouped, PurchaseBlock
from features.lines import MONEY_UNIT

WINDOWS = (7, 14, 28, 56, 84, 182, 364)
GROUP_WINDOWS = (28, 84, 364)
HABIT_WINDOWS = (84, 364)


@dataclass(frozen=True)
class WideColumn:
    """A column: ``absent`` says what no entry means, ``zero`` or ``missing``."""

    name: str
    about: str
    unit: str
    absent: str = "zero"


def wide_columns(base: Base) -> list[WideColumn]:
    """Return the columns in the order of :func:`wide_matrix`."""
    columns = []
    for days in WINDOWS:
        columns += [
            WideColumn(f"spend_{days}", f"amount paid in the last {days} days", "currency"),
            WideColumn(f"baskets_{days}", f"baskets in the last {days} days", "baskets"),
            WideColumn(f"discount_{days}", f"money off in the last {days} days", "currency"),
            WideColumn(f"lines_{days}", f"order lines in the last {days} days", "lines"),
        ]
    for days in HABIT_WINDOWS:
        for name in (*(part for part, _ in DAY_PARTS), *(day.lower() for day in WEEKDAYS)):
            about = f"share of the baskets of {days} days: {name}"
            columns.append(WideColumn(f"share_{days}_{name}", about, "share", "missing"))
        columns.append(WideColumn(f"departments_{days}", f"departments bought in, {days} days", "departments"))
        columns.append(WideColumn(f"categories_{days}", f"categories bought in, {days} days", "categories"))
    for level, name in zip(base.kinds.levels, base.kinds.names, strict=True):
        columns += _of_group(level, name)
    return columns


def wide_matrix(seen: Grouped, units: dict[str, np.ndarray]) -> np.ndarray:
    """Return the values, float32 (n, w); NaN where unknown.

    Args:
        seen: purchases of the block.
        units: result of :func:`features.customers.interests.group_units`.
    """
    bought, base = seen.bought, seen.base
    spends, baskets, discounts = _by_group(seen)
    parts = [_overall(bought)]
    for place, days in enumerate(HABIT_WINDOWS, 1):
        parts.append(_habits(bought, days))
        levels = np.array(base.kinds.levels, dtype=object)
        bought_in = baskets[place] > 0
        parts += [bought_in[:, levels == level].sum(axis=1)[:, None] for level in LEVELS]
    there, list_value = baskets[-1] > 0, spends[-1] + discounts
    share = np.divide(discounts, list_value, out=np.full_like(discounts, np.nan), where=there & (list_value > 0))
    lift = np.log(lifts(units["year"], units["year_total"], base.shares[0])) * (units["year"] > 0)
    measures = [*spends, *baskets, share, units["short"], units["long"], lift, _fresh(seen)]
    by_group = np.stack(measures, axis=2)  # one group's measures stand together, as in the dictionary
    parts.append(by_group.reshape(bought.customers, -1))
    return np.concatenate(parts, axis=1).astype("float32")


def sparse_rows(matrix: np.ndarray, columns: list[WideColumn]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return offsets (n + 1,), places and values of the entries; a zero only where no entry means unknown."""
    missing = np.array([column.absent == "missing" for column in columns])
    there = np.isfinite(matrix) & ((matrix != 0) | missing)
    row, place = np.nonzero(there)
    offsets = np.concatenate([[0], np.cumsum(np.bincount(row, minlength=len(matrix)))])
    return offsets.astype("int32"), place.astype("int32"), matrix[there]


def _of_group(level: str, name: str) -> list[WideColumn]:
    where = f"{level} {name}"
    return [
        *(WideColumn(f"spend_{d}|{where}", f"amount paid in {d} days", "currency") for d in GROUP_WINDOWS),
        *(WideColumn(f"baskets_{d}|{where}", f"baskets with it in {d} days", "baskets") for d in GROUP_WINDOWS),
        WideColumn(f"discount_share|{where}", "discount over list value in 364 days", "share", "missing"),
        WideColumn(f"short|{where}", f"baskets with it, halved every {SHORT_DAYS} days", "baskets"),
        WideColumn(f"long|{where}", f"baskets with it, halved every {LONG_DAYS} days", "baskets"),
        WideColumn(
            f"affinity|{where}", "log of the share over the base's share, shrunk; 0 if never bought", "log ratio"
        ),
        WideColumn(f"fresh|{where}", f"last basket with it: 1 today, halved every {SHORT_DAYS} days", "0..1"),
    ]


def _overall(bought: PurchaseBlock) -> np.ndarray:
    n, parts = bought.customers, []
    buyer, age = bought.buyer, bought.line_age
    for days in WINDOWS:
        recent = age < days
        own = buyer[recent]
        parts += [
            np.bincount(own, bought.amount[recent], n) / MONEY_UNIT,
            np.bincount(bought.owner[bought.age < days], minlength=n),
            np.bincount(own, bought.discount[recent], n) / MONEY_UNIT,
            np.bincount(own, minlength=n),
        ]
    return np.stack(parts, axis=1)


def _habits(bought: PurchaseBlock, days: int) -> np.ndarray:
    n, recent = bought.customers, bought.age < days
    owner = bought.owner[recent]
    baskets = np.bincount(owner, minlength=n)[:, None]
    counts = []
    for part, size in ((day_part(bought.hour), len(DAY_PARTS)), (bought.weekday, len(WEEKDAYS))):
        counts.append(np.bincount(owner * size + part[recent], minlength=n * size).reshape(n, size))
    count = np.concatenate(counts, axis=1).astype("float64")
    return np.divide(count, baskets, out=np.full_like(count, np.nan), where=baskets > 0)


def _by_group(seen: Grouped) -> tuple[list[np.ndarray], list[np.ndarray], np.ndarray]:
    """Sum amounts and baskets by customer and group in each window, and the year's discounts (n, g)."""
    bought, n, g = seen.bought, seen.bought.customers, len(seen.base.kinds.names)
    spends, baskets = ([np.zeros((n, g)) for _ in GROUP_WINDOWS] for _ in range(2))
    discounts = np.zeros((n, g))
    for groups, (basket, of_basket) in zip(seen.base.kinds.groups, seen.pairs, strict=True):
        group = np.append(groups, -1)[bought.kind]
        key, age = bought.owner[basket] * g + of_basket, bought.age[basket]
        for place, days in enumerate(GROUP_WINDOWS):
            where = (group >= 0) & (bought.line_age < days)
            line = bought.buyer[where] * g + group[where]
            spends[place] += np.bincount(line, bought.amount[where], n * g).reshape(n, g) / MONEY_UNIT
            baskets[place] += np.bincount(key[age < days], minlength=n * g).reshape(n, g)
        discounts += np.bincount(line, bought.discount[where], n * g).reshape(n, g) / MONEY_UNIT
    return spends, baskets, discounts


def _fresh(seen: Grouped) -> np.ndarray:
    """Return how fresh the last basket with each group is (n, g): 1 today, 0 where there is none."""
    bought, n, g = seen.bought, seen.bought.customers, len(seen.base.kinds.names)
    age = np.full(n * g, np.inf)
    for basket, group in seen.pairs:
        np.minimum.at(age, bought.owner[basket] * g + group, bought.age[basket])
    return np.asarray(0.5 ** (age / SHORT_DAYS)).reshape(n, g)
