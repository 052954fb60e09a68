"""# Monthly catalogue

Clusters the whole catalogue anew: which products are one. In between every night only assigns its new products to the
clusters there are. Ids are kept: an old id lives on in the new cluster that holds most of its products, and what was
merged, split or moved stands in `nbo.cluster_journal`. Decisions made by hand hold.

The night it runs for has been scored by then; the next night builds on the new clusters. A source without titles has
no clusters, and the stage says so.
"""

from __future__ import annotations

import os
from datetime import datetime, timedelta, timezone
from typing import Any

from airflow.sdk import Asset, CronTriggerTimetable, Param, dag, get_current_context, task
from airflow.sdk.exceptions import AirflowFailException

from jobs.stages import Stage, StageFailed, night_of, run_stage, tell_failure

CONF = os.environ.get("NBO_CONF")
CATALOGUE = Asset("nbo_catalogue", uri="nbo://catalogue", extra={"stage": str(Stage.CATALOGUE)})


@dag(
    # the interval of one day makes the night the day before, which the nightly DAG has finished by then
    schedule=CronTriggerTimetable("0 18 1 * *", timezone="UTC", interval=timedelta(days=1)),
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
                          description="Cluster the products known on this local day; empty: from the run's dates."),
        "timezone": Param("America/New_York", type="string", title="Time zone of the business day"),
    },
    tags=["nbo", "monthly"],
    doc_md=__doc__,
)  # fmt: skip
def monthly_catalogue() -> None:
    """Wire the catalogue stage; what it does is in ``jobs/catalogue/build_catalogue.py``."""

    @task(outlets=[CATALOGUE], execution_timeout=timedelta(hours=6))
    def cluster_anew() -> dict[str, Any]:
        context = get_current_context()
        try:
            summary = run_stage(Stage.CATALOGUE, night_of(context), CONF, retrain=True)
        except StageFailed as failure:
            if failure.final:
                raise AirflowFailException(str(failure)) from None
            raise
        context["outlet_events"][CATALOGUE].extra = summary
        return summary

    cluster_anew()


monthly_catalogue()
