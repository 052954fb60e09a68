"""A CRM of one export, read by the stage itself."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from conf.settings.load import load
from conf.settings.schema import Settings
from conf.settings.source import Source
from jobs.ingest import ingest
from jobs.lake.lake import Lake

FIRST = date(2026, 3, 2)  # a Monday
ORIGIN = ["_file", "_row", "_ds"]


class Shop:
    """A CRM whose exports lie in a folder of the test; ``changes`` of the source may be given."""

    def __init__(self, home: Path, exports: dict[str, Any], **changes: Any) -> None:
        raw = {
            "name": "shop",
            "timezone": "Europe/Berlin",
            "currency": "EUR",
            "history_starts": FIRST,
            "exports": exports,
            "tables": {},
        }
        places = {"home": str(home), "lake": str(home / "lake"), "exports": str(home / "crm")}
        self.root = home / "crm"
        self.root.mkdir(exist_ok=True)
        source = Source.model_validate({**raw, **changes})
        self.settings: Settings = load().model_copy(update={**places, "source": source})

    def put(self, name: str, content: str | bytes) -> None:
        """Leave a file in the export folder."""
        file = self.root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content.encode() if isinstance(content, str) else content)

    def night(self, number: int = 0, export: str = "orders") -> list[dict[str, Any]]:
        """Ingest the night ``number`` and return the rows of an export in the order of their files."""
        day = FIRST + timedelta(days=number)
        ingest.run(self.settings, day)
        table = Lake(self.settings.lake).arrow(f"raw/shop/{export}", day)
        rows = table.sort_by([("_file", "ascending"), ("_row", "ascending")]).to_pylist()
        return [{name: value for name, value in row.items() if name not in ORIGIN} for row in rows]

    def refused(self, number: int = 0, export: str = "orders") -> list[tuple[int, str]]:
        """Return the refused rows of a night: number and reason."""
        table = Lake(self.settings.lake).arrow(f"raw/shop/{export}__rejected", FIRST + timedelta(days=number))
        return [(row["_row"], row["reason"]) for row in table.to_pylist()]


@pytest.fixture
def shop(tmp_path: Path) -> Callable[..., Shop]:
    """Make a CRM: ``shop({"orders": {...}}, timezone=...)``."""
    return lambda exports, **changes: Shop(tmp_path, exports, **changes)
