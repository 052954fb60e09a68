"""Overdue: an absence longer than 95 % of the customer's own inter-purchase times."""

from __future__ import annotations

from conf.tables.features import PURCHASE_SERIES
from conf.tables.table import Column
from training.spec import ModelSpec

#: name in the registry
NAME = "overdue"
#: numeric columns of the purchase series
INPUTS: tuple[str, ...] = PURCHASE_SERIES.names[1:]

OVERDUE = ModelSpec(
    name=NAME,
    family=NAME,
    title="Overdue by the customer's own habit",
    sets=("purchase_series",),
    metric="log_likelihood",
    inputs=INPUTS,
    contenders="training.overdue.evaluate:contenders",
    days="training.overdue.inputs:days",
    columns=(
        Column(
            "own_limit_days", "double", "days that 95 % of the own gaps do not exceed, 7 to 56; null under six visits"
        ),
        Column(
            "outlasts_own_limit",
            "double",
            "P(the absence that runs outlasts own_limit_days), 1 where it has; null without a limit",
        ),
    ),
    score="training.overdue.score:score",
    shown=("own_limit_days", "outlasts_own_limit"),
)
MODELS = (OVERDUE,)
