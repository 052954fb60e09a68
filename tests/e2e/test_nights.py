"""A whole night on a slice of the demonstration: repeated, and killed in the middle of every stage.

``NBO_NIGHT_HOME`` names a home in which ``make nightly`` has left such a night; without it the night is made here.
"""

from __future__ import annotations

import csv
import hashlib
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import pytest
import yaml

from conf.settings.load import DEFAULT, load
from jobs.child import command
from jobs.lake.lake import Lake
from jobs.lake.manifest import Manifest
from jobs.stages import Stage

pytestmark = pytest.mark.night
NIGHT = date(2017, 12, 3)
HOUSEHOLDS = "120"


@dataclass(frozen=True)
class Installation:
    """A home with its configuration, worked on as a user would: by the command line."""

    home: Path
    conf: Path

    @property
    def lake(self) -> Lake:
        return Lake(str(self.home / "lake"))

    @property
    def environment(self) -> dict[str, str]:
        return {**os.environ, "NBO_HOME": str(self.home), "NBO_CONF": str(self.conf), "PYTHONWARNINGS": "ignore"}

    def nbo(self, *arguments: str) -> str:
        line = [sys.executable, "-m", "jobs.cli", *arguments]
        done = subprocess.run(line, env=self.environment, capture_output=True, text=True, check=False, timeout=600)
        assert done.returncode == 0, f"nbo {' '.join(arguments)}: {done.returncode}\n{done.stderr[-20000:]}"
        return done.stdout + done.stderr

    def manifest(self, stage: Stage, day: date) -> Manifest:
        return self.lake.need(stage, day)


def small_models(folder: Path) -> Path:
    """Copy the shipped configuration, with small models."""
    shutil.copytree(DEFAULT.parent, folder, ignore=shutil.ignore_patterns("*.py", "__pycache__"))
    models = yaml.safe_load((folder / "models.yml").read_text())
    models |= {"train_windows": 2, "max_epochs": 3, "bootstrap_rounds": 200, "characteristic_min_buyers": 30}
    (folder / "models.yml").write_text(yaml.safe_dump(models))
    return folder / "nbo.yml"


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> Installation:
    """An installation with one night."""
    given = os.environ.get("NBO_NIGHT_HOME")
    if given:
        return Installation(Path(given), DEFAULT)
    made = Installation(tmp_path_factory.mktemp("home"), small_models(tmp_path_factory.mktemp("conf") / "conf"))
    made.nbo("demo", "--households", HOUSEHOLDS)
    made.nbo("nightly", "--ds", str(NIGHT))
    return made


def killed_in_the_middle(made: Installation, stage: Stage, day: date, wait: float, *options: str) -> bool:
    """Start a stage, kill it ``wait`` seconds after it began its work, and tell whether it was still running."""
    child = subprocess.Popen(
        [*command(stage, str(day)), *options], env=made.environment, stderr=subprocess.PIPE, text=True
    )
    assert child.stderr is not None
    for line in child.stderr:
        if "started" in line:
            break
    time.sleep(wait)
    child.send_signal(signal.SIGKILL)
    child.stderr.read()
    return child.wait() == -signal.SIGKILL


def test_a_night_leaves_scores_files_and_a_report(reference: Installation) -> None:
    with sqlite3.connect(reference.home / "nbo.db") as database:
        customers, offers = database.execute("select customers, offers from nightly_runs").fetchone()
        (current,) = database.execute("select count(*) from current_next_best_offer").fetchone()
        (fewest,) = database.execute(
            "select min(n) from (select count(distinct offer_id) n from next_best_offer group by customer_id)"
        ).fetchone()
    assert customers > 100
    assert current == offers == 5 * customers
    assert fewest == 5
    assert (reference.home / "reports" / str(NIGHT) / "index.html").stat().st_size > 20_000
    assert reference.manifest(Stage.TRAIN, NIGHT).facts["foreseen"] == {}  # no input knows later days


def test_no_file_holds_a_customer_who_may_not_be_contacted(reference: Installation) -> None:
    with sqlite3.connect(reference.home / "nbo.db") as database:
        told = database.execute("select customer_id, treatment, contactable from customer_scores").fetchall()
    policy = load(reference.conf).policy
    barred = {who for who, _, contactable in told if not contactable}
    control = {
        who
        for who, _, _ in told
        if int(hashlib.sha256(f"{policy.control_salt}:{who}".encode()).hexdigest()[:8], 16) / 2**32
        < policy.control_share
    }
    assert control == {who for who, treatment, _ in told if treatment == "control"}
    folder = reference.home / "outbox" / str(NIGHT)
    files = json.loads((folder / "manifest.json").read_text())["files"]
    listed = []
    for file in files:
        with (folder / file["file"]).open(encoding="utf-8-sig", newline="") as stream:
            rows = [row["customer_id"] for row in csv.DictReader(stream)]
        assert len(rows) == file["rows"]
        listed += rows
    assert len(control) > 2
    assert set(listed) <= {who for who, *_ in told} - control - barred
    assert len(set(listed)) > 20
    assert sum(file["suppressed"].get("control group", 0) for file in files) > 0
    assert max(Counter(listed).values()) <= policy.max_contacts


def test_the_same_night_again_changes_nothing(reference: Installation) -> None:
    before = {stage: reference.manifest(stage, NIGHT) for stage in Stage}
    reference.nbo("nightly", "--ds", str(NIGHT))
    assert {stage: reference.manifest(stage, NIGHT) for stage in Stage} == before


@pytest.mark.parametrize("stage", list(Stage), ids=str)
def test_killed_in_the_middle_the_old_version_stays_and_a_rerun_gives_equal_rows(
    reference: Installation, stage: Stage, capsys: pytest.CaptureFixture[str]
) -> None:
    before = reference.manifest(stage, NIGHT)
    if stage is Stage.TRAIN:  # a forced one only pins its champions, once they are trained
        killed = killed_in_the_middle(reference, stage, NIGHT, 15.0, "--retrain")
    else:
        killed = killed_in_the_middle(reference, stage, NIGHT, min(before.seconds * 0.5, 5.0), "--force")
    if killed:  # a stage that takes a fraction of a second may have come through before the signal
        assert reference.manifest(stage, NIGHT) == before
        with capsys.disabled():
            print(f"\n{stage} was killed in the middle")
    reference.nbo(str(stage), "--ds", str(NIGHT), "--force")
    after = reference.manifest(stage, NIGHT)
    assert after.version != before.version
    assert {name: table.content for name, table in after.tables.items()} == {
        name: table.content for name, table in before.tables.items()
    }
    assert killed or before.seconds < 3


def test_a_customer_s_offers_are_printed_with_reasons(reference: Installation) -> None:
    with sqlite3.connect(reference.home / "nbo.db") as database:
        (customer,) = database.execute("select max(customer_id) from customer_scores").fetchone()
    assert customer in reference.nbo("offers", customer)
