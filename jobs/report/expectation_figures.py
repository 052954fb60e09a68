"""What the report says of how true the expectations of earlier nights were."""

from __future__ import annotations

import math
from datetime import date
from typing import Any

from jobs.lake.lake import OUTCOMES, Lake
from scoring.outcomes.expected_and_realised import FIGURES, names, verdict


def foreseen_figures(lake: Lake, day: date) -> dict[date, list[dict[str, Any]]]:
    """Return what the nights measured by ``day`` expected of their offers, and what came.

    Returns:
        Night of the offers -> rows of ``kind``, ``slice``, ``figure``, ``expected``, ``realised``, ``ratio`` (None
        where nothing was expected), its 95 % interval ``low`` and ``high`` (None: none), ``verdict`` and ``customers``.
    """
    told: dict[tuple[date, str, str], dict[str, dict[str, Any]]] = {}
    for row in lake.arrow(OUTCOMES, day).to_pylist() if lake.has(OUTCOMES, day) else []:
        told.setdefault((row["offers_of"], row["offer_kind"], row["slice"]), {})[row["metric"]] = row
    found: dict[date, list[dict[str, Any]]] = {}
    for (night, kind, part), metrics in sorted(told.items()):
        for figure in FIGURES.get(kind, ()):
            expected, realised, ratio = (metrics.get(name) for name in names(figure))
            if expected is None or realised is None:
                continue
            value, low, high = ((ratio or {}).get(name) for name in ("value", "low", "high"))
            row = {"kind": kind, "slice": part, "figure": figure, "customers": expected["customers"]}
            row |= {"expected": expected["value"], "realised": realised["value"]}
            row |= {"ratio": value, "low": low, "high": high}
            ends = (math.nan if end is None else end for end in (low, high))
            row["verdict"] = "nothing expected" if value is None else verdict(*ends)
            found.setdefault(night, []).append(row)
    return found
