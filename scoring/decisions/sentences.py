"""Says in a sentence why a customer gets an action or does not, and how much value it lacks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def sentence(row: Mapping[str, Any], currency: str) -> str:
    """Return what became of one considered action.

    Args:
        row: of ``DECISION_LEDGER``.
        currency: the source's, for amounts.

    >>> sentence({"decided": True, "value": 0.5, "probability": 0.6, "anyway": 0.1}, "USD")
    'yes: it adds 0.50 USD; 60 % buy with it, 10 % anyway'
    >>> sentence({"decided": False, "gate": "adds nothing", "value": -0.001, "probability": None}, "USD")
    'no: it adds 0.00 USD'
    >>> sentence({"decided": False, "gate": "control group"}, "USD")
    'no: control group'
    >>> sentence({"decided": False, "gate": None, "value": 0.2, "probability": None, "bound_by": "budget",
    ...     "displaced_by": None, "missing_value": 0.3}, "USD")
    'no: it adds 0.20 USD, less than the limit "budget" charges for it; at the prices of this night it lacks 0.30 USD'
    """
    if row["decided"]:
        return f"yes: {_adds(row, currency)}"
    if row["gate"] == "adds nothing" and row.get("value") is not None:
        return f"no: {_adds(row, currency)}"
    if row["gate"]:
        return f"no: {row['gate']}"
    if row["displaced_by"]:
        against = f"the customer gets {row['displaced_by']} instead"
    else:
        against = f'less than the limit "{row["bound_by"]}" charges for it'
    lacking = f"{row['missing_value']:.2f} {currency}"
    return f"no: {_adds(row, currency)}, {against}; at the prices of this night it lacks {lacking}"


def _adds(row: Mapping[str, Any], currency: str) -> str:
    value = round(row["value"], 2) + 0.0  # no minus before a zero
    text = f"it adds {value:.2f} {currency}"
    if row["probability"] is None:
        return text
    return f"{text}; {row['probability']:.0%} buy with it, {row['anyway']:.0%} anyway".replace("%", " %")
