"""The stages of a night, which night a DAG run means, and what the DAGs share.

All that a DAG file needs of this project stands here, on the standard library alone, for DAG files have to stay light:
what needs more (Airflow, PyYAML, which Airflow brings, and how a stage is started) is imported where it is used.
"""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, timezone
from enum import StrEnum
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

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


#: the option that makes a stage begin from scratch
AFRESH = {Stage.TRAIN: "--retrain", Stage.CATALOGUE: "--recluster"}
#: characters of an error that go into Airflow's records and the alerts; the task's log has all of it
MOST_CHARACTERS = 2000
#: when the DAGs run where the settings do not say, in the source's zone
SCHEDULE = {"nightly": "04:00", "weekly": "0 10 * * mon", "monthly": "0 13 1 * *"}
SHIPPED = Path(__file__).parents[1] / "conf" / "nbo.yml"


def shortened(text: str) -> str:
    """Return ``text`` cut to ``MOST_CHARACTERS``, with how long it was."""
    if len(text) <= MOST_CHARACTERS:
        return text
    return f"{text[:MOST_CHARACTERS]} ... ({len(text):,} characters in all; the task's log has them)"


# --- what the DAGs take from the settings


@dataclass(frozen=True)
class Installation:
    """What DAGs need of the settings; ``conf`` checks all of them when a stage starts.

    ``nightly`` is the local time from which a night's exports are expected; ``weekly`` and ``monthly`` are cron
    expressions; all in ``timezone``, the source's.
    """

    source: str
    timezone: str
    history_starts: date
    exports: Path
    nightly: time
    weekly: str
    monthly: str

    def dag_arguments(self, **params: Any) -> dict[str, Any]:
        """Return the arguments that all DAGs share; ``params`` stand in the trigger form after the night."""
        from airflow.sdk import Param

        night = Param(None, type=["null", "string"], format="date", title="Night (YYYY-MM-DD)",
                      description=f"Last local day whose data counts, over in {self.timezone}. Empty: the newest that "
                      "is over and has exports.")  # fmt: skip
        first = self.history_starts
        return {
            # Airflow serialises this form of UTC
            "start_date": datetime(first.year, first.month, first.day, tzinfo=timezone.utc),  # noqa: UP017
            "catchup": False,
            "max_active_runs": 1,
            "params": {"run_date": night, **params},
        }

    def asset(self, name: str) -> dict[str, str]:
        """Return the name and address of an asset, which no other source's and no other team's DAG uses.

        Airflow keeps schemes that begin with ``x-`` for what its users define.
        """
        return {"name": f"nbo_{self.source}_{name}", "uri": f"x-nbo://{self.source}/{name}"}

    @property
    def standard_offset(self) -> int:
        """Seconds from UTC in the half of the year without summer time.

        By that clock every day has a midnight, and none comes before the local one; where clocks go forward at midnight
        (Santiago, Cairo, Beirut) a day has none by the local clock, and Airflow would skip that night.
        """
        noons = (datetime(2025, 1, 1, 12, tzinfo=ZoneInfo(self.timezone)) + timedelta(days=n) for n in range(365))
        return int(min(noon.utcoffset() or timedelta() for noon in noons).total_seconds())

    def is_due(self, night: str, now: datetime) -> bool:
        """Return whether the time has come at which the exports of ``night`` are expected."""
        morning = date.fromisoformat(night) + timedelta(days=1)
        return now >= datetime.combine(morning, self.nightly, tzinfo=ZoneInfo(self.timezone))


def installation(conf: str | None = None) -> Installation:
    """Read the few settings that DAGs need, from ``conf``, else ``NBO_CONF``, else the shipped file.

    Raises:
        ValueError: the file does not hold them; Airflow shows the message with the DAG's file.
    """
    file = Path(conf or os.environ.get("NBO_CONF") or SHIPPED).resolve()
    settings = _yaml(file)
    source = settings.get("source")
    if not isinstance(source, dict):  # looked for where ``conf.settings.load`` looks for it
        places = [folder / str(source) for folder in (file.parent, file.parent.parent, SHIPPED.parent)]
        source = _yaml(next((place for place in places if place.is_file()), places[0]))
    home = Path(os.environ.get("NBO_HOME") or settings.get("home") or "var")
    home = home if home.is_absolute() else file.parent.parent / home
    times = SCHEDULE | (settings.get("schedule") or {})
    try:
        ZoneInfo(source["timezone"])
        return Installation(
            source=source["name"],
            timezone=source["timezone"],
            history_starts=date.fromisoformat(str(source["history_starts"])),
            exports=Path(str(settings["exports"]).replace("{home}", str(home))),
            nightly=time.fromisoformat(times["nightly"]),
            weekly=times["weekly"],
            monthly=times["monthly"],
        )
    except (KeyError, TypeError, ValueError, ZoneInfoNotFoundError) as error:
        raise ValueError(f"{file} and its source do not say when DAGs run: {type(error).__name__}: {error}") from None


def _yaml(file: Path) -> dict[str, Any]:
    import yaml

    try:
        content = yaml.load(file.read_bytes(), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except (OSError, yaml.YAMLError) as error:
        raise ValueError(f"cannot read {file}: {error}") from None
    if not isinstance(content, dict):
        raise ValueError(f"{file} must hold a mapping; it holds {type(content).__name__}")
    return content


# --- which night


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


# --- what tasks do


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

    from jobs import child

    try:
        summary = child.run_stage(stage, night, **options)  # type: ignore[arg-type]
    except child.StageFailed as failure:
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
