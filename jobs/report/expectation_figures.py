"""What earlier nights' offers were expected to bring, and what they brought, for the report."""

from __future__ import annotations

import math
from datetime import date
from typing import Any

from jobs.lake.lake import Lake
from jobs.tables.outcomes import OUTCOMES
from scoring.outcomes.expected_and_realised import FIGURES, names, verdict


def expectation_figures(lake: Lake, day: date) -> dict[date, list[dict[str, Any]]]:
    """Return expected and realised figures of the nights measured by ``day``.

    Returns:
        Night of the offers -> rows of ``kind``, ``slice``, ``figure``, ``expected``, ``realised``, ``ratio`` (None
        where nothing was expected), its 95 % interval ``low`` and ``high`` (None: none), ``verdict`` and ``customers``.
    """
    by_slice: dict[tuple[date, str, str], dict[str, dict[str, Any]]] = {}
    for row in lake.arrow(OUTCOMES, day).to_pylist() if lake.has(OUTCOMES, day) else []:
        by_slice.setdefault((row["offers_of"], row["offer_kind"], row["slice"]), {})[row["metric"]] = row
    by_night: dict[date, list[dict[str, Any]]] = {}
    for (night, kind, part), metrics in sorted(by_slice.items()):
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
            by_night.setdefault(night, []).append(row)
    return by_night
