"""What each stage publishes of itself besides tables: one declaration a stage, read by :meth:`Facts.of`.

A draft collects facts by name; ``commit`` refuses a name that is not declared here.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Self

from jobs.lake.manifest import Manifest
from jobs.stages import Stage


@dataclass(frozen=True)
class Facts:
    """Base: facts that an older version did not publish have their defaults."""

    @classmethod
    def of(cls, manifest: Manifest | None) -> Self:
        """Return the facts of ``manifest``; the defaults without one."""
        published = manifest.facts if manifest else {}
        return cls(**{one.name: published[one.name] for one in fields(cls) if one.name in published})


@dataclass(frozen=True)
class IngestFacts(Facts):
    """``since``: the night before, None on the first; ``files``, ``rejected``, ``erased`` (rows refused): by export."""

    since: str | None = None
    ingested_at: str = ""
    files: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    rejected: dict[str, Any] = field(default_factory=dict)
    erased: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class ValidateFacts(Facts):
    """``new_rows``: table -> day -> rows; ``quarantined``: table -> rule -> rows; ``data_docs``: within the home.

    ``values_set_aside``: table -> column -> rows; ``left_out``: table -> ``_out`` of its rows -> rows;
    ``consents_in_doubt``: what is in doubt -> rows; ``accounts``: table -> what became of its rows and money.
    """

    since: str | None = None
    new_rows: dict[str, dict[str, int]] = field(default_factory=dict)
    quarantined: dict[str, dict[str, int]] = field(default_factory=dict)
    quarantined_rows: int = 0
    values_set_aside: dict[str, dict[str, int]] = field(default_factory=dict)
    left_out: dict[str, dict[str, int]] = field(default_factory=dict)
    consents_in_doubt: dict[str, int] = field(default_factory=dict)
    accounts: dict[str, dict[str, Any]] = field(default_factory=dict)
    data_docs: str = ""


@dataclass(frozen=True)
class CatalogueFacts(Facts):
    """``method``: the text that is compared and the settings; ``index``: None where no product has a title."""

    skipped: dict[str, str] = field(default_factory=dict)
    reclustered: bool = False
    refused: list[str] = field(default_factory=list)
    method: str = ""
    index: dict[str, Any] | None = None
    clusters: int = 0
    sharing: int = 0


@dataclass(frozen=True)
class FeatureFacts(Facts):
    """``items["made_on"]``: night of the tables of products; ``segments``: what was fitted; ``als``: its settings."""

    skipped: dict[str, str] = field(default_factory=dict)
    items: dict[str, str] = field(default_factory=dict)
    segments: dict[str, Any] = field(default_factory=dict)
    als: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class ScoreFacts(Facts):
    """Counts of customers and offers (:func:`scoring.sanity.summary`), what was left out, and what scores rest on."""

    customers: int = 0
    short_lists: int = 0
    cold_customers: int = 0
    control_customers: int = 0
    control_share: float = 0.0
    contactable_customers: int = 0
    discoveries: int = 0
    blocked: dict[str, int] = field(default_factory=dict)
    offers_by_kind: dict[str, int] = field(default_factory=dict)
    offers_by_source: dict[str, int] = field(default_factory=dict)
    removed: dict[str, int] = field(default_factory=dict)
    restricted: dict[str, list[str]] = field(default_factory=dict)
    models: dict[str, str] = field(default_factory=dict)
    offers: dict[str, Any] = field(default_factory=dict)
    characteristics: list[str] = field(default_factory=list)
    needs: dict[str, Any] = field(default_factory=dict)
    decisions: dict[str, Any] = field(default_factory=dict)
    skipped: dict[str, str] = field(default_factory=dict)
    skipped_look_alikes: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class PublishFacts(Facts):
    """``rows``: published table -> rows loaded; ``database``: what it is and where, without a password."""

    rows: dict[str, int] = field(default_factory=dict)
    database: str = ""


@dataclass(frozen=True)
class SegmentsFacts(Facts):
    """The delivery's manifest, its ``folder`` and the number of contacts ``recorded``."""

    ds: str = ""
    source: str = ""
    scores_content: str = ""
    live: bool = False
    note: str = ""
    files: list[dict[str, Any]] = field(default_factory=list)
    folder: str = ""
    recorded: int = 0


@dataclass(frozen=True)
class MeasureFacts(Facts):
    """``measured``: night whose offers were measured -> content of its scores."""

    measured: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class ReportFacts(Facts):
    """``report``: its file; ``bytes``: its size."""

    report: str = ""
    bytes: int = 0


DECLARED: dict[Stage, type[Facts]] = {
    Stage.INGEST: IngestFacts,
    Stage.VALIDATE: ValidateFacts,
    Stage.CATALOGUE: CatalogueFacts,
    Stage.FEATURES: FeatureFacts,
    Stage.SCORE: ScoreFacts,
    Stage.PUBLISH: PublishFacts,
    Stage.SEGMENTS: SegmentsFacts,
    Stage.MEASURE: MeasureFacts,
    Stage.REPORT: ReportFacts,
}


def check_names(stage: Stage, facts: Mapping[str, Any] | Collection[str]) -> None:
    """Refuse facts that ``stage`` does not declare.

    Raises:
        ValueError: there are some.
    """
    if stage not in DECLARED:  # what a training publishes is declared with its models
        return
    declared = {one.name for one in fields(DECLARED[stage])}
    if unknown := sorted(set(facts) - declared):
        raise ValueError(f"stage {stage} publishes undeclared facts {unknown}; add them to jobs/lake/facts.py")
