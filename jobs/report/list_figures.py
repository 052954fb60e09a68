"""Figures of the rankers' lists for the report: sources of candidates, beyond-accuracy metrics, cold customers."""

from __future__ import annotations

from datetime import date
from typing import Any

from conf.tables.runs import CANDIDATES, CANDIDATES_EACH, COLD, RECALL, SHOWN
from jobs.lake.lake import Lake

_TABLE = "models/model_comparison"


def list_figures(lake: Lake, day: date) -> dict[str, list[dict[str, Any]]]:
    """Return the list figures of the night's model comparison; all empty on a night without a ranker.

    Returns:
        ``sources``: ``source``, ``per_customer`` (candidates) and ``recall`` by slice; ``shown``: ``name``,
        ``method`` and the figures of ``SHOWN``; ``cold``: ``name``, ``slice``, ``customers``, and whether they could
        be ``judged``.
    """
    sources: dict[str, dict[str, Any]] = {}
    shown: dict[tuple[str, str], dict[str, Any]] = {}
    cold: dict[tuple[str, str], dict[str, Any]] = {}
    for row in lake.arrow(_TABLE, day).to_pylist() if lake.has(_TABLE, day) else []:
        name, method, metric, value = row["name"], row["method"], row["metric"], row["value"]
        if metric in (RECALL, CANDIDATES_EACH):
            source = method.removeprefix(CANDIDATES)
            figures_of = sources.setdefault(source, {"source": source, "per_customer": None, "recall": {}})
            if metric == RECALL:
                figures_of["recall"][row["slice"]] = value
            else:
                figures_of["per_customer"] = value
        elif metric in SHOWN:
            shown.setdefault((name, method), {"name": name, "method": method, **dict.fromkeys(SHOWN)})[metric] = value
        elif row["slice"] in COLD:
            judged = {"name": name, "slice": row["slice"], "customers": row["customers"], "judged": False}
            cold.setdefault((name, row["slice"]), judged)["judged"] |= value is not None
    # the coverage of an interval is no figure of a list: comparisons of an earlier version may hold it
    lists = [row for row in shown.values() if row["novelty"] is not None]
    return {"sources": list(sources.values()), "shown": lists, "cold": list(cold.values())}
