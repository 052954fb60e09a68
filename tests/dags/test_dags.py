"""The DAGs parse lightly, have the shape the documentation shows, and treat failures by their kind."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from types import ModuleType
from typing import Any
from zoneinfo import ZoneInfo

import pendulum
import pytest
from airflow.timetables.base import TimeRestriction
from airflow.utils.types import DagRunType

from jobs import child, dag_runs
from jobs.lake.manifest import Manifest
from jobs.stages import Stage

DAGS = sorted((Path(__file__).parents[2] / "dags").glob("*.py"))
NIGHTLY = next(file for file in DAGS if file.stem == "nightly_next_best_offer")
HEAVY = {"pyspark", "tensorflow", "keras", "pandas", "numpy", "great_expectations", "mlflow", "duckdb", "sklearn"}
#: what a DAG file may import of the project: modules that stand on the standard library
LIGHT = {"jobs", "jobs.child", "jobs.dag_runs", "jobs.installation", "jobs.stages"}
OWN = {"conf", "expectations", "features", "jobs", "scoring", "training"}


def load(file: Path) -> ModuleType:
    import importlib.util

    spec = importlib.util.spec_from_file_location(f"dag_{file.stem}", file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("file", DAGS, ids=lambda file: file.stem)
def test_import_pulls_in_only_airflow_and_light_modules(file: Path) -> None:
    code = f"""
import json, runpy, sys
import airflow.sdk
from airflow.sdk import Asset, CronPartitionTimetable, CronTriggerTimetable, Param, dag, get_current_context, task
before = set(sys.modules)
runpy.run_path({str(file)!r})
print(json.dumps(sorted(set(sys.modules) - before)))
"""
    out = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, timeout=120).stdout
    pulled = set(json.loads(out.splitlines()[-1]))
    assert not {name for name in pulled if name.split(".")[0] in HEAVY}
    assert {name for name in pulled if name.split(".")[0] in OWN} == LIGHT


def test_all_dags_are_found_and_say_what_they_do() -> None:
    assert [file.stem for file in DAGS] == ["monthly_catalogue", "nightly_next_best_offer", "weekly_training"]
    for file in DAGS:
        result = load(file).__dict__[file.stem]()
        assert result.dag_id == file.stem
        assert result.doc_md.startswith("# ")
        assert result.max_active_runs == 1
        assert not result.catchup
        assert "run_date" in result.params


def test_the_night_runs_its_stages_in_the_declared_order() -> None:
    dag = load(NIGHTLY).nightly_next_best_offer()
    order = [task.task_id.split(".")[-1] for task in dag.topological_sort()]
    assert order == ["choose_night", *map(str, Stage)]
    for task in dag.tasks:
        assert task.task_id == "choose_night" or task.execution_timeout is not None
        assert task.task_id == "choose_night" or [outlet.name for outlet in task.outlets] == [
            f"nbo_complete_journey_{task.task_id.split('.')[-1]}"
        ]


def timetable(file: Path = NIGHTLY) -> Any:
    from airflow.serialization.encoders import coerce_to_core_timetable

    return coerce_to_core_timetable(load(file).__dict__[file.stem]().timetable)


ELSEWHERE = """
home: {home}
exports: "{{home}}/crm"
source: {{name: shop, timezone: {zone}, history_starts: 2024-01-01}}
"""


@pytest.fixture(params=["Pacific/Auckland", "America/New_York", "America/Santiago", "Pacific/Honolulu"])
def elsewhere(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """An installation whose shop is in another zone; in Santiago clocks go forward at midnight (2025-09-07)."""
    conf = tmp_path / "conf" / "nbo.yml"
    conf.parent.mkdir()
    conf.write_text(ELSEWHERE.format(home=tmp_path, zone=request.param))
    monkeypatch.setenv("NBO_CONF", str(conf))
    return str(request.param)


@pytest.mark.parametrize(
    ("first", "last"),
    [("2017-11-27", "2017-12-03"), ("2025-03-08", "2025-03-10"), ("2025-04-05", "2025-04-07"),
     ("2025-09-06", "2025-09-08"), ("2025-09-27", "2025-09-29"), ("2025-11-01", "2025-11-03"),
     ("2017-12-03", "2017-12-03")],
)  # fmt: skip
def test_a_range_of_dates_means_exactly_these_nights(elsewhere: str, first: str, last: str) -> None:
    # Airflow's command line and its form hand over midnight UTC of the dates that were typed
    bounds = [datetime.fromisoformat(day).replace(tzinfo=UTC) for day in (first, last)]
    infos = list(timetable().iter_partition_dagrun_infos(earliest=bounds[0], latest=bounds[1]))
    nights = [str(date.fromisoformat(first) + timedelta(days=n)) for n in range((bounds[1] - bounds[0]).days + 1)]
    assert [info.partition_key for info in infos] == nights
    for info, night in zip(infos, nights, strict=True):
        run_id = timetable().generate_run_id(
            run_type=DagRunType.BACKFILL_JOB, run_after=info.run_after, data_interval=None, partition_key=night
        )
        assert f"__{night}__" in run_id


def test_the_clock_starts_a_night_when_its_local_day_is_over(elsewhere: str) -> None:
    zone = ZoneInfo(elsewhere)
    for night in (date(2025, 3, 8), date(2025, 4, 5), date(2025, 9, 6), date(2025, 11, 1), date(2025, 12, 31)):
        before = datetime.combine(night, time(12), tzinfo=zone).astimezone(UTC)
        info = timetable().next_dagrun_info_v2(
            last_dagrun_info=None, restriction=TimeRestriction(pendulum.instance(before), None, catchup=True)
        )
        assert info.partition_key == str(night)
        over = datetime.combine(night + timedelta(days=1), time(), tzinfo=zone).astimezone(UTC)
        assert timedelta() <= info.run_after - over <= timedelta(hours=1)


def test_weekly_and_monthly_run_by_the_settings_in_the_shops_zone(elsewhere: str) -> None:
    for file, cron in ((DAGS[0], "0 13 1 * *"), (DAGS[-1], "0 10 * * mon")):
        assert timetable(file).summary == cron
        assert timetable(file).serialize()["timezone"] == elsewhere


def test_assets_bear_the_name_of_their_source(elsewhere: str) -> None:
    outlets = {
        (asset.name, asset.uri)
        for file in DAGS
        for task in load(file).__dict__[file.stem]().tasks
        for asset in task.outlets
    }
    assert {name for name, _ in outlets} == {
        *(f"nbo_shop_{stage}" for stage in Stage), "nbo_shop_champions", "nbo_shop_catalogue_anew"
    }  # fmt: skip
    assert {uri for _, uri in outlets} == {name.replace("nbo_shop_", "x-nbo://shop/") for name, _ in outlets}


def test_no_dag_names_a_zone() -> None:
    assert not [file for file in DAGS if re.search(r"America/|Europe/|timezone=\"UTC\"", file.read_text())]


def test_no_dag_bears_the_name_of_a_stage() -> None:
    assert not {file.stem for file in DAGS} & set(map(str, Stage))


@pytest.mark.parametrize("file", DAGS, ids=lambda file: file.stem)
def test_two_parses_serialise_alike(file: Path, airflow_db: None) -> None:
    from airflow.serialization.serialized_objects import DagSerialization

    first, second = (DagSerialization.to_dict(load(file).__dict__[file.stem]()) for _ in range(2))
    assert json.dumps(first, sort_keys=True, default=str) == json.dumps(second, sort_keys=True, default=str)


def run(monkeypatch: pytest.MonkeyPatch, stage: Any, **options: Any) -> tuple[Any, Any]:
    monkeypatch.setattr(dag_runs, "run_stage", stage)
    dag = load(NIGHTLY).nightly_next_best_offer()
    for task in dag.tasks:  # a test does not wait for a retry
        task.retries = 0
    return dag, dag.test(**options)


@pytest.mark.slow
def test_a_run_hands_the_same_night_to_every_stage(monkeypatch: pytest.MonkeyPatch, airflow_db: None) -> None:
    seen: list[tuple[str, str]] = []

    def stage(name: Stage, night: str, force: bool) -> dict[str, Any]:
        seen.append((str(name), night))
        return {"stage": str(name), "tables": {"t": {"rows": 3, "content": "c"}}}

    _, result = run(monkeypatch, stage, logical_date=datetime(2017, 12, 3, tzinfo=UTC))
    assert result.state == "success"
    assert seen == [(str(name), "2017-12-03") for name in Stage]


@pytest.mark.slow
def test_a_run_without_logical_date_takes_the_parameter(monkeypatch: pytest.MonkeyPatch, airflow_db: None) -> None:
    seen: set[str] = set()

    def stage(name: Stage, night: str, force: bool) -> dict[str, Any]:
        seen.add(night)
        return {}

    _, result = run(monkeypatch, stage, run_conf={"run_date": "2017-11-30"})
    assert result.state == "success"
    assert seen == {"2017-11-30"}


@pytest.mark.slow
def test_a_day_that_is_not_over_is_refused_before_any_stage(monkeypatch: pytest.MonkeyPatch, airflow_db: None) -> None:
    seen: list[str] = []
    _, result = run(monkeypatch, lambda *a, **k: seen.append("ran"), run_conf={"run_date": "2999-01-01"})
    assert result.state == "failed"
    assert seen == []


@pytest.mark.slow
def test_bad_data_fails_the_night_and_nothing_runs_after(monkeypatch: pytest.MonkeyPatch, airflow_db: None) -> None:
    seen: list[str] = []

    def stage(name: Stage, night: str, force: bool) -> dict[str, Any]:
        seen.append(str(name))
        if name is Stage.VALIDATE:
            raise child.StageFailed(name, 3, "order_lines: 3 expectation(s) failed")
        return {}

    _, result = run(monkeypatch, stage, logical_date=datetime(2017, 12, 4, tzinfo=UTC))
    assert result.state == "failed"
    assert seen == ["ingest", "validate"]


@pytest.mark.slow
def test_the_monthly_run_clusters_from_scratch(monkeypatch: pytest.MonkeyPatch, airflow_db: None) -> None:
    seen: list[tuple[str, str, bool]] = []

    def stage(name: Stage, night: str, retrain: bool) -> dict[str, Any]:
        seen.append((str(name), night, retrain))
        return {}

    monkeypatch.setattr(dag_runs, "run_stage", stage)
    result = load(DAGS[0]).monthly_catalogue().test(run_conf={"run_date": "2017-12-01"})
    assert result.state == "success"
    assert seen == [("catalogue", "2017-12-01", True)]


@pytest.mark.slow
@pytest.mark.parametrize("awaiting", [[], ["churn"]])
def test_promotions_ask_a_person_only_if_something_is_held(
    monkeypatch: pytest.MonkeyPatch, airflow_db: None, awaiting: list[str]
) -> None:
    held: list[bool] = []

    def stage(name: Stage, night: str, retrain: bool, hold: bool) -> dict[str, Any]:
        held.append(hold)
        return Manifest(stage=str(name), ds=night, version="v", facts={"awaiting": awaiting}).summary()

    monkeypatch.setattr(dag_runs, "run_stage", stage)
    module = load(DAGS[-1])
    dag = module.weekly_training()
    gate, last = dag.get_task("approve_promotions"), dag.get_task("promote_approved")
    assert gate.upstream_task_ids == {"anything_held"}
    assert last.upstream_task_ids == {"approve_promotions"}
    if awaiting:  # a person's answer is Airflow's own: what counts here is what comes before and after it
        monkeypatch.setattr(type(gate), "execute", lambda self, context: "Approve")
        monkeypatch.setattr(child, "approve", lambda: held.append(True))
    result = dag.test(run_conf={"run_date": "2017-12-01", "approval": bool(awaiting)})
    assert result.state == "success"
    assert held == ([True, True] if awaiting else [False])
