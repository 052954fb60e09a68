"""The DAGs parse lightly, have the shape the documentation shows, and treat failures by their kind."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from jobs.lake.manifest import Manifest
from jobs.stages import Stage, StageFailed

DAGS = sorted((Path(__file__).parents[2] / "dags").glob("*.py"))
NIGHTLY = next(file for file in DAGS if file.stem == "nightly_next_best_offer")
HEAVY = {"pyspark", "tensorflow", "keras", "pandas", "numpy", "great_expectations", "mlflow", "duckdb", "sklearn"}
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
def test_import_pulls_in_only_airflow_and_the_stage_names(file: Path) -> None:
    code = f"""
import json, runpy, sys
import airflow.sdk
from airflow.sdk import Asset, CronDataIntervalTimetable, CronTriggerTimetable, Param, dag, get_current_context, task
before = set(sys.modules)
runpy.run_path({str(file)!r})
print(json.dumps(sorted(set(sys.modules) - before)))
"""
    out = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, timeout=120).stdout
    pulled = set(json.loads(out.splitlines()[-1]))
    assert not {name for name in pulled if name.split(".")[0] in HEAVY}
    assert {name for name in pulled if name.split(".")[0] in OWN} == {"jobs", "jobs.stages"}


def test_all_dags_are_found_and_say_what_they_do() -> None:
    assert [file.stem for file in DAGS] == ["monthly_catalogue", "nightly_next_best_offer", "weekly_training"]
    for file in DAGS:
        found = load(file).__dict__[file.stem]()
        assert found.dag_id == file.stem
        assert found.doc_md.startswith("# ")
        assert found.max_active_runs == 1
        assert not found.catchup
        assert "run_date" in found.params


def test_the_night_runs_its_stages_in_the_declared_order() -> None:
    dag = load(NIGHTLY).nightly_next_best_offer()
    order = [task.task_id.split(".")[-1] for task in dag.topological_sort()]
    assert order == ["choose_night", *map(str, Stage)]
    for task in dag.tasks:
        assert task.task_id == "choose_night" or task.execution_timeout is not None
        assert task.task_id == "choose_night" or [outlet.name for outlet in task.outlets] == [
            f"nbo_{task.task_id.split('.')[-1]}"
        ]


def test_no_dag_bears_the_name_of_a_stage() -> None:
    assert not {file.stem for file in DAGS} & set(map(str, Stage))


@pytest.mark.parametrize("file", DAGS, ids=lambda file: file.stem)
def test_two_parses_serialise_alike(file: Path, airflow_db: None) -> None:
    from airflow.serialization.serialized_objects import DagSerialization

    first, second = (DagSerialization.to_dict(load(file).__dict__[file.stem]()) for _ in range(2))
    assert json.dumps(first, sort_keys=True, default=str) == json.dumps(second, sort_keys=True, default=str)


def run(monkeypatch: pytest.MonkeyPatch, stage: Any, **options: Any) -> tuple[Any, Any]:
    module = load(NIGHTLY)
    monkeypatch.setattr(module, "run_stage", stage)
    dag = module.nightly_next_best_offer()
    for task in dag.tasks:  # a test does not wait for a retry
        task.retries = 0
    return dag, dag.test(**options)


@pytest.mark.slow
def test_a_run_hands_the_same_night_to_every_stage(monkeypatch: pytest.MonkeyPatch, airflow_db: None) -> None:
    seen: list[tuple[str, str]] = []

    def stage(name: Stage, night: str, conf: str | None, force: bool) -> dict[str, Any]:
        seen.append((str(name), night))
        return {"stage": str(name), "tables": {"t": {"rows": 3, "content": "c"}}}

    _, result = run(monkeypatch, stage, logical_date=datetime(2017, 12, 3, tzinfo=UTC))
    assert result.state == "success"
    assert seen == [(str(name), "2017-12-03") for name in Stage]


@pytest.mark.slow
def test_a_run_without_logical_date_takes_the_parameter(monkeypatch: pytest.MonkeyPatch, airflow_db: None) -> None:
    seen: set[str] = set()

    def stage(name: Stage, night: str, conf: str | None, force: bool) -> dict[str, Any]:
        seen.add(night)
        return {}

    _, result = run(monkeypatch, stage, run_conf={"run_date": "2017-11-30"})
    assert result.state == "success"
    assert seen == {"2017-11-30"}


@pytest.mark.slow
def test_bad_data_fails_the_night_and_nothing_runs_after(monkeypatch: pytest.MonkeyPatch, airflow_db: None) -> None:
    seen: list[str] = []

    def stage(name: Stage, night: str, conf: str | None, force: bool) -> dict[str, Any]:
        seen.append(str(name))
        if name is Stage.VALIDATE:
            raise StageFailed(name, 3, "order_lines: 3 expectation(s) failed")
        return {}

    _, result = run(monkeypatch, stage, logical_date=datetime(2017, 12, 4, tzinfo=UTC))
    assert result.state == "failed"
    assert seen == ["ingest", "validate"]


@pytest.mark.slow
def test_the_monthly_run_clusters_from_scratch(monkeypatch: pytest.MonkeyPatch, airflow_db: None) -> None:
    seen: list[tuple[str, str, bool]] = []

    def stage(name: Stage, night: str, conf: str | None, retrain: bool) -> dict[str, Any]:
        seen.append((str(name), night, retrain))
        return {}

    module = load(DAGS[0])
    monkeypatch.setattr(module, "run_stage", stage)
    result = module.monthly_catalogue().test(run_conf={"run_date": "2017-12-01"})
    assert result.state == "success"
    assert seen == [("catalogue", "2017-12-01", True)]


@pytest.mark.slow
@pytest.mark.parametrize("awaiting", [[], ["churn"]])
def test_promotions_ask_a_person_only_if_something_is_held(
    monkeypatch: pytest.MonkeyPatch, airflow_db: None, awaiting: list[str]
) -> None:
    held: list[bool] = []

    def stage(name: Stage, night: str, conf: str | None, retrain: bool, hold: bool) -> dict[str, Any]:
        held.append(hold)
        return Manifest(stage=str(name), ds=night, version="v", facts={"awaiting": awaiting}).summary()

    module = load(DAGS[-1])
    monkeypatch.setattr(module, "run_stage", stage)
    dag = module.weekly_training()
    gate, last = dag.get_task("approve_promotions"), dag.get_task("promote_approved")
    assert gate.upstream_task_ids == {"anything_held"}
    assert last.upstream_task_ids == {"approve_promotions"}
    if awaiting:  # a person's answer is Airflow's own: what counts here is what comes before and after it
        monkeypatch.setattr(type(gate), "execute", lambda self, context: "Approve")
        monkeypatch.setattr(module, "approve", lambda conf: held.append(True))
    result = dag.test(run_conf={"run_date": "2017-12-01", "approval": bool(awaiting)})
    assert result.state == "success"
    assert held == ([True, True] if awaiting else [False])
