"""Stages are started by one typed helper, die with their parent, stop when asked to, and keep their log's levels."""

from __future__ import annotations

import io
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from time import monotonic, sleep
from typing import Any

import pytest

from jobs.child import StageFailed, command, relay, run_stage
from jobs.stages import Stage


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


def test_lines_of_a_stage_keep_their_level(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    relay(
        io.BytesIO(
            b"03:07:33 INFO features 2017-12-03: started\n"
            b"26/12/01 03:07:34 WARN NativeCodeLoader: Unable to load\n"
            b"Picked up JAVA_TOOL_OPTIONS\n\n"
            b"03:07:35 ERROR orders: 3 rows\n"
            b"Traceback (most recent call last):\n  File x\nValueError: broken\n"
            b"03:07:36 WARNING late\n"
        )
    )
    assert [(record.levelname, record.getMessage()) for record in caplog.records] == [
        ("INFO", "features 2017-12-03: started"),
        ("WARNING", "NativeCodeLoader: Unable to load"),
        ("INFO", "Picked up JAVA_TOOL_OPTIONS"),
        ("ERROR", "orders: 3 rows"),
        ("ERROR", "Traceback (most recent call last):"),
        ("ERROR", "  File x"),
        ("ERROR", "ValueError: broken"),
        ("WARNING", "late"),
    ]


def test_airflow_s_socket_gets_no_line_twice(tmp_path: Path) -> None:
    """Where standard error is a socket, as under Airflow's supervisor, lines go through the log instead."""
    code = f"""
import logging, sys
import jobs.child as child_of
logging.basicConfig(filename={str(tmp_path / "log")!r}, level=logging.INFO, format="%(levelname)s %(message)s")
child = "import sys; print('03:07:33 INFO started', file=sys.stderr)"
child_of.command = lambda *a, **k: [sys.executable, "-c", child]
child_of.run_stage(child_of.Stage.FEATURES, "2017-12-03")
"""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        subprocess.run([sys.executable, "-c", code], check=True, stderr=theirs, timeout=30)
        theirs.close()
        assert ours.recv(1000) == b""
    assert (tmp_path / "log").read_text() == "INFO started\n"


PARENT = """
import sys
from jobs.child import Stage, run_stage
import jobs.child as child_of
child_of.command = lambda *a, **k: [sys.executable, "-c", {child!r}]
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
    deadline = monotonic() + 20
    while not (pid.exists() and pid.read_text()):
        assert monotonic() < deadline, "the child did not start"
        sleep(0.05)
    return parent, int(pid.read_text())


def gone(pid: int, seconds: float) -> bool:
    deadline = monotonic() + seconds
    while monotonic() < deadline:
        try:
            if Path(f"/proc/{pid}/stat").read_text().split()[2] == "Z":
                return True
            os.kill(pid, 0)
        except (ProcessLookupError, FileNotFoundError):
            return True
        sleep(0.05)
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
