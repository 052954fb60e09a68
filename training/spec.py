"""How a model is declared: one :class:`ModelSpec` holds all that training, scoring and reports need to know of it.

Declarations import next to nothing. What costs an import (fitting, scoring, reading a file) is named by a
:data:`Reference`, ``"module:name"``, and loaded where it is used.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from conf.tables.table import Column

#: ``"package.module:name"``, or the function itself
Reference = str | Callable[..., Any]
#: types of columns that models fill
_SCORED = ("double", "string")


@dataclass(frozen=True)
class Format:
    """How a kind of model is kept in a folder, and who reads it.

    Attributes:
        kind: as ``meta.json`` names it.
        file: name of the file of weights; it cannot run code.
        reader: ``read(meta, files)``, which returns the model.
        packages: distributions without which it cannot be read.
        architecture: of networks of one kind that differ in their layers; ``meta.extra["architecture"]``.
    """

    kind: str
    file: str
    reader: str
    packages: tuple[str, ...]
    architecture: str | None = None


@dataclass(frozen=True)
class ModelSpec:
    """One model of the pipeline.

    A model that challenges another (``challenges``) is another method for the same question: it is registered under
    the name of the other and publishes its columns. Every other model declares where its scores go: ``columns`` of
    ``customer_scores`` with ``score``, or ``table``.

    Attributes:
        name: of its training, and of the model in the registry where it challenges no other.
        family: folder of ``training`` it lives in.
        title: as the report calls it.
        sets: training sets that it reads; the first holds its rows.
        metric: of the gate; higher is better.
        inputs: columns that it may take; a model that takes another is refused.
        contenders: ``(sets, models) -> Contenders``: fits challenger and baselines, and evaluates on the gate window.
        tables: tables of the clean layer without which there is no such model.
        days: ``(windows, models) -> dates`` of the set ``purchase_series`` that it reads besides the windows.
        weekly: too costly for a first night: only the weekly training fits it, and a night without it goes on.
        weekly_contenders: the same as ``contenders`` for the weekly training, where it compares architectures first.
        challenges: the model whose champion this one wants to replace.
        served_with: the model that serves a part of the same lists: it is decided first, and the lists that both
            serve are evaluated; without a champion of it this one serves alone.
        columns: what it adds to ``customer_scores``.
        score: ``(model or None, series, is_active) -> Scores`` of a batch of customers; fills ``columns``.
        table: published table that its scores go to.
        serves_challenger: a challenger is scored with, flagged as such, while the champion is only a baseline.
        shown: columns whose distribution over the customers the report shows.
        formats: formats of model files that its family brings.
    """

    name: str
    family: str
    title: str
    sets: tuple[str, ...]
    metric: str
    inputs: tuple[str, ...]
    contenders: Reference
    tables: tuple[str, ...] = ()
    days: Reference | None = None
    weekly: bool = False
    weekly_contenders: Reference | None = None
    challenges: str | None = None
    served_with: str | None = None
    columns: tuple[Column, ...] = ()
    score: Reference | None = None
    table: str | None = None
    serves_challenger: bool = False
    shown: tuple[str, ...] = ()
    formats: tuple[Format, ...] = ()

    def __post_init__(self) -> None:
        """Refuse a model whose scores would go nowhere.

        Raises:
            ValueError: by the name of the model, with what is missing.
        """
        publishes = bool(self.columns) or self.table is not None
        if self.challenges and (publishes or self.score):
            raise ValueError(f"model {self.name} challenges {self.challenges}, whose columns and table it serves")
        if not self.challenges and not publishes:
            raise ValueError(f"model {self.name} would be trained and never scored; declare its columns or its table")
        if bool(self.columns) != (self.score is not None):
            raise ValueError(f"model {self.name} needs both columns and a score function, or neither")
        if untyped := sorted(column.name for column in self.columns if column.type not in _SCORED):
            raise ValueError(f"model {self.name}: columns {untyped} have types that are not scored; use {_SCORED}")
        if unknown := set(self.shown) - {column.name for column in self.columns}:
            raise ValueError(f"model {self.name}: the report is to show {sorted(unknown)}, which are no columns of it")

    @property
    def model(self) -> str:
        """Name of the model in the registry that this one trains a version of."""
        return self.challenges or self.name


def loaded(reference: Reference) -> Callable[..., Any]:
    """Return what a reference names.

    Raises:
        ValueError: there is no such module, or it has no such name.
    """
    if callable(reference):
        return reference
    module, _, name = reference.partition(":")
    try:
        function: Callable[..., Any] = getattr(import_module(module), name)
    except (ModuleNotFoundError, AttributeError) as error:
        raise ValueError(f"{reference!r} names nothing: {error}") from error
    return function
