"""Narrows the settings to the sections that a reader declares, so that nothing else can decide its result."""

from __future__ import annotations

from collections.abc import Collection
from typing import TypeVar

from conf.settings.strict import Strict

S = TypeVar("S", bound=Strict)


def narrowed(settings: S, sections: Collection[str]) -> S:
    """Return ``settings`` with nothing but ``sections``; reading another raises ``UndeclaredSetting``.

    Args:
        settings: what is narrowed; it stays as it is.
        sections: names of fields, dotted for a field of a section: ``offers``, ``models.seed``.

    Raises:
        ValueError: a section is no field of the settings.
    """
    inner: dict[str, list[str]] = {}
    for section in sections:
        name, _, rest = section.partition(".")
        if name not in type(settings).model_fields:
            raise ValueError(
                f"{type(settings).__name__} has no setting {name}; have {list(type(settings).model_fields)}"
            )
        inner.setdefault(name, []).append(rest)
    copy = settings.model_copy()
    for name in type(settings).model_fields:
        if name not in inner:
            copy.__dict__.pop(name, None)
        elif "" not in inner[name]:
            copy.__dict__[name] = narrowed(getattr(settings, name), inner[name])
    return copy
