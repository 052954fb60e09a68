"""# Weekly training

Trains challengers for all models on everything up to the night, compares each with its champion and its baseline
on the same held-out window, and promotes only what wins. A refusal is recorded with its reason in MLflow and in
`nbo.model_versions`. The nightly DAG picks the new champions up by itself; `nbo rollback MODEL` takes one back.
It runs at `schedule.weekly` of the settings, in the source's zone, for the last day that is complete then.

With the parameter `approval` what passes the gate is held until a person agrees, in Airflow's "Required Actions" or by
`nbo approve`; who declines leaves the old champions in charge.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow.providers.standard.operators.hitl import ApprovalOperator
from airflow.sdk import Asset, CronTriggerTimetable, Param, dag, get_current_context, task

from jobs.dag_runs import night_of, run_task, task_defaults
from jobs.installation import installation
from jobs.stages import Stage

HERE = installation()
CHAMPIONS = Asset(**HERE.asset("champions"))


@dag(
    schedule=CronTriggerTimetable(HERE.weekly, timezone=HERE.timezone),
    default_args=task_defaults(retries=1, delay=timedelta(minutes=5)),
    tags=["nbo", "weekly"],
    doc_md=__doc__,
    **HERE.dag_arguments(
        approval=Param(False, type="boolean", title="A person approves promotions",
                       description="What passes the gate is held until somebody agrees."),
    ),
)  # fmt: skip
def weekly_training() -> None:
    """Wire the training stage; what it does is in ``jobs/train/train_models.py``."""

    @task(outlets=[CHAMPIONS], execution_timeout=timedelta(hours=6))
    def train_challengers() -> dict[str, Any]:
        context = get_current_context()
        hold = bool(context["params"]["approval"])
        return run_task(Stage.TRAIN, night_of(context, HERE), CHAMPIONS, retrain=True, hold=hold)

    @task.short_circuit
    def anything_held(summary: dict[str, Any]) -> bool:
        return bool(summary.get("awaiting"))

    @task(outlets=[CHAMPIONS])
    def promote_approved() -> None:
        from jobs.child import approve

        approve()

    approval = ApprovalOperator(
        task_id="approve_promotions",
        subject="Models passed the gate and wait to serve",
        body="Held: {{ ti.xcom_pull(task_ids='train_challengers')['awaiting'] | join(', ') }}. Why: see MLflow or "
        "nbo.model_versions; declining leaves the champions of before in charge.",
    )
    anything_held(train_challengers()) >> approval >> promote_approved()  # type: ignore[arg-type]


weekly_training()
