"""One process works on a night at a time, and nothing is done twice."""

from __future__ import annotations

import subprocess
import sys
from datetime import date

import pyarrow as pa
import pytest

from conf.errors import LockedError
from conf.settings.load import load
from conf.settings.schema import Settings
from jobs.lake import night
from jobs.lake.lake import Draft, Lake
from jobs.lake.night import publish
from jobs.lake.reads import settings_of
from jobs.stages import Stage

DAY = date(2017, 12, 3)


class Build:
    """Counts how often a stage really ran."""

    def __init__(self) -> None:
        self.runs = 0

    def __call__(self, draft: Draft) -> None:
        self.runs += 1
        draft.arrow("features/profile", pa.table({"x": [self.runs]}))
        draft.facts["items"] = {"run": self.runs}


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return settings_of(Stage.FEATURES, settings)


def test_all_settings_are_refused() -> None:
    with pytest.raises(ValueError, match=r"features must run on settings_of\(Stage.FEATURES, settings\)"):
        publish(load(), Stage.FEATURES, DAY, {}, Build())


def test_the_same_fingerprint_runs_once(settings: Settings) -> None:
    build = Build()
    first = publish(settings, Stage.FEATURES, DAY, {"clean": "a"}, build)
    again = publish(settings, Stage.FEATURES, DAY, {"clean": "a"}, build)
    assert build.runs == 1
    assert again == first
    assert first.facts == {"items": {"run": 1}}
    assert first.peak_mb > 10


def test_other_input_other_configuration_force_or_a_lost_result_run_again(settings: Settings) -> None:
    build = Build()
    publish(settings, Stage.FEATURES, DAY, {"clean": "a"}, build)
    publish(settings, Stage.FEATURES, DAY, {"clean": "b"}, build)
    assert build.runs == 2
    other = settings.model_copy(update={"models": settings.models.model_copy(update={"seed": 14})})
    publish(other, Stage.FEATURES, DAY, {"clean": "b"}, build)
    assert build.runs == 3
    publish(other, Stage.FEATURES, DAY, {"clean": "b"}, build, force=True)
    assert build.runs == 4
    publish(other, Stage.FEATURES, DAY, {"clean": "b"}, build, still_there=lambda manifest: False)
    assert build.runs == 5


def test_where_it_runs_does_not_count(settings: Settings) -> None:
    build = Build()
    publish(settings, Stage.FEATURES, DAY, {}, build)
    moved = settings.model_copy(update={"spark": settings.spark.model_copy(update={"master": "local[1]"})})
    publish(moved, Stage.FEATURES, DAY, {}, build)
    assert build.runs == 1


def test_a_failed_build_keeps_the_night(settings: Settings) -> None:
    publish(settings, Stage.FEATURES, DAY, {"clean": "a"}, Build())

    def broken(draft: Draft) -> None:
        draft.arrow("features/profile", pa.table({"x": [9]}))
        raise RuntimeError("boom")

    with pytest.raises(RuntimeError, match="boom"):
        publish(settings, Stage.FEATURES, DAY, {"clean": "b"}, broken)
    assert Lake(settings.lake).arrow("features/profile", DAY)["x"].to_pylist() == [1]


HOLDER = """
import sys, time
from datetime import date
from conf.settings.load import load
from jobs.lake.night import lock
with lock(load(), date(2017, 12, 3)):
    print("held", flush=True)
    time.sleep(60)
"""


def test_a_second_process_is_told_who_holds_the_night(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(night, "LOCK_WAIT", 0.5)
    holder = subprocess.Popen([sys.executable, "-c", HOLDER], stdout=subprocess.PIPE, text=True)
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(LockedError, match=f"locked by process {holder.pid}"):
            publish(settings, Stage.FEATURES, DAY, {}, Build())
        publish(settings, Stage.FEATURES, date(2017, 12, 4), {}, Build())  # another night is free
    finally:
        holder.kill()
        holder.wait()
    assert publish(settings, Stage.FEATURES, DAY, {}, Build()).facts == {
        "items": {"run": 1}
    }  # a dead holder holds nothing
