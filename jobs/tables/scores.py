"""What the stage ``score`` publishes; past nights are measured from the two rankings."""

from __future__ import annotations

from jobs.lake.tables import layer
from training.tables import PUBLICATIONS

SCORES = layer(
    "scores",
    [
        *((one.table.name, one.table) for one in PUBLICATIONS if (one.lake or "").startswith("scores/")),
        ("product_type_ranking", None),
        ("characteristic_ranking", None),
    ],
)
