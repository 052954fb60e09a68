"""Command ``nbo status``: the newest night, what runs in Airflow, and whether anything stands still."""

from __future__ import annotations

import argparse
import os
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import sqlalchemy as sa
from rich.console import Console
from rich.markup import escape
from sqlalchemy.exc import DBAPIError

from conf.settings.schema import Settings
from jobs.database import database

#: seconds without a heartbeat after which a scheduler counts as gone; Airflow beats every five
SILENCE = 60
RUNS = sa.text(
    "select dag_id, run_id, state, partition_key, start_date from dag_run "
    "where state in ('running', 'queued') and coalesce(triggered_by, '') <> 'TEST' order by run_after"
)
HEARTBEAT = sa.text("select max(latest_heartbeat) from job where job_type = 'SchedulerJob' and state = 'running'")


@dataclass(frozen=True)
class Airflow:
    """What Airflow's own database says: runs that are not over, and the scheduler's last heartbeat."""

    runs: list[str]
    heartbeat: datetime | None

    def stands_still(self, now: datetime) -> str | None:
        """Return a sentence if runs wait for a scheduler that is gone, else None."""
        if not self.runs or (self.heartbeat and (now - self.heartbeat).total_seconds() < SILENCE):
            return None
        seen = (
            f"gave its last sign of life at {self.heartbeat:%Y-%m-%d %H:%M:%S} UTC" if self.heartbeat else "is not up"
        )
        return f"Airflow's scheduler {seen}, and {len(self.runs)} run(s) stand still: {', '.join(self.runs[:5])}"


def command(settings: Settings, args: argparse.Namespace) -> int:
    """Run ``nbo status``: 1 as exit code when something stands still."""
    console = Console(highlight=False, soft_wrap=True)
    newest = database.newest(settings.database)
    console.print(f"newest published night: {newest or 'none yet'}")
    airflow = read_airflow(settings)
    if airflow is None:
        console.print("Airflow: no database in this home")
        return 0
    beat = f"last sign of life {airflow.heartbeat:%Y-%m-%d %H:%M:%S} UTC" if airflow.heartbeat else "not up"
    console.print(f"Airflow's scheduler: {beat}")
    for run in airflow.runs:
        console.print(f"  {escape(run)}")
    still = airflow.stands_still(datetime.now(UTC))
    if still:
        console.print(f"[red]{escape(still)}[/red]\nremedy: start it again (`make airflow`); the runs then go on")
    return 1 if still else 0


def read_airflow(settings: Settings) -> Airflow | None:
    """Return what Airflow's database says, or None where there is none or it cannot be read."""
    home = os.environ.get("AIRFLOW_HOME") or str(Path(settings.home, "airflow"))
    url = os.environ.get("AIRFLOW__DATABASE__SQL_ALCHEMY_CONN") or f"sqlite:///{Path(home, 'airflow.db')}"
    if url.startswith("sqlite:///") and not Path(url.removeprefix("sqlite:///")).is_file():
        return None
    engine = sa.create_engine(url)
    try:
        with engine.connect() as connection:
            runs = [f"{row.dag_id} {row.partition_key or row.run_id} ({row.state})" for row in connection.execute(RUNS)]
            return Airflow(runs, _moment(connection.execute(HEARTBEAT).scalar()))
    except DBAPIError:
        return None
    finally:
        engine.dispose()


def _moment(value: str | datetime | None) -> datetime | None:
    if value is None:
        return None
    moment = datetime.fromisoformat(value) if isinstance(value, str) else value
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
