"""Interests: affinities over the year and of late, whether they drifted, price level, places and times of day.

n = customers of a block, b = their baskets, g = groups with columns of their own, categories last.

References: Koren (2010), "Collaborative filtering with temporal dynamics" (interests of two speeds as two decay rates);
Good (2005), "Permutation, Parametric and Bootstrap Tests of Hypotheses" (the same baskets in another order show how far
interests seem to move by chance alone).
"""

from __future__ import annotations

import numpy as np

from features.customers.purchases import LEVELS, LONG_DAYS, SHORT_DAYS, Base, Grouped, PurchaseBlock, log_prices

#: units that a group is credited with beyond what was bought and beyond what was to be expected
PRIOR_UNITS = 5
#: an interest: at least this affinity, from so many baskets; so many are named
LEAST_LIFT, LEAST_BASKETS, NAMED = 1.5, 2, 3
#: drift: further than all of so many other orders of the same baskets (5 % by chance), and at least this far
ORDERS, LEAST_DRIFT, DRIFT_BASKETS = 19, 0.2, 8
DAY_PARTS = (("night", 0), ("morning", 6), ("midday", 11), ("afternoon", 15), ("evening", 18))
WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
RECENT = 84
_LEAST_HABIT = 5


def lifts(units: np.ndarray, totals: np.ndarray, shares: np.ndarray) -> np.ndarray:
    """Return affinity indices: the customer's share over the base's, shrunk to 1.

    ``(n s + k) / (n p + k)``: n the customer's units, s the group's share of them, p its share of the base's units and
    k = ``PRIOR_UNITS``, so that few units or a rare group stay near 1.

    Args:
        units: of each customer and group (n, g).
        totals: of each customer in the group's level (n, g).
        shares: of the base (g,).
    """
    return (units + PRIOR_UNITS) / (totals * shares + PRIOR_UNITS)


def group_units(seen: Grouped) -> dict[str, np.ndarray]:
    """Sum each customer's units by group: of the year, by short and by long decay.

    Returns:
        ``year``, ``short`` and ``long`` (n, g), and with ``_total`` behind them the units of the level (n, g).
    """
    bought, n, g = seen.bought, seen.bought.customers, len(seen.base.kinds.names)
    units = {name: np.zeros((n, g)) for name in ("year", "short", "long")}
    totals = {f"{name}_total": np.zeros((n, g)) for name in units}
    levels = np.array(seen.base.kinds.levels, dtype=object)
    for (basket, group), level in zip(seen.pairs, LEVELS, strict=True):
        own, age = bought.owner[basket], bought.age[basket]
        weights = {"year": np.ones(len(age)), "short": 0.5 ** (age / SHORT_DAYS), "long": 0.5 ** (age / LONG_DAYS)}
        for name, weight in weights.items():
            units[name] += np.bincount(own * g + group, weight, n * g).reshape(n, g)
            totals[f"{name}_total"] += np.bincount(own, weight, n)[:, None] * (levels == level)
    return units | totals


def interests(seen: Grouped, units: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Describe the customers of a block; the columns of ``INTERESTS`` without the key and the life stage.

    Args:
        seen: their purchases.
        units: result of :func:`group_units`.

    Returns:
        Columns (n,): text as objects with None, numbers as floats with NaN where unknown.
    """
    bought, base = seen.bought, seen.base
    distance, chance = drift(seen)
    enough = np.bincount(bought.owner, minlength=bought.customers) >= DRIFT_BASKETS
    flagged = (chance <= 1 / (ORDERS + 1) + 1e-9) & (distance >= LEAST_DRIFT)
    drifted = np.full(bought.customers, None, dtype=object)
    drifted[enough] = flagged[enough]
    return {
        "long_interests": named(units["long"], units["long_total"], units["year"], base, 2),
        "short_interests": named(units["short"], units["short_total"], units["year"], base, 1),
        "interest_distance": np.where(enough, distance, np.nan),
        "interest_chance": np.where(enough, chance, np.nan),
        "interest_drift": drifted,
        "price_index": price_index(bought, base),
        **_places(bought),
        **_times(bought),
        "leakage": leakage(seen),
    }


def named(units: np.ndarray, totals: np.ndarray, year: np.ndarray, base: Base, decay: int) -> np.ndarray:
    """Name each customer's strongest interests among categories (departments where there are none), joined by ``; ``.

    ``decay`` is the row of ``base.shares``. None where nothing stands out.
    """
    own = _finest(base)
    names = np.array(base.kinds.names, dtype=object)[own]
    lift = lifts(units, totals, base.shares[decay])[:, own]
    lift = np.where((year[:, own] >= LEAST_BASKETS) & (lift >= LEAST_LIFT), np.round(lift, 9), 0)
    texts = np.full(len(units), None, dtype=object)
    if not len(own):
        return texts
    best = np.argsort(-lift, axis=1, kind="stable")[:, :NAMED]
    strong = np.take_along_axis(lift, best, axis=1) > 0
    for row in np.flatnonzero(strong.any(axis=1)):
        texts[row] = "; ".join(names[best[row][strong[row]]])
    return texts


def drift(seen: Grouped) -> tuple[np.ndarray, np.ndarray]:
    """Measure how far each customer's short interests lie from those of the year, and how often chance goes as far.

    The distance is the total variation between the shares of categories by short decay and by the plain year, the
    base's own seasons divided out. Chance: the share of the customer's baskets in other orders, this one included,
    that go at least as far.

    Returns:
        Distances 0..1 (n,), NaN without a purchase, and chances (n,). O(units x orders).
    """
    bought, base, own = seen.bought, seen.base, _finest(seen.base)
    n, wide = bought.customers, len(own)
    if not wide:
        return np.full(n, np.nan), np.ones(n)
    basket, group = seen.pairs[_level(base)]
    group = group - own[0]
    key = bought.owner[basket] * wide + group
    year = _shares(np.bincount(key, minlength=n * wide).reshape(n, wide))
    shares = base.shares[:2, own]
    season = np.maximum(np.divide(shares[1], shares[0], out=np.ones(wide), where=shares[0] > 0), 0.05)

    def distance(age: np.ndarray, season: np.ndarray) -> np.ndarray:
        short = np.bincount(key, 0.5 ** (age[basket] / SHORT_DAYS), n * wide).reshape(n, wide) / season
        return np.asarray(np.round(0.5 * np.abs(_shares(short) - year).sum(axis=1), 9))

    moved = distance(bought.age, season)
    further = np.zeros(n)
    for number in range(ORDERS):
        place = np.lexsort((_mixed(bought.order, number), bought.owner))
        age = np.empty_like(bought.age)
        age[place] = bought.age
        further += distance(age, np.ones(wide)) >= moved
    return moved, (1 + further) / (ORDERS + 1)


def price_index(bought: PurchaseBlock, base: Base) -> np.ndarray:
    """Return what a customer pays a piece over the base's mean for the same kinds, before discounts (n,).

    The mean of the logarithms over the lines, weighted equally, as a factor; NaN without a priced line. A large pack
    of a kind counts as dear.
    """
    priced, price = log_prices(bought)
    gap = price - base.prices[bought.kind[priced]]
    count = np.bincount(bought.buyer[priced], minlength=bought.customers)
    mean = _ratio(np.bincount(bought.buyer[priced], gap, bought.customers), count)
    return np.exp(mean)


def leakage(seen: Grouped) -> np.ndarray:
    """Return the share of what a customer used to spend in categories that no longer comes (n,).

    Spend a day in the last 84 days against that of the days before, category by category: only what is missing counts.
    NaN where less than 84 days lie before.
    """
    bought, base, own = seen.bought, seen.base, _finest(seen.base)
    g, n = len(base.kinds.names), bought.customers
    first = np.zeros(n)
    np.maximum.at(first, bought.owner, bought.age)
    group = np.append(base.kinds.groups[_level(base)], -1)[bought.kind]
    counted = (group >= 0) & (bought.amount > 0)
    recent = bought.line_age < RECENT
    sums = []
    for where in (counted & ~recent, counted & recent):
        key = bought.buyer[where] * max(g, 1) + group[where]
        sums.append(np.bincount(key, bought.amount[where], n * max(g, 1)).reshape(n, max(g, 1))[:, own])
    days = np.maximum(first + 1 - RECENT, 1)[:, None]
    before, now = sums[0] / days, sums[1] / RECENT
    missing = _ratio(np.maximum(before - now, 0).sum(axis=1), before.sum(axis=1))
    return np.where(first >= 2 * RECENT - 1, missing, np.nan)


def _places(bought: PurchaseBlock) -> dict[str, np.ndarray]:
    """Return how loyal a customer is to one store, and whether the main store changed."""
    n = bought.customers
    share, main = _main(bought, np.ones(len(bought.owner), dtype=bool))
    _, recent = _main(bought, bought.age < RECENT)
    _, before = _main(bought, bought.age >= RECENT)
    moved = (recent != before) & (recent != 0) & (before != 0)
    switched = np.full(n, None, dtype=object)
    both = (recent != 0) & (before != 0)
    switched[both] = moved[both]
    return {"store_loyalty": np.where(main != 0, share, np.nan), "store_switched": switched}


def _main(bought: PurchaseBlock, where: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the share of baskets in each customer's main store, and that store (0: none)."""
    n = bought.customers
    owner, store = bought.owner[where], bought.store[where]
    owner, store = owner[store != 0], store[store != 0]
    placed = np.lexsort((store, owner))
    owner, store = owner[placed], store[placed]
    starts = np.ones(len(owner), dtype=bool)
    starts[1:] = (np.diff(owner) != 0) | (np.diff(store) != 0)
    first = np.flatnonzero(starts)
    size = np.diff(np.append(first, len(owner)))
    best = np.lexsort((store[first], -size, owner[first]))
    _, place = np.unique(owner[first][best], return_index=True)
    chosen = best[place]
    share, main = np.full(n, np.nan), np.zeros(n, dtype="int64")
    main[owner[first][chosen]] = store[first][chosen]
    share[owner[first][chosen]] = size[chosen] / np.bincount(owner, minlength=n)[owner[first][chosen]]
    return share, main


def _times(bought: PurchaseBlock) -> dict[str, np.ndarray]:
    """Name the day part and the weekday with most baskets, and say how large their share is."""
    columns: dict[str, np.ndarray] = {}
    parts: dict[str, tuple[np.ndarray, np.ndarray]] = {
        "day_part": (np.array([name for name, _ in DAY_PARTS], dtype=object), day_part(bought.hour)),
        "weekday": (np.array(WEEKDAYS, dtype=object), bought.weekday),
    }
    baskets = np.bincount(bought.owner, minlength=bought.customers)
    for name, (names, part) in parts.items():
        counts = np.bincount(bought.owner * len(names) + part, minlength=bought.customers * len(names))
        counts = counts.reshape(-1, len(names))
        enough = baskets >= _LEAST_HABIT
        columns[name] = np.full(bought.customers, None, dtype=object)
        columns[name][enough] = names[counts.argmax(axis=1)][enough]
        columns[f"{name}_share"] = np.where(enough, _ratio(counts.max(axis=1), baskets), np.nan)
    return columns


def day_part(hour: np.ndarray) -> np.ndarray:
    """Return the number of the day part that each hour belongs to."""
    return np.searchsorted([start for _, start in DAY_PARTS], hour, side="right") - 1


def _level(base: Base) -> int:
    """Return the place of the finest level that has groups."""
    return 1 if LEVELS[1] in base.kinds.levels else 0


def _finest(base: Base) -> np.ndarray:
    """Return the groups of that level; they follow each other."""
    return np.flatnonzero(np.array(base.kinds.levels, dtype=object) == LEVELS[_level(base)])


def _mixed(order: np.ndarray, number: int) -> np.ndarray:
    """Return pseudo-random numbers that follow from the basket alone (splitmix64)."""
    with np.errstate(over="ignore"):
        z = order.astype("uint64") + np.uint64(0x9E3779B97F4A7C15) * np.uint64(number + 1)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


def _shares(units: np.ndarray) -> np.ndarray:
    return np.asarray(_ratio(units, np.broadcast_to(units.sum(axis=1, keepdims=True), units.shape)))


def _ratio(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    return np.divide(part, whole, out=np.full(np.shape(part), np.nan), where=whole > 0)
