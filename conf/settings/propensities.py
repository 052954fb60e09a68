"""Settings of what is predicted of customers: a propensity is a few lines."""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeGuard

from pydantic import Discriminator, Field, Tag, field_validator, model_validator

from conf.settings.strict import Slug, Strict


class Scope(Strict):
    """Products of a propensity: whatever is given has to hold, and any of its values will do."""

    departments: list[str] = Field(default=[])
    categories: list[str] = Field(default=[])
    product_types: list[str] = Field(default=[])
    brands: list[str] = Field(default=[])

    @model_validator(mode="after")
    def _refuse_everything(self) -> Scope:
        if not (self.departments or self.categories or self.product_types or self.brands):
            raise ValueError("a scope needs departments, categories, product_types or brands; found none")
        return self


class Label(Strict):
    """What every propensity has."""

    label: Slug = Field(description="name in the tables")
    title: str = Field(min_length=1, description="in a marketer's words; reads on after 'the customer'")

    @property
    def model(self) -> str:
        """Return the name of its model in the registry."""
        return f"propensity_{self.label}"


class Purchase(Label):
    """``buys``: within the horizon, whoever has a basket; ``adopts``: the same for who never bought in the scope."""

    kind: Literal["buys", "adopts"]
    scope: Scope


class FirstPurchase(Label):
    """A customer who is known but never bought becomes a paying one within the horizon."""

    kind: Literal["first_purchase"]


class Return(Label):
    """A customer buys again within the horizon after ``lapse_days`` or more without a purchase."""

    kind: Literal["returns"]
    lapse_days: int = Field(gt=0)


class Attribute(Label):
    """An attribute that is recorded for some customers and guessed for the rest; it has no horizon."""

    kind: Literal["attribute"]
    attribute: str = Field(description="column of customers, or key of its attributes")
    values: list[str] = Field(min_length=1, description="recorded values that count as yes; any other is no")


class Amount(Label):
    """What a customer will spend in a scope within the horizon, or a number that is recorded for some customers."""

    kind: Literal["amount"]
    scope: Scope | None = None
    attribute: str | None = Field(default=None, description="column of customers, or key of its attributes; a number")

    @model_validator(mode="after")
    def _refuse_two_amounts(self) -> Amount:
        if (self.scope is None) == (self.attribute is None):
            raise ValueError(f"the amount {self.label} needs a scope or an attribute, and not both")
        return self


def _kind(value: Any) -> Any:
    return value.get("kind") if isinstance(value, dict) else value.kind


Propensity = Annotated[
    Annotated[Purchase, Tag("buys")]
    | Annotated[Purchase, Tag("adopts")]
    | Annotated[FirstPurchase, Tag("first_purchase")]
    | Annotated[Return, Tag("returns")]
    | Annotated[Attribute, Tag("attribute")]
    | Annotated[Amount, Tag("amount")],
    Discriminator(_kind),
]


class Propensities(Strict):
    """What each customer is asked about every night; a label is a few lines."""

    labels: list[Propensity] = Field(default=[])

    @field_validator("labels")
    @classmethod
    def _refuse_twins(cls, labels: list[Propensity]) -> list[Propensity]:
        names = [label.label for label in labels]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"labels given twice: {twice}")
        return labels

    @property
    def scopes(self) -> dict[str, Scope]:
        """Return the scopes by label, of those that have one."""
        scoped = (label for label in self.labels if isinstance(label, Purchase | Amount))
        return {label.label: label.scope for label in scoped if label.scope is not None}

    @property
    def attributes(self) -> list[Attribute | Amount]:
        """Return the labels that the CRM records for some customers; they have no horizon."""
        return [label for label in self.labels if is_recorded(label)]


def is_recorded(asked: Propensity) -> TypeGuard[Attribute | Amount]:
    """Tell whether the CRM records the label for some customers."""
    return isinstance(asked, Attribute) or (isinstance(asked, Amount) and asked.attribute is not None)
