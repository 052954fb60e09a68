"""Propensities: what a customer will do, or is; one model for each label of ``conf/propensities.yml``."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from conf.settings.propensities import Amount, Propensities, Propensity
from training.spec import ModelSpec

if TYPE_CHECKING:
    from training.propensity.frames import WideFrames

#: what the names of their models begin with
PREFIX = "propensity_"
_SETS = ("labels", "customers", "purchase_series")


def configured(propensities: Propensities, frames: WideFrames | None = None) -> tuple[ModelSpec, ...]:
    """Return the models of the configured labels, and the network's that challenge them every week.

    Args:
        propensities: what ``conf/propensities.yml`` asks for.
        frames: the wide frames that all of them share; None: frames of their own.
    """
    from training.propensity.evaluate import contenders, network_contenders
    from training.propensity.frames import WideFrames
    from training.propensity.inputs import inputs

    shared = frames or WideFrames(propensities)

    def spec(asked: Propensity) -> ModelSpec:
        return ModelSpec(
            name=asked.model,
            family="propensity",
            title=asked.title,
            sets=_SETS,
            metric="deviance" if isinstance(asked, Amount) else "log_likelihood",
            inputs=tuple(inputs(asked, shared.hints, ())),
            contenders=partial(contenders, shared, asked),
            table="customer_propensities",
        )

    def network(asked: Propensity) -> ModelSpec:
        return ModelSpec(
            name=f"{asked.model}_network",
            family="propensity",
            title=f"{asked.title}, by a network",
            sets=_SETS,
            metric="log_likelihood",
            inputs=tuple(shared.columns(())),
            contenders=partial(network_contenders, shared, asked),
            weekly=True,
            challenges=asked.model,
        )

    return (*(spec(asked) for asked in propensities.labels), *(network(asked) for asked in shared.networked))
