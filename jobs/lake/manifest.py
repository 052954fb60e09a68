"""What a stage published for a night: its tables, their files, and what they were made from."""

from __future__ import annotations

import json
import uuid
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True)
class File:
    """A Parquet file of a table; ``sum`` adds up the hashes of its rows, so the order of rows does not matter."""

    path: str
    rows: int
    bytes: int
    sum: int
    part: str | None = None


@dataclass(frozen=True)
class TableVersion:
    """What a table is on one night."""

    files: tuple[File, ...]

    @property
    def rows(self) -> int:
        """Number of rows."""
        return sum(file.rows for file in self.files)

    @property
    def bytes(self) -> int:
        """Size in bytes."""
        return sum(file.bytes for file in self.files)

    @property
    def content(self) -> str:
        """A hash of the rows, whatever their order and their files."""
        return f"{sum(file.sum for file in self.files) % 2**64:016x}"


@dataclass(frozen=True)
class Manifest:
    """What a stage published for one night: tables, facts and what they were made from.

    ``code_version`` and ``config_hash`` are of the code and the settings that the stage itself reads.
    """

    stage: str
    ds: str
    version: str
    fingerprint: str = ""
    code_version: str = ""
    config_hash: str = ""
    inputs: dict[str, str] = field(default_factory=dict)
    tables: dict[str, TableVersion] = field(default_factory=dict)
    facts: dict[str, Any] = field(default_factory=dict)
    seconds: float = 0.0
    cpu_seconds: float = 0.0
    peak_mb: float = 0.0
    written_at: str = ""

    @property
    def content(self) -> str:
        """A hash of all tables' rows, for the fingerprint of the stages that read them."""
        joined = ";".join(f"{name}={table.content}/{table.rows}" for name, table in sorted(self.tables.items()))
        return uuid.uuid5(uuid.NAMESPACE_OID, joined).hex

    def summary(self) -> dict[str, Any]:
        """What a scheduler wants to know: rows and content of every table, and which models wait for a person."""
        return {
            "stage": self.stage,
            "ds": self.ds,
            "version": self.version,
            "seconds": round(self.seconds, 1),
            "awaiting": self.facts.get("awaiting", []),
            "tables": {name: {"rows": t.rows, "content": t.content} for name, t in sorted(self.tables.items())},
        }

    def to_json(self) -> str:
        """Render for the lake."""
        return json.dumps(asdict(self), indent=1, sort_keys=True, default=str)

    @staticmethod
    def from_json(text: str) -> Manifest:
        """Read what :meth:`to_json` wrote."""
        raw = json.loads(text)
        raw["tables"] = {
            name: TableVersion(tuple(File(**file) for file in table["files"])) for name, table in raw["tables"].items()
        }
        return Manifest(**raw)
