"""``nbo quarantine``: what was set aside, by night and rule, and the rows."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pyarrow as pa
import pytest

from conf.errors import ConfigError, DataError
from conf.settings.schema import Settings
from jobs.cli import parser
from jobs.commands.quarantine import command
from jobs.lake.lake import Lake
from jobs.lake.manifest import Manifest
from jobs.stages import Stage

DAY = date(2025, 3, 2)


def run(settings: Settings, capsys: pytest.CaptureFixture[str], *words: str) -> str:
    assert command(settings, parser().parse_args(["quarantine", *words])) == 0
    return capsys.readouterr().out


@pytest.fixture
def home(settings: Settings, tmp_path: Path) -> Settings:
    lake = Lake(str(tmp_path / "lake"))
    with lake.draft(Stage.VALIDATE, DAY) as draft:
        rows = [
            {"rule": rule, "reason": "[amount] is no number", "_file": "o.csv", "_row": n, "_ds": DAY, "raw": raw}
            for n, (rule, raw) in enumerate([("cast:amount", '{"sku":"A"}'), ("total_line", None)], 1)
        ]
        draft.arrow("quarantine/order_lines", pa.Table.from_pylist(rows))
        draft.facts["quarantined"] = {"order_lines": {"cast:amount": 1, "total_line": 1200}, "customers": {}}
        draft.commit(Manifest(stage="validate", ds=str(DAY), version=""))
    return settings.model_copy(update={"lake": str(tmp_path / "lake")})


def test_rules_are_listed_by_night(home: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    said = run(home, capsys, "list")
    assert said.index("total_line") < said.index("cast:amount")  # the most first
    assert "1,200" in said


def test_rows_of_a_rule_are_shown_as_they_came(home: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    said = run(home, capsys, "show", "order_lines", "--rule", "cast:amount")
    assert '{"sku":"A"}' in said
    assert "[amount] is no number" in said
    assert "1 of 1 rows" in said


def test_what_is_not_there_is_named(home: Settings, settings: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ConfigError, match="name the table"):
        run(home, capsys, "show")
    with pytest.raises(DataError, match="has no table quarantine/needs"):
        run(home, capsys, "show", "needs")
    with pytest.raises(DataError, match="no night is validated yet"):
        run(settings, capsys, "show", "needs")
    assert "no row is in quarantine" in run(settings, capsys, "list")
