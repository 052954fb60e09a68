"""# Monthly catalogue

Clusters the whole catalogue anew: which products are one. In between every night only assigns its new products to the
clusters there are. Ids are kept: an old id lives on in the new cluster that holds most of its products, and what was
merged, split or moved stands in `nbo.cluster_journal`. Decisions made by hand hold.

It runs at `schedule.monthly` of the settings, in the source's zone, for the last day that is complete then: that night
has been scored by then, and the next one builds on the new clusters. A source without titles has no clusters, and the
stage says so.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow.sdk import Asset, CronTriggerTimetable, dag, get_current_context, task

from jobs.dag_runs import night_of, run_task, task_defaults
from jobs.installation import installation
from jobs.stages import Stage

HERE = installation()
CATALOGUE = Asset(**HERE.asset("catalogue_anew"), extra={"stage": str(Stage.CATALOGUE)})


@dag(
    schedule=CronTriggerTimetable(HERE.monthly, timezone=HERE.timezone),
    default_args=task_defaults(retries=1, delay=timedelta(minutes=5)),
    tags=["nbo", "monthly"],
    doc_md=__doc__,
    **HERE.dag_arguments(),
)
def monthly_catalogue() -> None:
    """Wire the catalogue stage; what it does is in ``jobs/catalogue/build_catalogue.py``."""

    @task(outlets=[CATALOGUE], execution_timeout=timedelta(hours=6))
    def cluster_anew() -> dict[str, Any]:
        return run_task(Stage.CATALOGUE, night_of(get_current_context(), HERE), CATALOGUE, retrain=True)

    cluster_anew()


monthly_catalogue()
