"""Which night a DAG run means, and what all tasks share: how they start a stage, fail and alert.

DAG files have to stay light, so this stands on the standard library; Airflow is imported where it is used.
"""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Mapping
from datetime import date, datetime, time, timedelta, timezone
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from jobs.child import StageFailed, run_stage, shortened
from jobs.installation import Installation, installation
from jobs.stages import Stage

log = logging.getLogger(__name__)


def night_of(context: Mapping[str, Any], place: Installation | None = None) -> str:
    """Return the night an Airflow run means, as an ISO date.

    It is the parameter ``run_date``; else the run's partition, which scheduled and back-filled nights have; else, for
    other runs by schedule or back-fill, the last local day that was complete at the run's time; else the logical date,
    if that day was complete then; else the newest complete local day that has exports.

    Args:
        context: the task's context; ``params``, ``partition_key``, ``logical_date`` and ``dag_run`` are read.
        place: the installation (default: as the environment says). A parameter ``timezone`` wins over its zone.

    Raises:
        ValueError: ``run_date`` is no date, or that day was not over in the source's zone at the run's time.
    """
    place = place or installation()
    params, run = context["params"], context["dag_run"]
    zone = ZoneInfo(params.get("timezone") or place.timezone)
    complete = run.run_after.astimezone(zone).date() - timedelta(days=1)
    if params.get("run_date"):
        asked = date.fromisoformat(params["run_date"])
        if asked > complete:
            raise ValueError(f"the night {asked} is not over in {zone}; the newest that is: {complete}")
        return asked.isoformat()
    if context.get("partition_key"):
        return date.fromisoformat(context["partition_key"]).isoformat()
    if run.run_type in ("scheduled", "backfill"):
        return complete.isoformat()
    logical: datetime | None = context.get("logical_date")
    if logical is not None:
        midnight = logical.astimezone(timezone.utc).time() == time()  # noqa: UP017 - a date without a time
        day = logical.date() if midnight else logical.astimezone(zone).date()
        if day <= complete:
            return day.isoformat()
    delivered = _newest_delivery(place.exports, complete)
    if delivered < complete:
        log.warning("there are no exports of %s in %s: the night is %s", complete, place.exports, delivered)
    return delivered.isoformat()


def _newest_delivery(exports: Path, until: date) -> date:
    """Return the newest day up to ``until`` for which ``exports`` has a folder, or ``until`` where it has none."""
    days = []
    with contextlib.suppress(OSError):
        for entry in os.scandir(exports):
            with contextlib.suppress(ValueError):
                days.append(date.fromisoformat(entry.name))
    return max((day for day in days if day <= until), default=until)


def task_defaults(retries: int, delay: timedelta, **more: Any) -> dict[str, Any]:
    """Return the arguments that all tasks of a DAG share."""
    return {"owner": "nbo", "retries": retries, "retry_delay": delay, "on_failure_callback": alert_failure, **more}


def run_task(stage: Stage, night: str, asset: Any, **options: bool) -> dict[str, Any]:
    """Run a stage as the body of a task, and let its outlet ``asset`` carry the summary.

    Raises:
        AirflowFailException: the stage failed and a retry will not help.
        StageFailed: it failed otherwise.
    """
    from airflow.sdk import get_current_context
    from airflow.sdk.exceptions import AirflowFailException

    try:
        summary = run_stage(stage, night, **options)  # type: ignore[arg-type]
    except StageFailed as failure:
        if failure.final:
            raise AirflowFailException(str(failure)) from None
        raise
    get_current_context()["outlet_events"][asset].extra = summary
    return summary


def alert_failure(context: Mapping[str, Any]) -> None:
    """Write one line about a failed task to the log and to ``$NBO_HOME/alerts.log``, for whoever watches that file."""
    instance = context["task_instance"]
    line = f"{instance.dag_id} {instance.run_id} task {instance.task_id} failed: {context.get('exception')}"
    line = shortened(line.replace("\n", " "))
    log.error(line)
    if os.environ.get("NBO_HOME"):
        file = os.open(Path(os.environ["NBO_HOME"], "alerts.log"), os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        with os.fdopen(file, "a", encoding="utf-8") as alerts:
            alerts.write(line + "\n")
