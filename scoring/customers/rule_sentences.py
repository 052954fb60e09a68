"""Rules in a marketer's words: conditions on the columns of customers as one readable phrase."""

from __future__ import annotations

import math

from scoring.customers.phrases import wording
from training.studies.rule_tree import Condition, TreeRule

#: borders below this separate values from missing ones
_FINITE = -1e6
#: what it means that a value is there, and that it is not
_PURCHASE_WORDS = ("such a purchase before", "no such purchase ever")
_VISIT_WORDS = dict.fromkeys(("interval_days", "gap_last"), ("two visits or more", "fewer than two visits"))


def sentence(rule: TreeRule, label: str = "", titles: dict[str, str] | None = None) -> str:
    """Return the rule's conditions as a phrase.

    Args:
        rule: the rule.
        label: the propensity it speaks of, if it is one.
        titles: label -> title of the propensities.

    >>> away = Condition("recency_days", 20.5, math.inf)
    >>> few = Condition("baskets_84", -math.inf, 2.5)
    >>> sentence(TreeRule((away, few), 1, 0.5, 1, None, True))
    'last basket more than 20 days ago and at most 2 baskets in the last 84 days'
    """
    return " and ".join(_words(condition, label, titles or {}) for condition in rule.conditions) or "all customers"


def subject(column: str, label: str = "", titles: dict[str, str] | None = None) -> str:
    """Return what a column says of customers, without a value.

    >>> subject("baskets_84"), subject("spend_84"), subject("recency_days")
    ('baskets in the last 84 days', 'spent in the last 84 days', 'last basket')
    """
    text, form = wording(column, label, titles or {})
    return " ".join(text.replace("{} ago", "").format("" if form.startswith("%") else f"{form}s").split())


def _words(condition: Condition, label: str, titles: dict[str, str]) -> str:
    text, form = wording(condition.column, label, titles)
    plain = condition.column.split(":")[-1]
    when_known, unknown = (
        _PURCHASE_WORDS
        if ":" in condition.column and plain == "recency_days"
        else _VISIT_WORDS.get(plain, (f"{plain.replace('_', ' ')} known", f"{plain.replace('_', ' ')} unknown"))
    )
    if condition.high < _FINITE:
        return unknown
    if _FINITE > condition.low > -math.inf and math.isinf(condition.high):
        return when_known
    low = -math.inf if condition.low < _FINITE else condition.low
    before, after = text.split("{}")
    return f"{before}{_borders(low, condition.high, form)}{after}"


def _borders(low: float, high: float, form: str) -> str:
    if not form.startswith("%"):
        return _counts(low, high, form)
    unit = " %" if form == "%" else ""
    scale = 100 if form == "%" else 1
    parts = [f"more than {_short(low * scale)}{unit}"] if low > -math.inf else []
    parts += [f"at most {_short(high * scale)}{unit}"] if high < math.inf else []
    return " and ".join(parts)


def _short(value: float) -> str:
    """Show three digits, and large numbers whole."""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def _counts(low: float, high: float, unit: str) -> str:
    """Speak of whole numbers: a border of 2.5 lies between 2 and 3."""
    least = math.floor(low) + 1 if low > -math.inf else 0
    most = math.floor(high) if high < math.inf else None
    if most is not None and most <= 0:
        return f"no {unit}"
    if most == least:
        return f"{most} {unit}" + ("" if most == 1 else "s")
    parts = [f"more than {least - 1}"] if least > 0 else []
    parts += [f"at most {most}"] if most is not None else []
    last = most if most is not None else least - 1
    return " and ".join(parts) + f" {unit}" + ("" if last == 1 else "s")
