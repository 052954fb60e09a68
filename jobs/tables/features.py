"""What the stage ``features`` publishes."""

from __future__ import annotations

from conf.tables.features import FEATURES as DECLARED
from jobs.lake.tables import layer

FEATURES = layer("features", DECLARED.items())
