"""Days to the next purchase: how many days it takes until a customer buys again, with even odds."""

from __future__ import annotations

from conf.tables.features import PURCHASE_SERIES
from conf.tables.table import Column
from training.spec import Format, ModelSpec

NAME = "days_to_next"
#: numeric columns of the purchase series
INPUTS: tuple[str, ...] = PURCHASE_SERIES.names[1:]
DAYS_TO_NEXT = ModelSpec(
    name=NAME,
    family="days_to_next",
    title="Days to the next purchase",
    sets=("purchase_series", "visits"),
    metric="log_likelihood",
    inputs=INPUTS,
    contenders="training.days_to_next.evaluate:contenders",
    days="training.days_to_next.inputs:days",
    columns=(
        Column(
            "days_to_next_purchase",
            "double",
            "days by which the customer buys again with even odds; null beyond 84 or unless active in the last 84 days",
        ),
    ),
    score="training.days_to_next.score:score",
    shown=("days_to_next_purchase",),
    formats=(Format(NAME, "model.json", "training.days_to_next.log_normal:read", ("scipy", "pandas", "numpy")),),
)
MODELS = (DAYS_TO_NEXT,)
