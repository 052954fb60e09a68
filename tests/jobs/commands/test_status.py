"""What stands still in Airflow is said, with the remedy."""

from __future__ import annotations

import argparse
import sqlite3
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from conf.settings.schema import Settings
from jobs.commands import status

NOW = datetime.now(UTC)


@pytest.fixture
def airflow(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home whose Airflow has one run that goes on and one of `airflow dags test`, which no scheduler runs."""
    monkeypatch.delenv("AIRFLOW_HOME", raising=False)
    monkeypatch.delenv("AIRFLOW__DATABASE__SQL_ALCHEMY_CONN", raising=False)
    file = Path(settings.home, "airflow", "airflow.db")
    file.parent.mkdir(parents=True)
    with sqlite3.connect(file) as connection:
        connection.execute("create table job (job_type text, state text, latest_heartbeat text)")
        connection.execute(
            "create table dag_run (dag_id text, run_id text, state text, partition_key text, start_date text, "
            "run_after text, triggered_by text)"
        )
        connection.executemany(
            "insert into dag_run values ('nightly', ?, ?, ?, null, ?, ?)",
            [
                ("backfill__1", "running", "2017-12-02", "2017-12-02", "BACKFILL"),
                ("manual__2", "running", None, "2017-12-03", "TEST"),
                ("scheduled__3", "success", "2017-12-01", "2017-12-01", "TIMETABLE"),
            ],
        )
    return file


def beat(file: Path, ago: timedelta) -> datetime:
    moment = datetime.now(UTC) - ago
    with sqlite3.connect(file) as connection:
        connection.execute("insert into job values ('SchedulerJob', 'running', ?)", (f"{moment:%Y-%m-%d %H:%M:%S.%f}",))
    return moment


def test_a_run_without_a_scheduler_stands_still(
    settings: Settings, airflow: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    last = beat(airflow, timedelta(hours=2))
    assert status.command(settings, argparse.Namespace()) == 1
    shown = capsys.readouterr().out
    assert f"gave its last sign of life at {last:%Y-%m-%d %H:%M:%S} UTC" in shown
    assert "1 run(s) stand still: nightly 2017-12-02 (running)" in shown
    assert "make airflow" in shown


def test_a_living_scheduler_is_no_fault(settings: Settings, airflow: Path, capsys: pytest.CaptureFixture[str]) -> None:
    beat(airflow, timedelta(hours=2))
    beat(airflow, timedelta(seconds=5))
    assert status.command(settings, argparse.Namespace()) == 0
    assert "nightly 2017-12-02 (running)" in capsys.readouterr().out


def test_a_scheduler_that_never_was(settings: Settings, airflow: Path) -> None:
    result = status.read_airflow(settings)
    assert result is not None
    assert "scheduler is not up, and 1 run(s)" in str(result.stands_still(NOW))


def test_without_airflow(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("AIRFLOW_HOME", raising=False)
    monkeypatch.delenv("AIRFLOW__DATABASE__SQL_ALCHEMY_CONN", raising=False)
    assert status.command(settings, argparse.Namespace()) == 0
    assert "no database in this home" in capsys.readouterr().out
