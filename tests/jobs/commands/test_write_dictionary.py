"""The data dictionary follows the declarations."""

from __future__ import annotations

from pathlib import Path

import pytest

from conf.tables.canonical import CANONICAL
from conf.tables.features import FEATURES
from jobs import cli
from jobs.commands import write_dictionary
from training.tables import PUBLISHED


def test_the_shipped_dictionary_is_up_to_date() -> None:
    text = write_dictionary.TARGET.read_text(encoding="utf-8")
    assert text == write_dictionary.dictionary(), "run `nbo dictionary`"


def test_every_column_of_every_table_is_told() -> None:
    text = write_dictionary.dictionary()
    for title, tables in (("Published tables", PUBLISHED), ("Features", FEATURES), ("Canonical model", CANONICAL)):
        layer = text.split(f"\n## {title}\n")[1].split("\n## ")[0]
        for table in tables.values():
            section = layer.split(f"\n### {table.name}\n")[1].split("\n### ")[0]
            actual = [line.split("`")[1] for line in section.splitlines() if line.startswith("| `")]
            assert actual == list(table.names)
    assert "| `email` | string | yes | e-mail address (personal) |" in text


def test_check_tells_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(write_dictionary, "TARGET", tmp_path / "data-dictionary.md")
    assert cli.main(["dictionary", "--check"]) == 1
    assert "out of date; run `nbo dictionary`" in capsys.readouterr().out
    assert cli.main(["dictionary"]) == 0
    assert cli.main(["dictionary", "--check"]) == 0
