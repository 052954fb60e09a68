"""Whoever stops the server stops all that it started."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from time import monotonic, sleep

import psutil
import pytest

#: like `airflow standalone`: starts servers, one in a process group of its own, one deaf to SIGTERM, and waits
STANDALONE = """
import os, signal, subprocess, sys, time
code = "import os, sys, time; {0}; open(sys.argv[1], 'w').write(str(os.getpid())); time.sleep(60)"
deaf = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)"
for name, act in (("plain", "pass"), ("group", "os.setpgid(0, 0)"), ("deaf", deaf)):
    subprocess.Popen([sys.executable, "-c", code.format(act), os.path.join(sys.argv[1], name)])
time.sleep(60)
"""
SERVER = """
import sys
from jobs.commands.serve_airflow import serve
sys.exit(serve([sys.executable, "-c", {standalone!r}, {folder!r}], grace=2, with_parent={with_parent}))
"""


def start(folder: Path, through_parent: bool = False) -> tuple[subprocess.Popen[bytes], list[int]]:
    code = SERVER.format(standalone=STANDALONE, folder=str(folder), with_parent=through_parent)
    if through_parent:
        code = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {code!r}])"
    server = subprocess.Popen([sys.executable, "-c", code])
    files = [folder / name for name in ("plain", "group", "deaf")]
    deadline = monotonic() + 30
    while not all(file.exists() and file.read_text() for file in files):
        assert monotonic() < deadline, "the servers did not start"
        sleep(0.05)
    return server, [int(file.read_text()) for file in files]


def all_gone(pids: list[int], seconds: float = 10) -> bool:
    deadline = monotonic() + seconds
    while monotonic() < deadline:
        if not any(psutil.pid_exists(pid) and psutil.Process(pid).status() != "zombie" for pid in pids):
            return True
        sleep(0.05)
    return False


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_stopped_by_its_pid_it_leaves_nothing_behind(tmp_path: Path, number: signal.Signals) -> None:
    server, pids = start(tmp_path)
    os.kill(server.pid, number)
    assert server.wait(15) == 128 + number
    assert all_gone(pids)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="the kernel says on Linux alone that a parent died")
def test_a_killed_make_takes_the_servers_along(tmp_path: Path) -> None:
    parent, pids = start(tmp_path, through_parent=True)
    parent.kill()
    parent.wait()
    assert all_gone(pids)
