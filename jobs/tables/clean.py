"""What the stage ``validate`` publishes: the canonical tables, the rows refused of them, and the checks."""

from __future__ import annotations

from conf.tables.canonical import CANONICAL
from conf.tables.runs import DATA_QUALITY
from jobs.lake.tables import LakeTable, layer

CLEAN = layer("clean", CANONICAL.items())
QUARANTINE = layer("quarantine", ((name, None) for name in CANONICAL))
QUALITY = LakeTable("quality/data_quality", DATA_QUALITY)
