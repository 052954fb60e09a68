"""Churn: who is active and makes no purchase in the days of the horizon."""

from __future__ import annotations

from conf.tables.features import PURCHASE_SERIES
from conf.tables.table import Column
from training.spec import ModelSpec

NAME = "churn"
#: numeric columns of the purchase series
INPUTS: tuple[str, ...] = PURCHASE_SERIES.names[1:]

CHURN = ModelSpec(
    name=NAME,
    family="churn",
    title="Churn",
    sets=("purchase_series",),
    metric="log_likelihood",
    inputs=INPUTS,
    contenders="training.churn.evaluate:contenders",
    days="training.churn.inputs:days",
    columns=(
        Column(
            "churn_probability", "double", "P(no purchase within the horizon); null unless active in the last 84 days"
        ),
        Column("churn_reasons", "string", "what drives the churn probability most, in words"),
    ),
    score="training.churn.score:score",
    shown=("churn_probability",),
)
NETWORKS = ModelSpec(
    name="churn_networks",
    family="churn",
    title="Churn by networks",
    sets=("purchase_series",),
    metric="log_likelihood",
    inputs=INPUTS,
    contenders="training.churn.evaluate:network_contenders",
    days="training.churn.inputs:days",
    weekly=True,
    challenges=NAME,
)
MODELS = (CHURN, NETWORKS)
