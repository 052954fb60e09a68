"""A stage as a child process: it dies with its parent, stops when asked to, and its log keeps its levels."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import re
import signal
import stat
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from jobs.stages import AFRESH, Stage

log = logging.getLogger(__name__)
#: exit codes after which a retry makes no sense: configuration, data
FINAL = (2, 3)
#: characters of an error that go into Airflow's records and the alerts; the task's log has all of it
MOST_CHARACTERS = 2000
#: seconds a child gets to stop after SIGTERM
GRACE = 10
#: what a line of a stage's log begins with (``jobs.cli``), or one of Spark's
LINE = re.compile(r"(?:\d\d[:/]\S+ )+(DEBUG|INFO|WARN|WARNING|ERROR|CRITICAL|FATAL)[: ]+(.*)", re.DOTALL)
LEVELS = {"DEBUG": logging.DEBUG, "INFO": logging.INFO, "WARN": logging.WARNING, "WARNING": logging.WARNING}


def shortened(text: str) -> str:
    """Return ``text`` cut to ``MOST_CHARACTERS``, with how long it was."""
    if len(text) <= MOST_CHARACTERS:
        return text
    return f"{text[:MOST_CHARACTERS]} ... ({len(text):,} characters in all; the task's log has them)"


class StageFailed(Exception):
    """A stage's process ended badly; ``final`` says that a retry will not help."""

    def __init__(self, stage: str, code: int, message: str) -> None:
        """Keep the exit code and the message the stage gave, shortened."""
        super().__init__(f"stage {stage} ended with exit code {code}: {shortened(message)}")
        self.code = code
        self.final = code in FINAL


def command(
    stage: Stage, ds: str, conf: str | None = None, force: bool = False, retrain: bool = False, hold: bool = False
) -> list[str]:
    """Return the command line that runs ``stage`` for the night ``ds``.

    ``retrain`` trains or clusters from scratch; with ``hold`` models that pass the gate wait for approval.
    """
    line = [sys.executable, "-m", "jobs.cli", str(stage), "--ds", ds]
    line += ["--conf", conf] if conf else []
    line += ["--force"] if force else []
    line += [AFRESH[stage]] if retrain else []
    line += ["--hold"] if hold else []
    return line


def approve(conf: str | None = None) -> None:
    """Run `nbo approve` for all models that are held.

    Raises:
        subprocess.CalledProcessError: it failed; its log says why.
    """
    subprocess.run([sys.executable, "-m", "jobs.cli", "approve", *(["--conf", conf] if conf else [])], check=True)


def run_stage(
    stage: Stage, ds: str, conf: str | None = None, force: bool = False, retrain: bool = False, hold: bool = False
) -> dict[str, Any]:
    """Run a stage in a child that dies with this process, and return its manifest's summary.

    Raises:
        StageFailed: the child ended with a code other than 0.
    """
    with tempfile.TemporaryDirectory(prefix="nbo-") as folder:
        result = Path(folder, "result.json")
        environment = {**os.environ, "NBO_PARENT_PID": str(os.getpid()), "NBO_RESULT": str(result)}
        line = command(stage, ds, conf, force, retrain, hold)
        with subprocess.Popen(line, env=environment, stderr=subprocess.PIPE if _supervised() else None) as child:
            reader = threading.Thread(target=relay, args=(child.stderr,), daemon=True) if child.stderr else None
            if reader:
                reader.start()
            with _stops(child):
                code = child.wait()
            if reader:
                reader.join(GRACE)  # a grandchild may hold the other end for longer
        summary: dict[str, Any] = json.loads(result.read_text()) if result.exists() else {}
    if code != 0:
        raise StageFailed(stage, code, summary.get("error", "the process was killed; see the log above"))
    return summary


def relay(lines: IO[bytes]) -> None:
    """Log each line of a stage at the level it was written at; a traceback stands at the level of errors."""
    inside = False
    for raw in lines:
        text = raw.decode(errors="replace").rstrip()
        match = LINE.match(text)
        inside = match is None and (inside or text.startswith("Traceback ("))
        if match:
            log.log(LEVELS.get(match[1], logging.ERROR), "%s", match[2])
        elif text:
            log.log(logging.ERROR if inside else logging.INFO, "%s", text)


def _supervised() -> bool:
    """Return whether Airflow reads this process's standard error: by a socket, each line of it as an error."""
    try:
        return stat.S_ISSOCK(os.fstat(2).st_mode)
    except OSError:
        return False


@contextlib.contextmanager
def _stops(child: subprocess.Popen[bytes]) -> Iterator[None]:
    """Stop the child when this process is asked to stop (SIGTERM, "mark failed") or runs out of its time."""

    def leave(number: int, frame: Any) -> None:
        raise SystemExit(128 + number)

    main = threading.current_thread() is threading.main_thread()
    before = signal.signal(signal.SIGTERM, leave) if main else None
    try:
        yield
    except BaseException:
        child.terminate()
        try:
            child.wait(GRACE)
        except subprocess.TimeoutExpired:
            child.kill()
        raise
    finally:
        if main:
            signal.signal(signal.SIGTERM, before)
