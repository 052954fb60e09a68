"""# The night

Pulls the CRM's exports, checks them, finds which products are one, builds features, makes sure there are champions,
scores every customer, publishes the scores and the marketers' files, measures what earlier offers brought, and reports.

* **Which night:** each run is a partition, and its key is the night: the local day whose end starts the run. It waits
  for `schedule.nightly` of the settings, when the CRM has delivered. By hand: *Night* in the trigger form.
* **Back-fill:** by date range in the UI (from 00:00 to 00:00, both nights included), `airflow backfill create`, or
  `make backfill FROM=... TO=...`; every stage replaces its own night.
* **Retries:** lost connections and killed processes are retried; bad data and bad configuration fail at once.
* **Run it again:** a stage whose inputs, code and configuration did not change keeps what it published.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from airflow.sdk import (
    Asset,
    CronPartitionTimetable,
    Param,
    PokeReturnValue,
    dag,
    get_current_context,
    task,
    task_group,
)
from airflow.sdk.exceptions import AirflowFailException
from pendulum import timezone

from jobs.dag_runs import night_of, run_task, task_defaults
from jobs.installation import installation
from jobs.stages import Stage

HERE = installation()
ZONE = timezone(HERE.standard_offset or "UTC")
ASSETS = {stage: Asset(**HERE.asset(str(stage)), extra={"stage": str(stage)}) for stage in Stage}
PREPARE = (Stage.INGEST, Stage.VALIDATE, Stage.CATALOGUE, Stage.FEATURES)
LONG = {Stage.TRAIN: timedelta(hours=3), Stage.INGEST: timedelta(hours=2)}


@dag(
    # a partition is a day, so that a range of dates means exactly these nights; it starts when its day is over
    schedule=CronPartitionTimetable("0 0 * * *", timezone=ZONE, run_offset=-1, key_format="%Y-%m-%d"),
    dagrun_timeout=timedelta(hours=8 + HERE.nightly.hour),
    default_args=task_defaults(
        retries=2,
        delay=timedelta(minutes=1),
        retry_exponential_backoff=True,
        max_retry_delay=timedelta(minutes=15),
    ),
    tags=["nbo", "nightly"],
    doc_md=__doc__,
    **HERE.dag_arguments(
        force=Param(False, type="boolean", title="Force", description="Run every stage even when nothing changed.")
    ),
)
def nightly_next_best_offer() -> None:
    """Wire the stages; what each one does is in ``jobs/``."""

    @task.sensor(mode="reschedule", poke_interval=300, timeout=24 * 3600)
    def choose_night() -> PokeReturnValue:
        """Resolve the night once, so that all stages agree on it; a scheduled one waits for its exports."""
        context = get_current_context()
        try:
            night = night_of(context, HERE)
        except ValueError as error:
            raise AirflowFailException(str(error)) from None
        waits = context["dag_run"].run_type == "scheduled"
        return PokeReturnValue(is_done=not waits or HERE.is_due(night, datetime.now(UTC)), xcom_value=night)

    def stage_task(stage: Stage, chosen: Any) -> Any:
        @task(
            task_id=str(stage),
            outlets=[ASSETS[stage]],
            execution_timeout=LONG.get(stage, timedelta(hours=1)),
            doc_md=f"Runs `nbo {stage} --ds <night>` in a child process; its outlet carries rows and content hashes.",
        )
        def run(night: str) -> dict[str, Any]:
            force = bool(get_current_context()["params"]["force"])
            return run_task(stage, night, ASSETS[stage], force=force)

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
