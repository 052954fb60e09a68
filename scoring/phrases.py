"""What an input of a model says of customers, in words with their own numbers: whole columns of sentences at once.

n = customers.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from scoring.churn_reasons import CHURN_NUMBERS, CHURN_WORDS

#: an input of a propensity's own scope; {} is its value
SCOPE_WORDS: dict[str, tuple[str, str]] = {
    "recency_days": ("last such purchase {} ago", "day"),
    "visits_total": ("{} with such a purchase", "visit"),
    "interval_days": ("{} between such purchases on average", "day"),
    "gap_last": ("{} between the last two such purchases", "day"),
}
SCOPE_NUMBERS: dict[str, tuple[str, str]] = {
    **{f"visits_decay_{d}": (f"{{}} such purchases of late, one of {d} days ago counted half", "%.1f")
       for d in (14, 28, 56, 112)},
    "spend_84": ("spent {} on it in the last 84 days", "%.2f"),
    "overdue_ratio": ("days since such a purchase are {} times the usual interval", "%.1f"),
    "absence_by_habit": ("so long without such a purchase went on for 28 days in {} of the cases so far", "%"),
    "absence_by_rate": ("28 days without such a purchase would be chance in {} of the cases", "%"),
    "weeks_active_share": ("such a purchase in {} of the weeks so far", "%"),
}  # fmt: skip
LIKES, OTHER = "likes:", ":visits_decay_112"


def phrases(name: str, values: np.ndarray, own: str, titles: dict[str, str]) -> pa.Array:
    """Return a phrase per customer on the values of one input.

    Args:
        name: of the input: a column of rhythm or profile, ``<label>:<column>`` or ``likes:<department>``.
        values: (n,) of those customers; NaN where unknown.
        own: the label that is explained.
        titles: label -> its title.

    >>> phrases("recency_days", np.array([1.0, 12.0, np.nan]), "x", {}).to_pylist()
    ['last basket 1 day ago', 'last basket 12 days ago', 'recency days unknown']
    >>> phrases("likes:DELI", np.array([2.5]), "x", {}).to_pylist()
    ['leans to DELI 2.5 times as much as others']
    """
    text, form = wording(name, own, titles)
    before, after = text.split("{}")
    told = _join(before, _shown(values, form), after)
    if name.startswith(LIKES):
        told = pc.if_else(pa.array(values == 0), f"buys nothing of {name.removeprefix(LIKES)}", told)
    unknown = f"{name.removeprefix(f'{own}:').replace('_', ' ')} unknown"
    return _array(pc.if_else(pa.array(np.isnan(values)), unknown, told))


def wording(name: str, own: str, titles: dict[str, str]) -> tuple[str, str]:
    """Return what an input means, {} being its value, and how the value is shown: a format, or the unit it counts."""
    plain = name.removeprefix(f"{own}:")
    if name.startswith(LIKES):
        return f"leans to {name.removeprefix(LIKES)} {{}} times as much as others", "%.1f"
    if plain != name:
        return (SCOPE_WORDS | SCOPE_NUMBERS)[plain]
    if ":" in name:
        label = name.split(":")[0]
        return f"{titles.get(label, label)}: {{}} times of late", "%.1f"
    return (CHURN_WORDS | CHURN_NUMBERS).get(name, (f"{name.replace('_', ' ')} {{}}", "%.2f"))


def _shown(values: np.ndarray, form: str) -> Any:
    """Render numbers: ``%`` as a percentage, ``%.2f`` with so many digits, else as a count of that unit."""
    known = np.nan_to_num(values)
    if form == "%":
        return _join(_whole(100 * known), " %")
    if form.startswith("%"):
        digits = int(form[-2])
        scaled = np.rint(np.abs(known) * 10**digits).astype("int64")
        whole = pa.array(scaled // 10**digits).cast(pa.string())
        rest: Any = pc.utf8_lpad(pa.array(scaled % 10**digits).cast(pa.string()), digits, "0")
        sign = pc.if_else(pa.array((known < 0) & (scaled > 0)), "-", "")
        return _join(sign, whole, ".", rest)
    many = pc.if_else(pa.array(np.rint(known) == 1), f" {form}", f" {form}s")
    return _join(_whole(known), many)


def _join(*parts: Any) -> Any:
    return pc.binary_join_element_wise(*parts, "")


def _whole(values: np.ndarray) -> pa.Array:
    return pa.array(np.rint(values).astype("int64")).cast(pa.string())


def _array(found: Any) -> pa.Array:
    return found.combine_chunks() if isinstance(found, pa.ChunkedArray) else found
