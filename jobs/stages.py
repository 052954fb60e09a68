"""The stages of a night, which night a DAG run means, and the one place that starts stages as child processes.

Standard library only: DAG files import this module and must stay light.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping
from datetime import date, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

log = logging.getLogger(__name__)


class Stage(StrEnum):
    """The stages in the order a night runs them; each is a subcommand of ``nbo``."""

    INGEST = "ingest"
    VALIDATE = "validate"
    CATALOGUE = "catalogue"
    FEATURES = "features"
    TRAIN = "train"
    SCORE = "score"
    PUBLISH = "publish"
    SEGMENTS = "segments"
    MEASURE = "measure"
    REPORT = "report"


#: how a stage is told to begin from scratch
AFRESH = {Stage.TRAIN: "--retrain", Stage.CATALOGUE: "--recluster"}
#: exit codes after which a retry makes no sense: configuration, data
FINAL = (2, 3)
#: seconds a child gets to stop after SIGTERM
GRACE = 10


class StageFailed(Exception):
    """A stage's process ended badly; ``final`` says that a retry will not help."""

    def __init__(self, stage: str, code: int, message: str) -> None:
        """Keep the exit code beside the message the stage gave."""
        super().__init__(f"stage {stage} ended with exit code {code}: {message}")
        self.code = code
        self.final = code in FINAL


def night_of(context: Mapping[str, Any]) -> str:
    """Return the night an Airflow run means, as an ISO date.

    It is the parameter ``run_date``; else, for a run by schedule or backfill, the day its interval starts; else the
    logical date; else (runs by API or asset, which have none) the last day that was complete when the run came up.

    Args:
        context: the task's context; ``params``, ``logical_date``, ``data_interval_start`` and ``dag_run`` are read.
    """
    params, run = context["params"], context["dag_run"]
    if params.get("run_date"):
        return date.fromisoformat(params["run_date"]).isoformat()
    moment: datetime | None = context.get("logical_date")
    if run.run_type in ("scheduled", "backfill"):
        moment = context.get("data_interval_start") or moment
    if moment is not None:
        return moment.date().isoformat()
    return (run.run_after.astimezone(ZoneInfo(params["timezone"])).date() - timedelta(days=1)).isoformat()


def tell_failure(context: Mapping[str, Any]) -> None:
    """Write one line about a failed task to the log and to ``$NBO_HOME/alerts.log``, for whoever watches that file."""
    instance = context["task_instance"]
    line = f"{instance.dag_id} {instance.run_id} task {instance.task_id} failed: {context.get('exception')}"
    log.error(line)
    if os.environ.get("NBO_HOME"):
        with Path(os.environ["NBO_HOME"], "alerts.log").open("a", encoding="utf-8") as alerts:
            alerts.write(line.replace("\n", " ") + "\n")


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
        child = subprocess.Popen(command(stage, ds, conf, force, retrain, hold), env=environment)
        with _stops(child):
            code = child.wait()
        summary: dict[str, Any] = json.loads(result.read_text()) if result.exists() else {}
    if code != 0:
        raise StageFailed(stage, code, summary.get("error", "the process was killed; see the log above"))
    return summary


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
