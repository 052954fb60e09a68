"""Value: what a customer will spend in the next twelve weeks (``value_days``), with an interval."""

from __future__ import annotations

from conf.tables.features import PURCHASE_SERIES
from conf.tables.table import Column
from training.spec import Format, ModelSpec

NAME = "value"
#: numeric columns of the purchase series
DECLARED: tuple[str, ...] = PURCHASE_SERIES.names[1:]
#: parts of names of inputs that grow with the history the source has, and not with the customer
_OF_HISTORY = ("_total", "tenure", "_182", "_364", "_112", "absence", "gap_max", "weeks_active", "interval_deviation")
INPUTS: tuple[str, ...] = tuple(name for name in DECLARED if not any(part in name for part in _OF_HISTORY))
_SETS, _METRIC, _DAYS = ("purchase_series",), "minus_deviance", "training.value.inputs:days"
VALUE = ModelSpec(
    name=NAME,
    family="value",
    title="Value",
    sets=_SETS,
    metric=_METRIC,
    inputs=DECLARED,
    contenders="training.value.evaluate:contenders",
    days=_DAYS,
    columns=(
        Column(
            "expected_spend",
            "double",
            "spend expected in value_days (84); while no value model serves, the spend of the last 90 days",
        ),
        Column("spend_low", "double", "lower end of the 80 % interval of that spend; null without a value model"),
        Column("spend_high", "double", "upper end of the 80 % interval of that spend; null without a value model"),
        Column(
            "value_reasons", "string", "what raises (of a customer below the mean: lowers) the value most, in words"
        ),
    ),
    score="training.value.score:score",
    shown=("expected_spend",),
    formats=(Format("value", "model.json", "training.value.models:read", ("scipy", "pandas", "numpy")),),
)
NETWORK = ModelSpec(
    name="value_network",
    family="value",
    title="Value by a network",
    sets=_SETS,
    metric=_METRIC,
    inputs=DECLARED,
    contenders="training.value.evaluate:network_contenders",
    days=_DAYS,
    weekly=True,
    challenges=NAME,
)
PURCHASES = ModelSpec(
    name="value_purchases",
    family="value",
    title="Value by BG/NBD and Gamma-Gamma",
    sets=_SETS,
    metric=_METRIC,
    inputs=DECLARED,
    contenders="training.value.evaluate:purchase_contenders",
    days=_DAYS,
    challenges=NAME,
)
#: the network first: it is decided before the models of every night
MODELS = (NETWORK, VALUE, PURCHASES)
