"""The night that features are built of: reads its clean layer, writes its feature tables."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

from conf.settings.schema import Settings
from conf.tables.features import FEATURES
from jobs.lake.lake import Draft, Lake
from jobs.lake.manifest import TableVersion
from jobs.tables.clean import CLEAN
from jobs.tables.features import FEATURES as FEATURE_TABLES

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class FeatureNight:
    """The clean layer of one night, and where its features go."""

    lake: Lake
    spark: SparkSession
    day: date
    draft: Draft
    settings: Settings

    @property
    def timezone(self) -> str:
        """Zone of the business day."""
        return self.settings.source.timezone

    def clean(self, name: str) -> DataFrame:
        """Read a table of the clean layer."""
        return self.lake.spark(self.spark, CLEAN[name], self.day)

    def optional(self, name: str) -> DataFrame | None:
        """Read a table of the clean layer that the source may lack."""
        return self.clean(name) if self.lake.has(CLEAN[name], self.day) else None

    def write(self, name: str, frame: DataFrame) -> TableVersion:
        """Write a feature table sorted by its key; Spark makes as many files as its size asks for."""
        key = FEATURES[name].key
        return self.draft.spark(FEATURE_TABLES[name], frame.repartition(key[0]).sortWithinPartitions(*key))

    def skip(self, name: str, why: str) -> None:
        """Note why a table cannot be built from this source."""
        log.warning("%s is not built: %s", name, why)
        self.draft.facts.setdefault("skipped", {})[name] = why
