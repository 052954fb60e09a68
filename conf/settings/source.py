"""Settings of a source, one file per CRM: its exports, and how they become the canonical model."""

from __future__ import annotations

from datetime import date
from typing import Literal

from pydantic import Field, model_validator

from conf.settings.strict import Share, Slug, Strict


class Csv(Strict):
    """Dialect of a CSV export."""

    delimiter: str = Field(default=",", min_length=1, max_length=1)
    quote: str = Field(default='"', min_length=1, max_length=1)
    encoding: str = Field(default="utf-8", description="name of a Python codec")
    nulls: list[str] = Field(default=[""], description="tokens that mean: no value")


class Export(Strict):
    """One kind of file the CRM drops, under ``exports/<path>``; ``{date}`` is the day of the drop."""

    path: str = Field(description="glob with {date}, relative to the export folder")
    format: Literal["csv", "jsonl", "parquet"]
    schedule: str = Field(
        pattern=r"^(daily|weekly:(mon|tue|wed|thu|fri|sat|sun)|monthly:([1-9]|1\d|2[0-8])|optional)$",
        description="when a file must be there; optional: whenever there is something to tell",
    )
    columns: list[str] = Field(min_length=1, description="the contract: exactly these columns, in any order")
    csv: Csv = Csv()
    skipped_days: list[str] = Field(
        default=[], description="days without this file, by agreement: MM-DD of every year, or YYYY-MM-DD"
    )
    may_be_empty: bool = Field(default=False, description="a file with no row is no fault")
    max_bytes: int = Field(default=4 << 30, gt=0, description="largest size of a file, decompressed, in bytes")


class Part(Strict):
    """One export that feeds a table; ``snapshot`` replaces all that came before, ``upsert`` merges by key."""

    export: str
    mode: Literal["snapshot", "upsert"] = "upsert"
    where: str | None = Field(default=None, description="Spark SQL condition on the export's columns")
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

    @model_validator(mode="after")
    def _complete_is_a_snapshot(self) -> SourceTable:
        if self.complete and all(part.mode != "snapshot" for part in self.parts):
            raise ValueError("complete: no part is a snapshot, so that nobody ever leaves the table")
        return self


class Consent(Strict):
    """Whether the source records consent, and what silence means."""

    recorded: bool
    assume: Literal["granted", "refused"] = "refused"
    why: str = Field(default="", description="reason for the assumption, shown in the report")


class LifeStage(Strict):
    """A stage of life, by a rule on what a customer says or buys; the first that holds counts."""

    title: str
    where: str = Field(
        description="Spark SQL condition on age_band, income_band, household_size, attributes (a map) and leans: "
        "category -> share of the customer's purchases over the base's share"
    )
    basis: Literal["recorded", "baskets"] = "recorded"


class Source(Strict):
    """A CRM: where its exports lie and how they become the canonical model."""

    name: Slug
    title: str
    timezone: str = Field(description="IANA zone of the business day")
    currency: str = Field(min_length=3, max_length=3)
    history_starts: date = Field(description="day of the first drop")
    closed_days: list[str] = Field(default=[], description="days without drops: MM-DD of every year, or YYYY-MM-DD")
    consent: Consent
    exports: dict[Slug, Export]
    tables: dict[str, SourceTable]
    life_stages: list[LifeStage] = Field(default=[])
