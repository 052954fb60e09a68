"""What the report says of the rankers' lists: where candidates come from, what is shown, and who is cold."""

from __future__ import annotations

from datetime import date
from typing import Any

from conf.tables.runs import CANDIDATES, CANDIDATES_EACH, COLD, RECALL, SHOWN
from jobs.lake.lake import Lake

_TABLE = "models/model_comparison"


def list_figures(lake: Lake, day: date) -> dict[str, list[dict[str, Any]]]:
    """Return what the night's comparison of models says of lists; all is empty on a night without a ranker.

    Returns:
        ``sources``: ``source``, ``each`` (candidates a customer) and ``recall`` by slice; ``shown``: ``name``,
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
            told = sources.setdefault(source, {"source": source, "each": None, "recall": {}})
            if metric == RECALL:
                told["recall"][row["slice"]] = value
            else:
                told["each"] = value
        elif metric in SHOWN:
            shown.setdefault((name, method), {"name": name, "method": method, **dict.fromkeys(SHOWN)})[metric] = value
        elif row["slice"] in COLD:
            known = {"name": name, "slice": row["slice"], "customers": row["customers"], "judged": False}
            cold.setdefault((name, row["slice"]), known)["judged"] |= value is not None
    # an interval's coverage is a figure too, and no list's: comparisons of an earlier version may hold it
    lists = [row for row in shown.values() if row["novelty"] is not None]
    return {"sources": list(sources.values()), "shown": lists, "cold": list(cold.values())}
