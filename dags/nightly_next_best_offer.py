"""# The night

Pulls the CRM's exports, checks them, finds which products are one, builds features, makes sure there are champions,
scores every customer, publishes the scores and the marketers' files, measures what earlier offers brought, and reports.

* **Which night:** parameter `run_date`, else the run's interval or logical date; see *Trigger* for the form.
* **Back-fill:** by date range in the UI, or `make backfill FROM=... TO=...`; every stage replaces its own night.
* **Retries:** lost connections and killed processes are retried; bad data and bad configuration fail at once.
* **Run it again:** a stage whose inputs, code and configuration did not change keeps what it published.
"""

from __future__ import annotations

import os
from datetime import datetime, timedelta, timezone
from typing import Any

from airflow.sdk import Asset, CronDataIntervalTimetable, Param, dag, get_current_context, task, task_group
from airflow.sdk.exceptions import AirflowFailException

from jobs.stages import Stage, StageFailed, night_of, run_stage, tell_failure

CONF = os.environ.get("NBO_CONF")
ASSETS = {stage: Asset(f"nbo_{stage}", uri=f"nbo://{stage}", extra={"stage": str(stage)}) for stage in Stage}
PREPARE = (Stage.INGEST, Stage.VALIDATE, Stage.CATALOGUE, Stage.FEATURES)
LONG = {Stage.TRAIN: timedelta(hours=3), Stage.INGEST: timedelta(hours=2)}


@dag(
    schedule=CronDataIntervalTimetable("0 9 * * *", timezone="UTC"),
    start_date=datetime(2017, 1, 1, tzinfo=timezone.utc),  # noqa: UP017 (Airflow serialises this form)
    catchup=False,
    max_active_runs=1,
    dagrun_timeout=timedelta(hours=8),
    default_args={
        "owner": "nbo",
        "retries": 2,
        "retry_delay": timedelta(minutes=1),
        "retry_exponential_backoff": True,
        "max_retry_delay": timedelta(minutes=15),
        "on_failure_callback": tell_failure,
    },
    params={
        "run_date": Param(None, type=["null", "string"], format="date", title="Night (YYYY-MM-DD)",
                          description="Last local day whose data counts; empty: from the run's dates."),
        "timezone": Param("America/New_York", type="string", title="Time zone of the business day",
                          description="Only for runs that have no logical date."),
        "force": Param(False, type="boolean", title="Force",
                       description="Run every stage even when nothing changed."),
    },
    tags=["nbo", "nightly"],
    doc_md=__doc__,
)  # fmt: skip
def nightly_next_best_offer() -> None:
    """Wire the stages; what each one does is in ``jobs/``."""

    @task(retries=0)
    def choose_night() -> str:
        """Resolve the night once, so that all stages agree on it."""
        return night_of(get_current_context())

    def stage_task(stage: Stage, chosen: Any) -> Any:
        @task(
            task_id=str(stage),
            outlets=[ASSETS[stage]],
            execution_timeout=LONG.get(stage, timedelta(hours=1)),
            doc_md=f"Runs `nbo {stage} --ds <night>` in a child process; its outlet carries rows and content hashes.",
        )
        def run(night: str) -> dict[str, Any]:
            context = get_current_context()
            try:
                summary = run_stage(stage, night, CONF, force=bool(context["params"]["force"]))
            except StageFailed as failure:
                if failure.final:
                    raise AirflowFailException(str(failure)) from None
                raise
            context["outlet_events"][ASSETS[stage]].extra = summary
            return summary

        return run(chosen)

    night = choose_night()

    @task_group
    def prepare() -> Any:
        stages = [stage_task(stage, night) for stage in PREPARE]
        stages[0] >> stages[1] >> stages[2] >> stages[3]

    @task_group
    def decide() -> Any:
        stage_task(Stage.TRAIN, night) >> stage_task(Stage.SCORE, night)

    @task_group
    def deliver() -> Any:
        stage_task(Stage.PUBLISH, night) >> stage_task(Stage.SEGMENTS, night)

    @task_group
    def review() -> Any:
        stage_task(Stage.MEASURE, night) >> stage_task(Stage.REPORT, night)

    prepare() >> decide() >> deliver() >> review()


nightly_next_best_offer()
