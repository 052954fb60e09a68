"""What the series of a customer's baskets says: decayed rates, weeks, inter-purchase times, how usual an absence is.

All windows of all customers come from one sorted list of baskets, so many ``as_of`` days cost one pass over the orders:
Spark gathers the lists, NumPy computes the rest. Amounts are summed in ten-thousandths, exact in any order of rows.

n = customers of a block, e = their baskets. References: Fader, Hardie and Lee (2005), "RFM and CLV" (recency and
frequency predict who is active); Miguéis, Camanho and Falcão e Cunha (2013), "Customer attrition in retailing" (the
series of purchases, not its sums alone).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
import pyarrow as pa
from pyspark.sql import DataFrame, functions as F, types as T

from conf.tables.features import DECAYS, PURCHASE_SERIES, SERIES_WINDOWS, WEEKS
from features.customers.series_labels import NUMBERS, Horizons, after, labels
from features.lines import MONEY_UNIT
from features.schemas import struct, typed_batch

Batches = Iterator[pa.RecordBatch]
#: days without a basket that count as an absence
ABSENCE = 28
#: visits back whose age is a column
BACK = (2, 3, 5, 10)
#: prior of the share of gaps that become absences, and how many gaps it counts as
_PRIOR_SHARE, _PRIOR_GAPS = 0.15, 2
_EPOCH = date(1970, 1, 1)
#: above any day, so that owner and day make one sort key
_APART = 10_000_000
_SERIES = T.StructType(
    [
        T.StructField("customer_id", T.StringType()),
        *(T.StructField(name, T.ArrayType(T.LongType())) for name in ("day", "amount", "discount", "lines")),
    ]
)


@dataclass(frozen=True)
class Series:
    """Baskets sorted by owner and day: ``owner`` numbers the ``customers`` from 0; the rest is aligned with it (e,)."""

    customers: int
    owner: np.ndarray
    day: np.ndarray
    amount: np.ndarray
    discount: np.ndarray
    lines: np.ndarray


def basket_series(orders: DataFrame) -> DataFrame:
    """Gather each customer's baskets in the order of their days; no shuffle beyond that of the orders.

    Args:
        orders: result of :func:`features.customers.orders.orders`.

    Returns:
        ``customer_id`` and the aligned arrays ``day`` (since 1970), ``amount`` and ``discount`` (in ten-thousandths)
        and ``lines``.
    """
    day = F.datediff("ordered_on", F.lit(_EPOCH)).cast("long").alias("day")
    basket = F.struct(day, *(F.col(name).cast("long").alias(name) for name in ("amount", "discount", "lines")))
    lists = orders.where("is_basket").groupBy("customer_id").agg(F.sort_array(F.collect_list(basket)).alias("b"))
    return lists.select("customer_id", *(F.col(f"b.{name}").alias(name) for name in _SERIES.names[1:]))


def purchase_series(series: DataFrame, days: Sequence[date], horizons: Horizons | None = None) -> DataFrame:
    """Describe the series of every customer as of some days.

    Args:
        series: result of :func:`basket_series`; what is described ignores baskets after an ``as_of``.
        days: the days of ``as_of``.
        horizons: of the labels; None: without labels.

    Returns:
        ``PURCHASE_SERIES`` with ``as_of`` and, with ``horizons``, ``returned`` and the labels of
        :mod:`features.customers.series_labels`; one row per day and customer with a basket by then. O(baskets x days).
    """
    labelled = ("returned", *NUMBERS) if horizons else ()
    kinds = {"returned": T.BooleanType()}
    added = [T.StructField("as_of", T.DateType()), *(T.StructField(n, kinds.get(n, T.DoubleType())) for n in labelled)]
    schema = T.StructType([*added, *struct(PURCHASE_SERIES).fields])

    def apply(batches: Batches) -> Batches:
        for batch in batches:
            block = series_of(batch)
            for as_of in days:
                day = (as_of - _EPOCH).days
                columns = describe(block, day)
                if horizons:
                    later = after(block.owner, block.day, block.amount, block.customers, day)
                    columns |= labels(later, columns, horizons)
                with_baskets = np.flatnonzero(columns["baskets_total"] > 0)
                keys: list[pa.Array] = [pa.array([as_of] * len(with_baskets), pa.date32())]
                keys += [pa.array(columns[name][with_baskets], from_pandas=True) for name in labelled]
                values = [pa.array(columns[name][with_baskets], from_pandas=True) for name in PURCHASE_SERIES.names[1:]]
                yield typed_batch([*keys, batch.column(0).take(with_baskets), *values], schema)

    return series.mapInArrow(apply, schema)


def series_of(batch: pa.RecordBatch, keys: int = 1) -> Series:
    """Read the series of a batch whose first ``keys`` columns name the owners and whose rest are the aligned lists."""
    lists: list[pa.ListArray] = [batch.column(place) for place in range(keys, batch.num_columns)]  # type: ignore[misc]
    sizes = np.diff(lists[0].offsets.to_numpy())
    values = [column.flatten().to_numpy() for column in lists]
    return Series(batch.num_rows, np.repeat(np.arange(batch.num_rows), sizes), *values)


def describe(series: Series, as_of: int) -> dict[str, np.ndarray]:
    """Return the columns of ``PURCHASE_SERIES`` without the key, float64 (n,), NaN where unknown.

    Args:
        series: sorted by owner and day.
        as_of: last day that counts, in days since 1970.
    """
    n, keep = series.customers, series.day <= as_of
    owner, age = series.owner[keep], as_of - series.day[keep]
    amount, lines = series.amount[keep] / MONEY_UNIT, series.lines[keep]
    units, off = series.amount[keep].astype("float64"), series.discount[keep].astype("float64")

    def total(values: np.ndarray | None = None, where: np.ndarray | slice = slice(None)) -> np.ndarray:
        return np.bincount(owner[where], None if values is None else values[where], n).astype("float64")

    columns = {"baskets_total": total(), "spend_total": total(units) / MONEY_UNIT}
    first_of_day = np.diff(owner * _APART - age, prepend=-_APART) != 0
    for window in SERIES_WINDOWS:
        recent = age < window
        columns[f"baskets_{window}"] = total(where=recent)
        columns[f"spend_{window}"] = total(units, recent) / MONEY_UNIT
    recent = age < 84
    spend, discount = total(units, recent), total(off, recent)
    columns["lines_84"] = total(lines.astype("float64"), recent)
    columns["discount_share_84"] = _ratio(discount, discount + spend)
    columns["basket_value_84"] = _ratio(columns["spend_84"], columns["baskets_84"])
    columns["trend_28"] = np.log((1 + 3 * columns["baskets_28"]) / (1 + columns["baskets_84"]))
    for week in range(WEEKS):
        of_week = (age // 7 == week) & first_of_day
        columns[f"visits_week_{week + 1}"] = total(where=of_week)
        columns[f"spend_week_{week + 1}"] = total(units, age // 7 == week) / MONEY_UNIT
    visits = owner[first_of_day], age[first_of_day]
    columns |= _visits(n, *visits)
    for half in DECAYS:
        weight = 0.5 ** (visits[1] / half)
        decayed = np.bincount(visits[0], weight, n).astype("float64")  # whole numbers where there is no visit at all
        lived = (1 - 0.5 ** ((columns["tenure_days"] + 1) / half)) / (1 - 0.5 ** (1 / half))
        columns[f"visits_decay_{half}"] = decayed
        columns[f"visit_rate_{half}"] = decayed / lived
        columns[f"spend_decay_{half}"] = np.maximum(total(amount * 0.5 ** (age / half)), 0)
    columns["absence_by_rate"] = np.exp(-ABSENCE * columns["visit_rate_56"])
    return columns | _last_basket(n, owner, age, amount, lines, columns)


def _visits(n: int, owner: np.ndarray, age: np.ndarray) -> dict[str, np.ndarray]:
    """Describe the days with a basket and the gaps between them."""
    count = np.bincount(owner, minlength=n)
    end, with_visits = np.cumsum(count), count > 0
    last, first = np.full(n, np.nan), np.full(n, np.nan)
    last[with_visits], first[with_visits] = age[end[with_visits] - 1], age[(end - count)[with_visits]]
    columns = {"recency_days": last, "tenure_days": first, "visits_total": count.astype("float64")}
    for back in BACK:
        there, value = count >= back, first + 1
        value[there] = age[end[there] - back]
        columns[f"days_since_visit_{back}"] = value
    weeks = np.diff(owner * _APART - age // 7, prepend=-_APART) != 0
    columns["weeks_active_share"] = _ratio(np.bincount(owner[weeks], minlength=n), first // 7 + 1)
    same = owner[1:] == owner[:-1]
    return columns | _gaps(n, owner[1:][same], (age[:-1] - age[1:])[same], age[1:][same], columns)


def _gaps(
    n: int, owner: np.ndarray, gap: np.ndarray, ended: np.ndarray, visits: dict[str, np.ndarray]
) -> dict[str, np.ndarray]:
    """Describe the gaps between days with a basket; ``ended`` is how many days ago each ended."""
    recency, count = visits["recency_days"], np.bincount(owner, minlength=n)
    days = np.bincount(owner, gap, n)
    mean = _ratio(days, count)
    spread = np.sqrt(np.maximum(_ratio(np.bincount(owner, gap * gap, n), count) - mean**2, 0))
    largest, recent = np.zeros(n), np.zeros(n)
    np.maximum.at(largest, owner, gap)
    np.maximum.at(recent, owner[ended < 84], gap[ended < 84])
    order, start = np.lexsort((gap, owner)), np.cumsum(count) - count
    some = count > 0

    def quantile(share: float) -> np.ndarray:
        value = np.full(n, np.nan)
        value[some] = gap[order][(start + np.floor((count - 1) * share).astype(int))[some]]
        return value

    last, longer = np.full(n, np.nan), gap > recency[owner]
    last[some] = gap[(start + count - 1)[some]]
    later = gap > recency[owner] + ABSENCE
    return {
        "interval_days": mean,
        "interval_deviation_days": spread,
        "overdue_ratio": recency / np.maximum(mean, 0.5),
        "gap_variation": _ratio(spread, mean),
        "gap_max": np.where(some, largest, np.nan),
        "gap_max_84": np.maximum(recent, recency),
        "gap_last": last,
        "gap_median": quantile(0.5),
        "gap_p90": quantile(0.9),
        "gap_p95": quantile(0.95),
        "absences": np.bincount(owner[gap > ABSENCE], minlength=n).astype("float64"),
        "absence_share": (np.bincount(owner, np.maximum(gap - ABSENCE, 0), n) + 0.1 * ABSENCE) / (days + ABSENCE),
        "absence_by_habit": (np.bincount(owner[later], minlength=n) + _PRIOR_SHARE * _PRIOR_GAPS)
        / (np.bincount(owner[longer], minlength=n) + _PRIOR_GAPS),
    }


def _last_basket(
    n: int, owner: np.ndarray, age: np.ndarray, amount: np.ndarray, lines: np.ndarray, columns: dict[str, np.ndarray]
) -> dict[str, np.ndarray]:
    end = np.cumsum(np.bincount(owner, minlength=n))
    some = columns["baskets_total"] > 0
    spend, count, largest = np.full(n, np.nan), np.full(n, np.nan), np.zeros(n)
    spend[some], count[some] = amount[end[some] - 1], lines[end[some] - 1]
    np.maximum.at(largest, owner[age < 84], amount[age < 84])
    return {
        "last_basket_spend": spend,
        "last_basket_lines": count,
        "last_basket_ratio": _ratio(spend, columns["basket_value_84"]),
        "largest_basket_84": largest,
    }


def _ratio(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    return np.divide(part, whole, out=np.full(len(whole), np.nan), where=whole > 0)
