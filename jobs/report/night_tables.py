"""The published tables of one night as views of DuckDB: what the report, its figures and `nbo show` read."""

from __future__ import annotations

from datetime import date
from typing import Any

import duckdb

from conf.settings.schema import Settings
from jobs.lake.lake import Lake
from jobs.stages import Stage
from jobs.tables.outcomes import OUTCOMES

Row = dict[str, Any]
#: name in queries -> table of the lake; a table that the night lacks has no view
VIEWS = {
    "offers": "scores/next_best_offer",
    "customers": "scores/customer_scores",
    "propensities": "scores/customer_propensities",
    "models": "models/model_versions",
    "compared": "models/model_comparison",
    "reliability": "models/reliability",
    "rules": "models/kpi_rules",
    "verdicts": "models/uplift_verdicts",
    "checks": "quality/data_quality",
    "profiles": "features/segment_profiles",
    "outcomes": OUTCOMES,
}


class NightTables:
    """One night's tables in the lake, and queries on them by the names of :data:`VIEWS`."""

    def __init__(self, settings: Settings, lake: Lake, day: date) -> None:
        """Open the night's published tables.

        Raises:
            DataError: the night is not scored.
        """
        lake.need(Stage.SCORE, day)
        self.settings, self.lake, self.day = settings, lake, day
        self._engine = duckdb.connect()
        for name, table in VIEWS.items():
            if lake.has(table, day):
                self._engine.register(name, lake.dataset(table, day))

    def ask(self, query: str) -> list[Row]:
        """Return the rows of a query."""
        rows: list[Row] = self._engine.sql(query).to_arrow_table().to_pylist()
        return rows

    def pairs(self, query: str) -> list[tuple[Any, int]]:
        """Return the rows of a query of a value and a count."""
        return [(row[0], int(row[1])) for row in self._engine.sql(query).fetchall()]

    def has(self, view: str) -> bool:
        """Return whether the night has the table behind a view."""
        return view in {row[0] for row in self._engine.execute("select view_name from duckdb_views()").fetchall()}
