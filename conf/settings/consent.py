"""Settings of a source on whom it may concern: consent, and how customers' keys are written."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from conf.settings.strict import Strict
from conf.tables.consent_words import CHANNELS, GRANTED, PURPOSES, REFUSED, letters, spellings

#: what exports write where there is no customer
PLACEHOLDERS = """0 -1 n/a na #n/a nan none null nil unknown undefined unspecified - -- --- . ? anonymous guest
    no_customer not_set empty missing default test неизвестно неизвестен нет нет_данных не_указан не_указано гость
    аноним unbekannt inconnu"""
#: what stands in the place of a key where a line sums up the others
TOTALS = """total totals grand_total subtotal sub-total sum summe gesamt gesamtsumme zwischensumme итого итог всего
    общий_итог total_général totale suma razem toplam"""


class Ids(Strict):
    """One rule on keys, applied in every table alike.

    Blanks around a key (no-break and zero-width ones too) and the ``.0`` of a number never count.
    """

    columns: list[str] = Field(default=["customer_id"], description="keys whose case and leading zeros are unified")
    case: Literal["keep", "lower", "upper"] = "keep"
    leading_zeros: Literal["keep", "strip"] = "keep"
    placeholders: list[str] = Field(default=[], description="further values that mean: no customer")
    customers: list[str] = Field(default=[], description="values among the usual placeholders that are customers here")
    totals: list[str] = Field(default=[], description="further words that mark a line of totals")

    def no_customer(self) -> frozenset[str]:
        """Return, in lower case, the values that are no customer; the empty one is always none."""
        usual = _listed(PLACEHOLDERS)
        return frozenset((usual | {_plain(v) for v in self.placeholders}) - {_plain(v) for v in self.customers})

    def total_words(self) -> frozenset[str]:
        """Return, in lower case, the words that mark a line of totals."""
        return frozenset(_listed(TOTALS) | {_plain(value) for value in self.totals})


class Consent(Strict):
    """Whether the source records consent, what silence means, and the source's own spellings."""

    recorded: bool
    assume: Literal["granted", "refused"] = "refused"
    why: str = Field(default="", description="reason for the assumption, shown in the report")
    channels: dict[str, str] = Field(default={}, description="the source's spelling: channel")
    purposes: dict[str, str] = Field(default={}, description="the source's spelling: purpose")
    granted: list[str] = Field(default=[], description="further values that mean: may be contacted")
    refused: list[str] = Field(default=[], description="further values that mean: may not be contacted")

    @model_validator(mode="after")
    def _declared_words(self) -> Consent:
        self.channel_words()
        self.purpose_words()
        if both := sorted({letters(v) for v in self.granted} & {letters(v) for v in self.refused}):
            raise ValueError(f"granted and refused: {', '.join(both)} stands in both")
        return self

    def channel_words(self) -> dict[str, str]:
        """Return spelling -> channel."""
        return spellings(CHANNELS, self.channels)

    def purpose_words(self) -> dict[str, str]:
        """Return spelling -> purpose."""
        return spellings(PURPOSES, self.purposes)

    def decision_words(self) -> dict[str, bool]:
        """Return spelling -> whether it grants; a spelling of the source's own wins, and a refusal over a grant."""
        words = {letters(value): True for value in GRANTED.split()} | {letters(v): False for v in REFUSED.split()}
        return words | {letters(v): True for v in self.granted} | {letters(v): False for v in self.refused}


def _listed(words: str) -> set[str]:
    return {word.replace("_", " ") for word in words.split()}


def _plain(value: str) -> str:
    return value.strip().lower()
