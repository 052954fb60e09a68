"""Settings of a source, one file per CRM: its exports, and how they become the canonical model."""

from __future__ import annotations

from datetime import date
from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from conf.settings.consent import Consent, Ids
from conf.settings.expand import expanded
from conf.settings.exports import ORIGIN, Day, Export as Export, Weekday, zone
from conf.settings.expressions import identifiers
from conf.settings.strict import Share, Slug, Strict


class Part(Strict):
    """One export that feeds a table; ``snapshot`` replaces all that came before, ``upsert`` merges by key."""

    export: str
    mode: Literal["snapshot", "upsert"] = "upsert"
    where: str | None = Field(default=None, description="Spark SQL condition on the export's columns")
    deleted_when: str | None = Field(
        default=None, description="Spark SQL condition: such a row withdraws what came before under its key"
    )
    later_replaces: bool = Field(
        default=False, description="of one key twice in a delivery the later row counts; else both are lines"
    )
    replaces: Literal["row", "order", "day"] = Field(
        default="row", description="what a later delivery replaces whole: the row of its key, its order or its day"
    )
    columns: dict[str, str] = Field(description="canonical column: Spark SQL expression over the export")


class SourceTable(Strict):
    """How a canonical table is made from exports, and how much bad data it bears."""

    parts: list[Part] = Field(min_length=1)
    personal: list[str] = Field(
        default=[], description="further canonical columns whose values are never logged or shown"
    )
    max_rejected: Share = Field(default=0.01, description="share of a night's rows that may be quarantined")
    max_volume_change: float = Field(
        3.0, gt=1, description="a night's rows against the median of recent nights, as a factor up or down"
    )
    references: dict[str, Share] = Field({}, description="column: least share of its values found in its table")
    complete: bool = Field(
        default=False, description="of customers: its snapshots hold all there are; whoever is missing is not contacted"
    )

    @property
    def names_who_is_gone(self) -> bool:
        """Say whether a customer who is not in the table is none any more, so that nobody contacts them."""
        return self.complete or any(part.deleted_when for part in self.parts)

    @model_validator(mode="after")
    def _complete_is_a_snapshot(self) -> SourceTable:
        if self.complete and all(part.mode != "snapshot" for part in self.parts):
            raise ValueError("complete: no part is a snapshot, so that nobody ever leaves the table")
        return self


class LifeStage(Strict):
    """A stage of life, by a rule on what a customer says or buys; the first that holds counts."""

    title: str
    where: str = Field(
        description="Spark SQL condition on age_band, income_band, household_size, attributes (a map) and lifts: "
        "category -> share of the customer's purchases over the base's share"
    )
    basis: Literal["recorded", "baskets"] = "recorded"


class Source(Strict):
    """A CRM: where its exports lie and how they become the canonical model."""

    name: Slug
    title: str = Field(description="default: the name")
    timezone: str = Field(description="IANA zone of the business day")
    currency: str = Field(pattern=r"^[A-Z]{3}$", description="ISO 4217 code")
    history_starts: date = Field(description="day of the first drop")
    closed_days: list[Day] = Field(default=[], description="days without drops: MM-DD of every year, or YYYY-MM-DD")
    closed_weekdays: list[Weekday] = Field(default=[], description="weekdays without drops")
    consent: Consent = Field(description="default: recorded where there is a table of consents, else refused")
    ids: Ids = Field(default=Ids(), description="how keys are unified, in every table alike")
    exports: dict[Slug, Export]
    tables: dict[str, SourceTable]
    life_stages: list[LifeStage] = Field(default=[])

    @model_validator(mode="before")
    @classmethod
    def _fill_in(cls, raw: Any) -> Any:
        """Give title, consent, the columns of exports and usual expressions, where they are left out."""
        if not isinstance(raw, dict):
            return raw
        tables, exports = raw.get("tables"), raw.get("exports")
        raw = {"title": raw.get("name"), **raw}
        if "consent" not in raw:
            raw["consent"] = {"recorded": isinstance(tables, dict) and "consents" in tables}
        if isinstance(exports, dict) and isinstance(tables, dict):
            raw["tables"] = tables = expanded(tables, exports, str(raw.get("timezone")))
            raw["exports"] = {name: _with_columns(name, export, tables) for name, export in exports.items()}
        return raw

    @field_validator("timezone")
    @classmethod
    def _a_zone(cls, value: str) -> str:
        return zone(value)

    @field_validator("currency")
    @classmethod
    def _no_test_code(cls, value: str) -> str:
        if value in ("XXX", "XTS"):
            raise ValueError(f"{value} stands for no currency; give the ISO 4217 code of the money in the exports")
        return value


def _with_columns(name: str, export: Any, tables: dict[Any, Any]) -> Any:
    """Return an export with the columns that the mapping reads, where it declares none."""
    if not isinstance(export, dict) or export.get("columns"):
        return export
    parts = [part for table in tables.values() if isinstance(table, dict) for part in table.get("parts") or []]
    mine = [part for part in parts if isinstance(part, dict) and part.get("export") == name]
    texts = [text for part in mine for text in _expressions(part)]
    named = [*(name for text in texts for name in identifiers(text)), *(export.get("headers") or {})]
    read = list({name.lower(): name for name in reversed(named) if name.lower() not in ORIGIN}.values())[::-1]
    return {"other_columns": "ignore", **export, "columns": read} if read else export


def _expressions(part: dict[Any, Any]) -> list[str]:
    """Return every expression of a part: its columns, and conditions such as ``where``."""
    columns = part.get("columns")
    conditions = [value for key, value in part.items() if key == "where" or key.endswith("_when")]
    values = [*columns.values(), *conditions] if isinstance(columns, dict) else conditions
    return [str(value) for value in values if isinstance(value, str)]
