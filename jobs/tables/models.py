"""What the stage ``train`` publishes besides models."""

from __future__ import annotations

from conf.tables.runs import KPI_RULES, MODEL_COMPARISON, MODEL_VERSIONS, UPLIFT_VERDICTS
from jobs.lake.tables import layer

MODELS = layer(
    "models",
    [
        *((table.name, table) for table in (MODEL_VERSIONS, MODEL_COMPARISON, KPI_RULES, UPLIFT_VERDICTS)),
        ("reliability", None),
    ],
)
