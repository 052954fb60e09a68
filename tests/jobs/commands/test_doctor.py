"""The doctor finds what is missing, says the remedy, and keeps passwords to itself."""

from __future__ import annotations

import argparse
import importlib.metadata as packages
from datetime import date
from pathlib import Path

import pytest

from conf.errors import ConfigError
from conf.settings.schema import Settings
from jobs.commands import doctor
from jobs.commands.status import Airflow
from jobs.database import database
from jobs.lake.lake import Lake
from jobs.publish import publish_scores
from jobs.segments import write_segments

DAY = date(2017, 12, 3)


@pytest.fixture
def healthy(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """A machine with all a night needs; the checks that read much or start Java are stood in for."""
    Path(settings.exports, "2017-12-03").mkdir(parents=True)
    Path(settings.home).chmod(0o700)
    for name in ("AIRFLOW_HOME", "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"):
        monkeypatch.delenv(name, raising=False)
    for name in ("Java", "pyspark"):
        monkeypatch.setitem(doctor.CHECKS, name, lambda settings: "stands")
    return settings


def run(settings: Settings, quiet: bool = False) -> int:
    return doctor.command(settings, argparse.Namespace(quiet=quiet))


def test_a_healthy_machine(healthy: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(healthy) == 0
    shown = capsys.readouterr().out
    assert "FAIL" not in shown
    assert [line.split()[1] for line in shown.splitlines()] == list(doctor.CHECKS)


def test_quiet_says_nothing_of_what_holds(healthy: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(healthy, quiet=True) == 0
    assert capsys.readouterr().out == ""


def test_missing_exports(healthy: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    Path(healthy.exports, "2017-12-03").rmdir()
    assert run(healthy, quiet=True) == 1
    shown = capsys.readouterr().out
    assert f"there are no exports in {healthy.exports}" in shown
    assert "run `nbo demo`" in shown


def test_no_java(healthy: Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def none(home: Path) -> Path:
        raise ConfigError("no Java 17 or 21 that Spark accepts; install one")

    monkeypatch.setitem(doctor.CHECKS, "Java", doctor.check_java)
    monkeypatch.setattr(doctor, "java_home", none)
    assert run(healthy) == 1
    assert "FAIL Java        no Java 17 or 21 that Spark accepts" in capsys.readouterr().out


def test_a_home_that_cannot_be_written(settings: Settings, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(doctor.Unwell, match=r"cannot write to .*file/home: Not a directory"):
        doctor.check_home(settings.model_copy(update={"home": str(tmp_path / "file" / "home")}))


def test_a_database_that_is_down_is_named_without_its_password(
    healthy: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    down = healthy.model_copy(update={"database": "postgresql://nbo:canary@127.0.0.1:1/crm"})
    assert run(down) == 1
    shown = capsys.readouterr().out
    assert "PostgreSQL nbo@127.0.0.1:1/crm cannot be reached" in shown
    assert "canary" not in shown


def test_a_home_that_everybody_can_read_is_a_warning(healthy: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    Path(healthy.home).chmod(0o755)
    assert run(healthy, quiet=True) == 0
    shown = capsys.readouterr().out
    assert f"warn privacy     {healthy.home} has mode 755" in shown
    assert f"chmod -R go= {healthy.home}" in shown
    Path(healthy.home).chmod(0o750)
    assert "readable by its group alone" in doctor.check_privacy(healthy.model_copy(update={"readable_by": "group"}))


def test_a_scheduler_that_is_gone_is_a_warning(
    healthy: Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(doctor, "read_airflow", lambda settings: Airflow(["nightly 2017-12-02 (running)"], None))
    assert run(healthy, quiet=True) == 0
    assert "warn Airflow     Airflow's scheduler is not up, and 1 run(s) stand still" in capsys.readouterr().out


def test_a_full_disk(healthy: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "LEAST_GB", 1e9)
    with pytest.raises(doctor.Unwell, match="GB are free"):
        doctor.check_disk(healthy)


def test_a_night_that_is_published_but_not_delivered(healthy: Settings, night: Lake) -> None:
    assert doctor.check_delivery(healthy) == "no night is published yet"
    publish_scores.run(healthy, DAY)
    with pytest.raises(doctor.Unwell, match="newest night is 2017-12-03, the outbox's is None") as info:
        doctor.check_delivery(healthy)
    assert "nbo segments --ds 2017-12-03" in info.value.remedy
    write_segments.run(healthy, DAY)
    assert doctor.check_delivery(healthy) == "newest night 2017-12-03"


def make_package(folder: Path, name: str, text: str = "x = 1\n") -> None:
    """Install a package of one module by hand, with its record."""
    (folder / f"{name}.py").write_text("x = 1\n")
    info = folder / f"{name}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (info / "RECORD").write_text(f"{name}.py,sha256=nia_NpkRxFwkPGhBR7I_yeHc_PJX0pmhxjIBam_NM_Q,6\n")
    (folder / f"{name}.py").write_text(text)


@pytest.mark.parametrize(
    ("text", "changed"), [("x = 1\n", []), ("x = 2\n", ["pyspark.py"]), ("x = 11\n", ["pyspark.py"])]
)
def test_a_changed_file_is_found(tmp_path: Path, text: str, changed: list[str]) -> None:
    make_package(tmp_path, "pyspark", text)
    (result,) = packages.distributions(path=[str(tmp_path)])
    assert doctor.changed_files(result) == changed


def test_a_second_spark_package_is_found(settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_package(tmp_path, "pyspark")
    make_package(tmp_path, "pyspark-client")
    honest = packages.distributions
    monkeypatch.setattr(doctor.packages, "distributions", lambda: honest(path=[str(tmp_path)]))
    with pytest.raises(doctor.Unwell, match="pyspark-client is installed too and writes over") as info:
        doctor.check_pyspark(settings)
    assert "pip uninstall" in info.value.remedy


def test_a_malformed_url_fails_cleanly(healthy: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(healthy.model_copy(update={"database": "mysql://a:canary@b/c"})) == 1
    shown = capsys.readouterr().out
    assert "kind mysql cannot be used" in shown
    assert "canary" not in shown


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "PAUSES", (0.01, 0.01))
