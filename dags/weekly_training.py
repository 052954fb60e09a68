"""# Weekly training

Trains challengers for all models on everything up to the night, compares each with its champion and its baseline
on the same held-out window, and promotes only what wins. A refusal is recorded with its reason in MLflow and in
`nbo.model_versions`. The nightly DAG picks the new champions up by itself; `nbo rollback MODEL` takes one back.

With the parameter `approval` what passes the gate is held until a person agrees, in Airflow's "Required Actions" or by
`nbo approve`; who declines leaves the old champions in charge.
"""

from __future__ import annotations

import os
from datetime import datetime, timedelta, timezone
from typing import Any

from airflow.providers.standard.operators.hitl import ApprovalOperator
from airflow.sdk import Asset, CronTriggerTimetable, Param, dag, get_current_context, task
from airflow.sdk.exceptions import AirflowFailException

from jobs.stages import Stage, StageFailed, approve, night_of, run_stage, tell_failure

CONF = os.environ.get("NBO_CONF")
CHAMPIONS = Asset("nbo_champions", uri="nbo://champions")


@dag(
    # the interval of one day makes the night the day before, which the nightly DAG has finished by then
    schedule=CronTriggerTimetable("0 15 * * 1", timezone="UTC", interval=timedelta(days=1)),
    start_date=datetime(2017, 1, 1, tzinfo=timezone.utc),  # noqa: UP017 (Airflow serialises this form)
    catchup=False,
    max_active_runs=1,
    default_args={
        "owner": "nbo",
        "retries": 1,
        "retry_delay": timedelta(minutes=5),
        "on_failure_callback": tell_failure,
    },
    params={
        "run_date": Param(None, type=["null", "string"], format="date", title="Night (YYYY-MM-DD)",
                          description="Train on everything up to this local day; empty: from the run's dates."),
        "approval": Param(False, type="boolean", title="A person approves promotions",
                          description="What passes the gate is held until somebody agrees."),
        "timezone": Param("America/New_York", type="string", title="Time zone of the business day"),
    },
    tags=["nbo", "weekly"],
    doc_md=__doc__,
)  # fmt: skip
def weekly_training() -> None:
    """Wire the training stage; what it does is in ``jobs/train/train_models.py``."""

    @task(outlets=[CHAMPIONS], execution_timeout=timedelta(hours=6))
    def train_challengers() -> dict[str, Any]:
        context = get_current_context()
        try:
            hold = bool(context["params"]["approval"])
            summary = run_stage(Stage.TRAIN, night_of(context), CONF, retrain=True, hold=hold)
        except StageFailed as failure:
            if failure.final:
                raise AirflowFailException(str(failure)) from None
            raise
        context["outlet_events"][CHAMPIONS].extra = summary
        return summary

    @task.short_circuit
    def anything_held(summary: dict[str, Any]) -> bool:
        return bool(summary.get("awaiting"))

    @task(outlets=[CHAMPIONS])
    def promote_approved() -> None:
        approve(CONF)

    approval = ApprovalOperator(
        task_id="approve_promotions",
        subject="Models passed the gate and wait to serve",
        body="Held: {{ ti.xcom_pull(task_ids='train_challengers')['awaiting'] | join(', ') }}. Why: see MLflow or "
        "nbo.model_versions; declining leaves the champions of before in charge.",
    )
    anything_held(train_challengers()) >> approval >> promote_approved()  # type: ignore[arg-type]


weekly_training()
