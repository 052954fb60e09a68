"""The packaging holds: each room is one package, imported by its own name, and nothing bends the import path."""

from __future__ import annotations

import importlib
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ROOMS = ["conf", "expectations", "features", "jobs", "scoring", "training"]


@pytest.mark.parametrize("room", ROOMS)
def test_room_is_imported_from_the_checkout(room: str) -> None:
    assert Path(str(importlib.import_module(room).__file__)).parent == ROOT / room


def test_nothing_touches_the_import_path() -> None:
    # the sources of the rooms, not these tests, which must name the thing to look for
    needle = "sys." + "path"
    own = [file for room in [*ROOMS, "dags", "bench"] for file in (ROOT / room).rglob("*.py")]
    assert own
    assert [str(file) for file in own if needle in file.read_text()] == []


def test_tests_and_dags_are_no_packages() -> None:
    assert [str(file) for room in ("tests", "dags", "bench") for file in (ROOT / room).rglob("__init__.py")] == []


@pytest.mark.slow
def test_wheel_holds_the_rooms_and_their_files(tmp_path: Path) -> None:
    build = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "-w", str(tmp_path)]
    subprocess.run([*build, str(ROOT)], check=True, capture_output=True, timeout=120)
    (wheel,) = tmp_path.glob("nbo-*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.split("/")[0] for name in names if not name.startswith("nbo-")} == set(ROOMS)
    assert "conf/nbo.yml" in names
    assert "conf/sources/complete_journey.yml" in names
