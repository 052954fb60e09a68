"""All models of the pipeline. A new one is a folder of ``training`` with a ``spec.py``, and one line here.

Training, tracking, loading, scoring, the data dictionary, the report and the tests read this list; see
``docs/add-a-model.md``.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING

from conf.errors import DataError
from conf.tables.table import Column
from training import formats
from training.spec import Format, ModelSpec

if TYPE_CHECKING:
    from conf.settings.propensities import Propensities

#: the name under which a challenger is pinned next to a champion that is a baseline
CHALLENGER_OF = "{}:challenger"
#: where the models are declared, in the order in which they are trained: the ``MODELS`` of these modules
FAMILIES = (
    "training.churn.spec",
    "training.overdue.spec",
    "training.survival.spec",
    "training.value.spec",
    "training.days_to_next.spec",
    "training.rankers.spec",
    "training.next_action.spec",
    "training.characteristics.spec",
)
#: where those of the configured propensities are declared
PROPENSITIES = "training.propensity.spec"


@cache
def specs() -> tuple[ModelSpec, ...]:
    """Return the declarations of all models but the configured propensities.

    Raises:
        ValueError: two models share a name or a column, or one names a model that is not declared.
    """
    return checked(spec for family in FAMILIES for spec in import_module(family).MODELS)


def all_specs(propensities: Propensities, frames: object | None = None) -> tuple[ModelSpec, ...]:
    """Return the declarations of all models, those of the configured propensities last.

    Args:
        propensities: what ``conf/propensities.yml`` asks for.
        frames: the wide frames that the propensities of one training share; None: their own.
    """
    return checked((*specs(), *import_module(PROPENSITIES).configured(propensities, frames)))


def checked(declared: Iterable[ModelSpec]) -> tuple[ModelSpec, ...]:
    """Return the declarations, which have to fit together.

    Raises:
        ValueError: two models share a name or a column, or one names a model that is not declared.
    """
    models = tuple(declared)
    names = [spec.name for spec in models]
    columns = [column.name for spec in models for column in spec.columns]
    faults = [
        f"{what} {name} is declared twice"
        for what, listed in (("model", names), ("column", columns))
        for name in sorted({name for name in listed if listed.count(name) > 1})
    ]
    served = {spec.name for spec in models if spec.challenges is None}
    faults += [
        f"model {spec.name} names {other}, which no declaration serves"
        for spec in models
        for other in (spec.challenges, spec.served_with)
        if other and other not in served
    ]
    if faults:
        raise ValueError("the registry of models does not fit together: " + "; ".join(faults))
    return models


def served_names(propensities: Propensities) -> list[str]:
    """Return the names in the registry of MLflow, those of the configured propensities last."""
    names = [spec.name for spec in specs() if spec.challenges is None]
    return [*names, *(asked.model for asked in propensities.labels)]


def series_models() -> tuple[ModelSpec, ...]:
    """Return the models that the one pass over the purchase series applies."""
    return tuple(spec for spec in specs() if spec.score is not None)


def score_columns() -> tuple[Column, ...]:
    """Return the columns that models add to ``customer_scores``."""
    return tuple(column for spec in specs() for column in spec.columns)


def format_of(kind: str, architecture: str | None = None) -> Format:
    """Return how a kind of model is kept.

    Raises:
        DataError: no family brings such a format.
    """
    brought = [form for spec in specs() for form in spec.formats]
    forms = {(form.kind, form.architecture): form for form in (*formats.SHARED, *brought)}
    if (kind, architecture) not in forms:
        named = f"{kind} ({architecture})" if architecture else kind
        raise DataError(f"no model of the registry is of the kind {named}; have {sorted(map(str, forms))}")
    return forms[kind, architecture]
