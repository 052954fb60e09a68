"""Next action: which department leads a customer's next visit, or that there is none, and when."""

from __future__ import annotations

from training.formats import KERAS_FILE, KERAS_PACKAGES
from training.spec import Format, ModelSpec

NAME = "next_action"
INPUTS = ("actions", "days_ago")

NEXT_ACTION = ModelSpec(
    name=NAME,
    family="next_action",
    title="Next action",
    sets=("visits",),
    metric="log_likelihood",
    inputs=INPUTS,
    contenders="training.next_action.evaluate:contenders",
    table="next_actions",
    formats=(Format("keras", KERAS_FILE, "training.next_action.forecast:read", KERAS_PACKAGES, "next_action"),),
)
MODELS = (NEXT_ACTION,)
