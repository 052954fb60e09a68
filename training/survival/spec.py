"""Survival: how long customers stay, as the chance that an absence of the churn label's length begins, by week."""

from __future__ import annotations

from conf.tables.features import PURCHASE_SERIES
from conf.tables.table import Column
from training.spec import Format, ModelSpec

NAME = "survival"
#: numeric columns of the purchase series
INPUTS: tuple[str, ...] = PURCHASE_SERIES.names[1:]
#: weeks ahead for which the chance to be still active is published
STAYS = (4, 8, 12)
SURVIVAL = ModelSpec(
    name=NAME,
    family="survival",
    title="Survival",
    sets=("purchase_series",),
    metric="log_likelihood",
    inputs=INPUTS,
    contenders="training.survival.evaluate:contenders",
    days="training.survival.inputs:days",
    columns=(
        *(
            Column(
                f"active_in_{weeks}_weeks", "double", f"P(no absence of 28 days began by week {weeks}); null unscored"
            )
            for weeks in STAYS
        ),
        Column("weeks_to_leave", "double", "week by which an absence began with even odds; null beyond 12 or unscored"),
    ),
    score="training.survival.score:score",
    shown=("active_in_12_weeks", "weeks_to_leave"),
    formats=(Format("survival", "model.json", "training.survival.hazards:read", ("scipy", "pandas", "numpy")),),
)
MODELS = (SURVIVAL,)
