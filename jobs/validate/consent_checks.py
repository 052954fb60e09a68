"""What of the night's consents is in doubt, is lost, or names nobody: counted, and reported in words.

Whatever is in doubt counts as refused already (see :mod:`features.canonical.consents`). A refusal that names no
customer cannot be held to, so that it stops the night, however few there are.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass

from features.canonical.mapping import TOTAL
from jobs.lake.lake import Lake
from jobs.lake.manifest import TableVersion
from jobs.validate.measure_tables import engine_of
from jobs.validate.stage_rows import Staged

log = logging.getLogger(__name__)
#: what becomes of each doubt
REMEDY = {
    "unknown channel": "counts for all channels in a refusal and for none in a grant; declare it in consent.channels",
    "unknown purpose": "counts for all purposes in a refusal and for none in a grant; declare it in consent.purposes",
    "unreadable decision": "counts as refused; declare it in consent.granted or consent.refused",
    "unreadable moment": "counts as refused from the day of its drop; declare the format of the moment",
    "unknown customer": "a refusal counts for whoever the key may mean; declare under ids how keys are written",
}


@dataclass(frozen=True)
class ConsentDoubts:
    """Rows in doubt by what is in doubt, of ``rows`` that came."""

    rows: int
    doubts: dict[str, int]

    def warn(self, day: object) -> None:
        """Say in the log what is in doubt."""
        for doubt, rows in self.doubts.items():
            if rows:
                log.warning("validate %s: consents: %s row(s) with an %s: %s", day, f"{rows:,}", doubt, REMEDY[doubt])


def refusals_lost(lake: Lake, staged: Staged) -> int:
    """Count the refusals that name no customer, and the rows that could not be read at all."""
    rejected = [row for row, fault in staged.rejected.items() if fault.rule != TOTAL]
    if not rejected:
        return staged.malformed
    with engine_of(lake, staged) as engine:
        engine.execute("create temp table lost (_id bigint)")
        engine.executemany("insert into lost values (?)", [[row] for row in rejected])
        counted = engine.execute("select count(*) from staged semi join lost using (_id) where not granted").fetchone()
    return staged.malformed + (int(counted[0]) if counted else 0)


def consent_doubts(lake: Lake, staged: Staged, versions: Mapping[str, TableVersion]) -> ConsentDoubts:
    """Count what is in doubt in the night's consents.

    Args:
        lake: where the rows are.
        staged: the night's consents, checked.
        versions: the night's clean tables; whoever stands in one of them is known.
    """
    doubts = dict.fromkeys(REMEDY, 0)
    with engine_of(lake, staged) as engine:
        for said, rows in engine.execute(
            "select _doubt, count(*) from accepted where _doubt <> '' group by 1"
        ).fetchall():
            for doubt in said.split(", "):
                doubts[doubt] += rows
        engine.execute("create temp table known (customer_id varchar)")
        for name in ("customers", "order_lines"):
            if name in versions:
                engine.register("clean", lake.arrow_files(versions[name].files))
                engine.execute("insert into known select distinct customer_id from clean").fetchall()
                engine.unregister("clean")
        unknown = engine.execute("select count(*) from accepted anti join known using (customer_id)").fetchone()
        doubts["unknown customer"] = int(unknown[0]) if unknown else 0
    return ConsentDoubts(staged.rows, doubts)
