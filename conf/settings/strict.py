"""What all settings have in common: an unknown key or a wrong value is refused by name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator

Share = Annotated[float, Field(ge=0, le=1)]
Slug = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,62}$")]


class UndeclaredSetting(Exception):
    """A stage reads a setting that it does not declare; a change of it would not run the stage again."""


class Strict(BaseModel):
    """Base of all settings: frozen, and nothing undeclared gets in."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    if not TYPE_CHECKING:  # a type checker would take every misspelt name for a setting

        def __getattr__(self, name: str) -> Any:
            """Refuse a setting that was left out by :func:`conf.settings.sections.narrowed`."""
            if name in type(self).model_fields:
                raise UndeclaredSetting(
                    f"{type(self).__name__}.{name} is read, and the stage does not declare it; "
                    "add it to the stage's settings in jobs/lake/reads.py"
                )
            return super().__getattr__(name)

    @field_validator("*", mode="before")
    @classmethod
    def _refuse_yes_and_no(cls, value: Any, info: ValidationInfo) -> Any:
        """YAML reads ``no`` as False, which would pass as the number 0."""
        if isinstance(value, bool) and cls.model_fields[str(info.field_name)].annotation is not bool:
            raise ValueError(f"must not be a boolean; found {str(value).lower()}")
        return value
