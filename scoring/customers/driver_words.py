"""What drives a customer's scores, in words with the customer's own numbers."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from conf.tables.features import DECAYS, SERIES_WINDOWS, WEEKS

#: what an input of a model means, in words; {} is its value
WORDS: dict[str, tuple[str, str]] = {
    "tenure_days": ("customer for {}", "day"),
    "recency_days": ("last basket {} ago", "day"),
    "baskets_total": ("{} ever", "basket"),
    "baskets_28": ("{} in the last 28 days", "basket"),
    "baskets_30": ("{} in the last 30 days", "basket"),
    "baskets_60": ("{} in the last 60 days", "basket"),
    "baskets_84": ("{} in the last 84 days", "basket"),
    "baskets_90": ("{} in the last 90 days", "basket"),
    "baskets_365": ("{} in the last 365 days", "basket"),
    "types_84": ("{} in the last 84 days", "product type"),
    "types_total": ("{} ever", "product type"),
    "stores_84": ("{} in the last 84 days", "store"),
    "lines_84": ("{} in the last 84 days", "order line"),
    "interval_days": ("{} between baskets on average", "day"),
    "interval_deviation_days": ("intervals between baskets vary by {}", "day"),
    "campaigns_total": ("targeted by {}", "campaign"),
    "responses_total": ("{} ever", "redemption"),
    "responses_84": ("{} in the last 84 days", "redemption"),
    **{f"baskets_{days}": (f"{{}} in the last {days} days", "basket") for days in SERIES_WINDOWS},
    "visits_total": ("{} ever", "visit"),
    **{f"visits_week_{n}": (f"{{}} in week {n} back", "visit") for n in range(1, WEEKS + 1)},
    **{f"days_since_visit_{n}": (f"visit number {n} back was {{}} ago", "day") for n in (2, 3, 5, 10)},
    "gap_max": ("longest time between visits {}", "day"),
    "gap_max_84": ("longest time between visits of late {}", "day"),
    "gap_last": ("{} between the last two visits", "day"),
    "gap_median": ("usually {} between visits", "day"),
    "gap_p90": ("nine in ten times at most {} between visits", "day"),
    "gap_p95": ("19 in 20 times at most {} between visits", "day"),
    "absences": ("{} of more than 28 days before", "absence"),
    "last_basket_lines": ("{} in the last basket", "line"),
}
#: inputs that are shares, amounts or ratios
NUMBERS: dict[str, tuple[str, str]] = {
    **{f"spend_{d}": (f"spent {{}} in the last {d} days", "%.2f") for d in (28, 30, 60, 84, 90, 365)},
    **{f"spend_{days}": (f"spent {{}} in the last {days} days", "%.2f") for days in SERIES_WINDOWS},
    "spend_total": ("spent {} ever", "%.2f"),
    **{f"spend_week_{n}": (f"spent {{}} in week {n} back", "%.2f") for n in range(1, WEEKS + 1)},
    **{
        f"visits_decay_{d}": (f"{{}} visits of late, older ones counting less (half after {d} days)", "%.1f")
        for d in DECAYS
    },
    **{
        f"visit_rate_{d}": (f"{{}} visits a day of late, older ones counting less (half after {d} days)", "%.2f")
        for d in DECAYS
    },
    **{
        f"spend_decay_{d}": (f"spent {{}} of late, older spend counting less (half after {d} days)", "%.2f")
        for d in DECAYS
    },
    "gap_variation": ("time between visits varies by {} of its mean", "%"),
    "absence_share": ("{} of the days so far were followed by 28 without a visit", "%"),
    "absence_by_habit": ("so long an absence grew by 28 days in {} of the cases so far", "%"),
    "absence_by_rate": ("28 days without a visit would be chance in {} of the cases", "%"),
    "weeks_active_share": ("bought in {} of the weeks so far", "%"),
    "last_basket_spend": ("spent {} in the last basket", "%.2f"),
    "last_basket_ratio": ("the last basket was {} times the usual", "%.1f"),
    "largest_basket_84": ("largest basket of 84 days {}", "%.2f"),
    **{
        f"discount_share_{d}": (f"{{}} of list value in discounts over {d} days", "%")
        for d in (28, 30, 60, 84, 90, 365)
    },
    "main_store_share_84": ("{} of baskets in one store", "%"),
    "basket_value_84": ("{} a basket", "%.2f"),
    "basket_lines_84": ("{} lines a basket", "%.1f"),
    "basket_pieces_84": ("{} pieces a basket", "%.1f"),
    "private_brand_share_84": ("{} of spend on private brands", "%"),
    "overdue_ratio": ("days since the last basket are {} times the usual interval", "%.1f"),
    "trend_28": ("baskets of the last 28 days against the 84 before now: {} (0: as ever, below: fewer)", "%+.2f"),
    "weekend_share_84": ("{} of baskets at the weekend", "%"),
    "evening_share_84": ("{} of baskets in the evening", "%"),
}


def driver_words(names: np.ndarray, values: pd.DataFrame) -> pa.Array:
    """Return what drives a score in words, with the customer's own numbers, parted by ``; `` (n,).

    Args:
        names: inputs that drive the score, the strongest first (n, k); None where there are fewer.
        values: the inputs' values (n rows).
    """
    words = np.full(names.shape, None, dtype=object)
    for name in sorted({*names.ravel()} - {None}):
        row, column = np.nonzero(names == name)
        words[row, column] = _in_words(name, values[name].to_numpy(dtype="float64", na_value=np.nan)[row])
    return joined(words)


def joined(words: np.ndarray) -> pa.Array:
    """Return the words of each row (n, k), None left out, as one text parted by ``; `` (n,)."""
    some = words != None  # noqa: E711 - an array of objects, compared one by one
    offsets = np.concatenate([[0], np.cumsum(some.sum(axis=1))]).astype("int32")
    lists = pa.ListArray.from_arrays(pa.array(offsets), pa.array(words[some], pa.string()))
    return pc.binary_join(lists, "; ")  # type: ignore[return-value]


def in_words(text: str, form: str, values: np.ndarray, unknown: str) -> np.ndarray:
    """Return values in words (n,); equal values are written once.

    Args:
        text: what the input means, {} being its value.
        form: a number's format, ``%`` for a share, or the noun that is counted.
        values: (n,).
        unknown: what stands for NaN.
    """
    different, place = np.unique(values, return_inverse=True)
    written = [unknown if np.isnan(value) else text.format(_shown(value, form)) for value in different]
    return np.array(written, dtype=object)[place]


def _in_words(name: str, values: np.ndarray) -> np.ndarray:
    plain = name.replace("_", " ")
    if name not in WORDS and name not in NUMBERS:
        return np.full(len(values), plain, dtype=object)
    return in_words(*(WORDS | NUMBERS)[name], values, f"{plain} unknown")


def _shown(value: float, form: str) -> str:
    if form == "%":
        return f"{math.floor(100 * value + 0.5)} %"
    return form % value if form.startswith("%") else _count(math.floor(value + 0.5), form)


def _count(number: int, noun: str) -> str:
    plural = noun[:-1] + "ies" if noun.endswith("y") and noun[-2] not in "aeiou" else noun + "s"
    return f"{number} {noun if number == 1 else plural}"
