"""An Airflow home of the tests' own, with a migrated metadata database."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

DAGS = Path(__file__).parents[2] / "dags"
# Airflow reads these when it is first imported, so they must stand before any test module imports it
HOME = tempfile.TemporaryDirectory(prefix="nbo-airflow-")
os.environ.update(
    AIRFLOW_HOME=HOME.name,
    AIRFLOW__CORE__DAGS_FOLDER=str(DAGS),
    AIRFLOW__CORE__LOAD_EXAMPLES="False",
    AIRFLOW__CORE__UNIT_TEST_MODE="False",
)


@pytest.fixture(scope="session")
def airflow_db() -> None:
    """Migrate the metadata database once for all DAG tests."""
    subprocess.run(
        [str(Path(sys.executable).parent / "airflow"), "db", "migrate"], check=True, capture_output=True, timeout=180
    )
