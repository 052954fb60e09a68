"""Fixtures that all tests share."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from conf.settings.load import load
from conf.settings.schema import Settings, Spark

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

# pyspark takes a worker of pytest-xdist, whose main module has no file, for its own doctests and ends the process
if not hasattr(sys.modules["__main__"], "__file__"):
    sys.modules["__main__"].__file__ = __file__

#: public data sets for tests and benchmarks; tests that need one are skipped, and say so, where it is absent
DATA = Path(os.environ.get("NBO_DATA", Path(__file__).parents[2] / "shared" / "data"))


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """The shipped settings in a home of the test's own."""
    monkeypatch.setenv("NBO_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("NBO_DATABASE_URL", raising=False)
    loaded = load()
    return loaded.model_copy(update={"spark": Spark(master="local[2]", driver_memory="1g", shuffle_partitions=2)})


@pytest.fixture(scope="session")
def spark(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SparkSession]:
    """One Spark session for the whole run, started by the first test that asks."""
    from jobs.spark import session

    home = tmp_path_factory.mktemp("spark")
    before = os.environ.get("NBO_HOME")
    os.environ["NBO_HOME"] = str(home)
    try:
        # on tiny tables the second compiler costs more than what it compiles; the first alone has too small a cache
        lean = "-XX:+UseSerialGC -XX:TieredStopAtLevel=1 -XX:ReservedCodeCacheSize=384m"
        options = {"spark.driver.extraJavaOptions": lean}
        small = Spark(master="local[2]", driver_memory="1g", shuffle_partitions=2, conf=options)
        started = session(load().model_copy(update={"spark": small}), "tests")
    finally:
        os.environ.pop("NBO_HOME")
        if before is not None:
            os.environ["NBO_HOME"] = before
    yield started
    started.stop()


@pytest.fixture
def data() -> Path:
    """The folder of public data sets, or a skip that says where it was looked for."""
    if not DATA.is_dir():
        pytest.skip(f"public data sets are not at {DATA}; set NBO_DATA")
    return DATA


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say how many bad inputs and faults the run has tried."""
    passed = [report.nodeid for report in terminalreporter.stats.get("passed", []) if report.when == "call"]
    bad = sum("test_bad_exports" in name for name in passed)
    faults = sum(
        any(word in name for word in ("kill", "full_disk", "terminated", "locked", "server")) for name in passed
    )
    terminalreporter.write_line(
        f"bad exports tried: {bad}; tests with kills, lost connections, locks and full disks: {faults}"
    )


@pytest.fixture
def killed_after(monkeypatch: pytest.MonkeyPatch) -> Callable[[int, Callable[[], Any]], None]:
    """Return what does some work and breaks it off when as many epochs have left their state."""

    from training.networks import loop

    def killed(epochs: int, work: Callable[[], Any]) -> None:
        saved, done = loop._save, []

        def save(*arguments: Any) -> None:
            saved(*arguments)
            done.append(1)
            if len(done) == epochs:
                raise KeyboardInterrupt

        with monkeypatch.context() as patched:
            patched.setattr(loop, "_save", save)
            work()

    return killed
