"""A moved or copied home reads and writes in its own place."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from conf.settings.schema import Settings
from jobs.moved_home import follow_home

mlflow = pytest.importorskip("mlflow")


def moved(settings: Settings, home: Path) -> Settings:
    return settings.model_copy(update={"home": str(home), "mlflow": f"sqlite:///{home}/mlflow.db"})


def test_mlflow_follows_a_moved_home(settings: Settings, tmp_path: Path) -> None:
    from training.models.tracking import Registry

    old, new = tmp_path / "old_home", tmp_path / "new"
    before = moved(settings, old)
    registry = Registry(before.mlflow, old / "mlartifacts")
    with registry.run("churn", {}, {}) as run:
        registry.client.log_text(run.run_id, "weights", "model.txt")
    assert follow_home(before) is None  # nothing was moved yet

    shutil.copytree(old, new)
    after = moved(settings, new)
    assert follow_home(after) == str(old)
    assert follow_home(after) is None
    shutil.rmtree(old)
    again = Registry(after.mlflow, new / "mlartifacts")
    kept = Path(again.client.download_artifacts(run.run_id, "model.txt", str(tmp_path)))
    assert kept.read_text() == "weights"
    with again.run("value", {}, {}) as next_run:
        again.client.log_text(next_run.run_id, "more", "model.txt")
    assert not old.exists()
    assert (new / "mlartifacts" / next_run.run_id / "artifacts" / "model.txt").is_file()


def test_a_server_and_a_new_home_are_left_alone(settings: Settings) -> None:
    assert follow_home(settings) is None
    assert follow_home(settings.model_copy(update={"mlflow": "http://mlflow.example.org"})) is None
