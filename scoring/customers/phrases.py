"""What an input of a propensity's model says of customers, in words with their own numbers.

n = customers.
"""

from __future__ import annotations

import numpy as np

from scoring.customers.driver_words import NUMBERS, WORDS, in_words

#: an input of a propensity's own scope; {} is its value
SCOPE_WORDS: dict[str, tuple[str, str]] = {
    "recency_days": ("last such purchase {} ago", "day"),
    "visits_total": ("{} with such a purchase", "visit"),
    "interval_days": ("{} between such purchases on average", "day"),
    "gap_last": ("{} between the last two such purchases", "day"),
    **{f"visits_decay_{d}": (f"{{}} such purchases of late, older ones counting less (half after {d} days)", "%.1f")
       for d in (14, 28, 56, 112)},
    "spend_84": ("spent {} on it in the last 84 days", "%.2f"),
    "overdue_ratio": ("days since such a purchase are {} times the usual interval", "%.1f"),
    "absence_by_habit": ("so long without such a purchase went on for 28 days in {} of the cases so far", "%"),
    "absence_by_rate": ("28 days without such a purchase would be chance in {} of the cases", "%"),
    "weeks_active_share": ("such a purchase in {} of the weeks so far", "%"),
}  # fmt: skip
LIKES = "likes:"


def phrases(name: str, values: np.ndarray, own: str, titles: dict[str, str]) -> np.ndarray:
    """Return a phrase per customer on the values of one input (n,).

    Args:
        name: of the input: a column of purchase_series or profile, ``<label>:<column>`` or ``likes:<department>``.
        values: (n,) of those customers; NaN where unknown.
        own: the label that is explained.
        titles: label -> its title.

    >>> phrases("recency_days", np.array([1.0, 12.0, np.nan]), "x", {}).tolist()
    ['last basket 1 day ago', 'last basket 12 days ago', 'recency days unknown']
    >>> phrases("likes:DELI", np.array([2.5, 0.0]), "x", {}).tolist()
    ['leans to DELI 2.5 times as much as others', 'buys nothing of DELI']
    """
    unknown = f"{name.removeprefix(f'{own}:').replace('_', ' ')} unknown"
    phrase = in_words(*wording(name, own, titles), values, unknown)
    if name.startswith(LIKES):
        phrase[values == 0] = f"buys nothing of {name.removeprefix(LIKES)}"
    return phrase


def wording(name: str, own: str, titles: dict[str, str]) -> tuple[str, str]:
    """Return what an input means, {} being its value, and how the value is shown: a format, or the noun it counts."""
    plain = name.removeprefix(f"{own}:")
    if name.startswith(LIKES):
        return f"leans to {name.removeprefix(LIKES)} {{}} times as much as others", "%.1f"
    if plain != name:
        return SCOPE_WORDS[plain]
    if ":" in name:
        label = name.split(":")[0]
        return f"{titles.get(label, label)}: {{}} times of late", "%.1f"
    return (WORDS | NUMBERS).get(name, (f"{name.replace('_', ' ')} {{}}", "%.2f"))
