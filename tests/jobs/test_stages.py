"""Stages are started by one typed helper, die with their parent, and stop when asked to."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from jobs.stages import Stage, StageFailed, command, night_of, run_stage


def test_command_line() -> None:
    line = command(Stage.TRAIN, "2017-12-03", conf="my.yml", force=True, retrain=True)
    assert line[0] == sys.executable
    assert " ".join(line[1:]) == "-m jobs.cli train --ds 2017-12-03 --conf my.yml --force --retrain"
    assert command(Stage.TRAIN, "2017-12-03", retrain=True, hold=True)[-2:] == ["--retrain", "--hold"]
    assert command(Stage.INGEST, "2017-12-03")[1:] == ["-m", "jobs.cli", "ingest", "--ds", "2017-12-03"]


def test_failure_carries_the_stage_s_own_message(settings: Any) -> None:
    with pytest.raises(StageFailed, match="the night 2017-12-03 has no published") as caught:
        run_stage(Stage.PUBLISH, "2017-12-03")
    assert caught.value.code == 3
    assert caught.value.final


def context(run_type: str = "manual", **values: Any) -> dict[str, Any]:
    run = SimpleNamespace(run_type=run_type, run_after=datetime(2017, 12, 5, 3, tzinfo=UTC))
    return {"params": {"run_date": None, "timezone": "America/New_York"}, "dag_run": run, **values}


def test_the_parameter_wins() -> None:
    asked = context(logical_date=datetime(2017, 1, 1, tzinfo=UTC))
    asked["params"]["run_date"] = "2017-12-03"
    assert night_of(asked) == "2017-12-03"


def test_a_wrong_parameter_is_refused() -> None:
    asked = context()
    asked["params"]["run_date"] = "{{ ds }}"
    with pytest.raises(ValueError, match="Invalid isoformat"):
        night_of(asked)


def test_manual_run_takes_its_logical_date_and_a_scheduled_one_its_interval() -> None:
    dates = {
        "logical_date": datetime(2017, 12, 4, 15, tzinfo=UTC),
        "data_interval_start": datetime(2017, 12, 3, 15, tzinfo=UTC),
    }
    assert night_of(context("manual", **dates)) == "2017-12-04"
    assert night_of(context("scheduled", **dates)) == "2017-12-03"
    assert night_of(context("backfill", **dates)) == "2017-12-03"


def test_a_run_without_dates_takes_the_last_complete_local_day() -> None:
    # 03:00 UTC on the 5th is still the 4th in New York, so the 3rd is the last complete day
    assert night_of(context("asset_triggered", logical_date=None)) == "2017-12-03"


PARENT = """
import sys
from jobs.stages import Stage, run_stage
import jobs.stages as stages
stages.command = lambda *a, **k: [sys.executable, "-c", {child!r}]
run_stage(Stage.FEATURES, "2017-12-03")
"""
CHILD = """
import os, time
from jobs.cli import _die_with_parent
_die_with_parent()
open({pid!r}, "w").write(str(os.getpid()))
time.sleep(60)
"""


def start(tmp_path: Path) -> tuple[subprocess.Popen[bytes], int]:
    pid = tmp_path / "pid"
    parent = subprocess.Popen([sys.executable, "-c", PARENT.format(child=CHILD.format(pid=str(pid)))])
    deadline = time.monotonic() + 20
    while not (pid.exists() and pid.read_text()):
        assert time.monotonic() < deadline, "the child did not start"
        time.sleep(0.05)
    return parent, int(pid.read_text())


def gone(pid: int, seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            if Path(f"/proc/{pid}/stat").read_text().split()[2] == "Z":
                return True
            os.kill(pid, 0)
        except (ProcessLookupError, FileNotFoundError):
            return True
        time.sleep(0.05)
    return False


def test_child_dies_with_a_killed_parent(tmp_path: Path) -> None:
    parent, child = start(tmp_path)
    os.kill(parent.pid, signal.SIGKILL)
    parent.wait()
    assert gone(child, 5)


def test_sigterm_stops_the_child_and_exits_143(tmp_path: Path) -> None:
    parent, child = start(tmp_path)
    parent.terminate()
    assert parent.wait(10) == 143
    assert gone(child, 1)
