"""Command ``nbo airflow``: serve Airflow, and take all its processes along when it is stopped.

``airflow standalone`` starts a scheduler, a DAG processor, an API server and a triggerer, and leaves them behind, with
their ports, when it gets a SIGTERM. This process keeps them in one session and ends that session with itself.
"""

from __future__ import annotations

import argparse
import ctypes
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import psutil

from conf.settings.schema import Settings

#: seconds the servers get to close their ports and tasks after SIGTERM
GRACE = 20


def command(settings: Settings, args: argparse.Namespace) -> int:
    """Run ``nbo airflow``; the return value is ``airflow standalone``'s, or 128 and the signal that stopped it."""
    return serve([str(Path(sys.executable).parent / "airflow"), "standalone"], with_parent=args.with_parent)


def serve(line: list[str], grace: float = GRACE, with_parent: bool = False) -> int:
    """Run ``line`` until it ends or this process is asked to stop; nothing it started remains.

    Args:
        line: the command.
        grace: seconds its processes get to stop by themselves.
        with_parent: stop when the parent of this process ends, too: `make` may be killed without a word.
    """
    if with_parent and sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGTERM)  # PR_SET_PDEATHSIG
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, _leave)
    child = subprocess.Popen(line, start_new_session=True)
    try:
        return child.wait()
    except SystemExit as stop:
        return int(stop.code or 0)
    finally:
        end_session(child.pid, grace)


def end_session(session: int, grace: float) -> None:
    """End all processes of a session: SIGTERM, and SIGKILL for those that stay ``grace`` seconds."""
    members = [process for process in psutil.process_iter() if _session_of(process.pid) == session]
    for process in members:
        _quietly(process.terminate)
    _, alive = psutil.wait_procs(members, timeout=grace)
    # whoever was born meanwhile as well
    for process in {*alive, *(process for process in psutil.process_iter() if _session_of(process.pid) == session)}:
        _quietly(process.kill)


def _session_of(pid: int) -> int | None:
    try:
        return os.getsid(pid)
    except OSError:
        return None


def _quietly(act: Any) -> None:
    try:
        act()
    except psutil.NoSuchProcess:
        return


def _leave(number: int, frame: Any) -> None:
    raise SystemExit(128 + number)
