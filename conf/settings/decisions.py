"""Typed schema of what is decided for the whole base: actions, how many a customer gets, and limits over all."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from conf.settings.strict import Slug, Strict


class Action(Strict):
    """What can be done for a customer: an offer of a kind, or something that is no product."""

    name: Slug
    title: str
    offers: Literal["repeat", "discovery", "coupon"] | None = Field(
        None, description="whose offers it carries: types bought before, never bought, or coupons; null: none"
    )
    places: int = Field(default=1, gt=0, le=10, description="offers of the kind that are considered, the best")
    where: str = Field(default="true", description="SQL condition on the night's customer_scores: whom it is for")
    adds: str | None = Field(None, description="assumption, without offers: SQL of the margin that the contact adds")
    cost: float = Field(ge=0, description="assumption: cost of one contact, in the source's currency")

    @model_validator(mode="after")
    def _has_one_value(self) -> Action:
        if (self.offers is None) == (self.adds is None):
            raise ValueError(f"action {self.name} needs `offers`, or `adds` where it carries none; exactly one of them")
        return self


class DecisionLimit(Strict):
    """A limit over all customers: of contacts, or of what they are expected to cost."""

    name: str
    actions: list[Slug] = Field(default=[], description="actions it counts; empty: all")
    of: Literal["contacts", "cost"] = "contacts"
    most: float | None = Field(None, ge=0, description="at most so many, or so much")
    most_share: float | None = Field(None, ge=0, description="the same per customer of the night")
    least: float | None = Field(None, gt=0, description="at least so many, or so much")
    report_only: bool = Field(default=False, description="true: it is shown and not kept")

    @model_validator(mode="after")
    def _is_one_bound(self) -> DecisionLimit:
        if sum(bound is not None for bound in (self.most, self.most_share, self.least)) != 1:
            raise ValueError(f"limit {self.name!r} needs exactly one of `most`, `most_share`, `least`")
        return self


class Decisions(Strict):
    """Whom to contact tonight and with what; no actions: nothing is decided."""

    per_customer: int = Field(default=1, gt=0, le=8, description="actions of a customer in a night")
    actions: list[Action] = Field(default=[])
    limits: list[DecisionLimit] = Field(default=[])

    @model_validator(mode="after")
    def _names_agree(self) -> Decisions:
        names = [action.name for action in self.actions]
        faults = [f"action {name} is declared twice" for name in sorted({n for n in names if names.count(n) > 1})]
        for limit in self.limits:
            faults += [
                f"limit {limit.name!r}: there is no action {name}; have {', '.join(names)}"
                for name in limit.actions
                if name not in names
            ]
        if (places := sum(action.places for action in self.actions)) > 64:
            faults.append(f"the actions have {places} places in all; at most 64")
        if faults:
            raise ValueError("; ".join(faults))
        return self
