"""Figures of the night's models: against their baselines, by tenths of probability, rules and treatment effects."""

from __future__ import annotations

import math

from conf.tables.runs import CANDIDATES_EACH, RECALL, SHOWN
from jobs.report.night_tables import NightTables, Row
from training import registry

#: verdicts on a model without an interval: a baseline that serves, and anything else
UNCOMPARED = ("a baseline serves", "not compared")
#: metrics of ``model_comparison`` that the page leaves out, or shows elsewhere
HIDDEN = ("map", "precision", "recall", *SHOWN, RECALL, CANDIDATES_EACH)


def models(night: NightTables) -> list[Row]:
    """Return the models with their baselines; ``verdict`` is what the interval supports."""
    rows = night.ask("select * exclude (ds) from models order by name, standing, sha256")
    return [row | {"difference": _difference(row), "verdict": verdict(row)} for row in rows]


def score_spread(night: NightTables) -> list[Row]:
    """Return the quartiles over the customers of every score that a model of the registry wants shown.

    A column that this night's table does not have yet is left out: an earlier version scored it.
    """
    present = {row["column_name"] for row in night.ask("describe customers")}
    rows = []
    for spec in registry.series_models():
        for column in (column for column in spec.columns if column.name in spec.shown and column.name in present):
            quarters = ((0.25, "low"), (0.5, "middle"), (0.75, "high"))
            cells = ", ".join(f"quantile_cont({column.name}, {share}) as {name}" for share, name in quarters)
            (row,) = night.ask(f"select count({column.name}) as customers, {cells} from customers")
            rows.append(row | {"title": spec.title, "name": column.name, "about": column.about})
    return [row for row in rows if row["customers"]]


def compared(night: NightTables) -> list[Row]:
    """Return all compared methods of every model with several, by slice and metric; best first."""
    if not night.has("compared"):
        return []
    by_model: dict[str, Row] = {}
    rows = night.ask(
        f"select * exclude (ds) from compared where metric not in {HIDDEN} and value is not null "
        "order by name, slice, metric, value desc"
    )
    for row in rows:
        model = by_model.setdefault(row["name"], {"name": row["name"], "figures": [], "methods": {}})
        key = (row["slice"], row["metric"])
        model["figures"] += [key] if key not in model["figures"] else []
        model["methods"].setdefault(row["method"], {})[key] = row
    return [model for model in by_model.values() if len(model["methods"]) > 2]


def reliability(night: NightTables) -> list[Row]:
    """Return predicted and observed means of every champion by tenths; ``amounts``: no probabilities."""
    if not night.has("reliability"):
        return []
    return night.ask(
        "select name, list(predicted order by bin) as predicted, list(observed order by bin) as observed, "
        "sum(abs(predicted - observed) * rows) / sum(rows) as ece, max(predicted) > 1 as amounts "
        "from reliability group by name order by name"
    )


def kpi_rules(night: NightTables) -> list[Row]:
    """Return every outcome with its rules, churn first."""
    kpis: dict[str, Row] = {}
    for row in night.ask("select * from rules order by kpi <> 'churn', kpi, rank") if night.has("rules") else []:
        kpis.setdefault(row["kpi"], row | {"rules": []})["rules"].append(row)
    return list(kpis.values())


def treatment_effects(night: NightTables) -> list[Row]:
    """Return the estimated effects of treatments with their verdicts."""
    return night.ask("select * from verdicts order by treatment, method") if night.has("verdicts") else []


def verdict(row: Row) -> str:
    """Return what the paired 95 % interval of the difference to the baseline supports."""
    low, high = row["low"], row["high"]
    if low is None or high is None or math.isnan(low) or math.isnan(high):
        return UNCOMPARED[0] if row["standing"] == "champion" else UNCOMPARED[1]
    if low > 0:
        return "beats its baseline"
    return "does not beat its baseline" if high >= 0 else "is worse than its baseline"


def _difference(row: Row) -> float | None:
    value, baseline = row["value"], row["baseline_value"]
    return None if value is None or baseline is None else value - baseline
