"""What holds for every command: nobody else may read what it writes."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from conf.settings.load import DEFAULT
from conf.settings.schema import Settings
from jobs import cli


@pytest.fixture(autouse=True)
def _umask() -> Iterator[None]:
    before = os.umask(0o022)
    yield
    os.umask(before)


def modes(folder: Path) -> set[str]:
    return {f"{path.stat().st_mode & 0o777:o}" for path in [folder, *folder.rglob("*")]}


def test_files_and_folders_are_the_owners_alone(settings: Settings, tmp_path: Path) -> None:
    assert cli.main(["status"]) == 0
    Path(settings.home, "outbox").mkdir(parents=True)
    Path(settings.home, "outbox", "file.csv").write_text("c0001")
    assert modes(Path(settings.home)) == {"700", "600"}


def test_a_group_may_read_where_the_settings_say_so(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    conf = tmp_path / "conf" / "nbo.yml"
    shutil.copytree(DEFAULT.parent, conf.parent, ignore=shutil.ignore_patterns("*.py", "__pycache__"))
    conf.write_text(conf.read_text().replace("readable_by: owner", "readable_by: group"))
    assert cli.main(["status", "--conf", str(conf)]) == 0
    Path(settings.home, "outbox").mkdir(parents=True)
    Path(settings.home, "outbox", "file.csv").write_text("c0001")
    assert modes(Path(settings.home)) == {"750", "640"}
