"""Rules that the books of needs refer to what is there: made for each night, from the rows already accepted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from conf.tables.canonical import BOOK_REFERENCES
from jobs.lake.lake import Lake
from jobs.lake.manifest import Manifest
from jobs.validate.measure_tables import referenced_values
from jobs.validate.stage_rows import Staged

if TYPE_CHECKING:
    from expectations.rules import Rule


def reference_rules(lake: Lake, base: Manifest | None, name: str, staged: Mapping[str, Staged]) -> list[Rule]:
    """Return a rule for each column of table ``name`` whose values must be found in another table.

    Args:
        lake: where the staged rows and the base are.
        base: the clean layer of the night before; None where there is none.
        name: of the table.
        staged: the night's rows; the tables that ``name`` refers to are checked already.
    """
    from expectations.rules import refers_to

    rules = []
    for column, (other, key) in BOOK_REFERENCES.get(name, {}).items():
        came = staged.get(other)
        came = came if came is not None and came.rows else None
        before = base.tables.get(f"clean/{other}") if base else None
        files = before.files if before and not (came and came.snapshot) else ()
        rules.append(refers_to(column, referenced_values(lake, came, files, key), f"{other}.{key}"))
    return rules
