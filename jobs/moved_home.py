"""A home that was moved or copied: MLflow's own database holds absolute paths, which have to follow it.

Airflow's do too, in ``airflow.cfg``; there the environment wins, and the Makefile sets it.
"""

from __future__ import annotations

import logging
import sqlite3
from contextlib import closing
from pathlib import Path

from conf.settings.schema import Settings

log = logging.getLogger(__name__)
#: columns of MLflow's database that hold absolute paths
PLACES = (
    ("experiments", "artifact_location"),
    ("runs", "artifact_uri"),
    ("logged_models", "artifact_location"),
    ("model_versions", "storage_location"),
)
ARTIFACTS = "mlartifacts"
EXPERIMENT = "nbo"


def follow_home(settings: Settings) -> str | None:
    """Let the paths in the home's MLflow database follow the home, and return where it was, or None.

    Otherwise a night in a moved home would read the models of the old place and write its own there. A tracking server,
    or a database outside the home, is left alone.
    """
    home = Path(settings.home).resolve()
    file = Path(settings.mlflow.removeprefix("sqlite:///"))
    if not (settings.mlflow.startswith("sqlite:///") and file.is_file() and file.resolve().is_relative_to(home)):
        return None
    new = (home / ARTIFACTS).as_uri()
    with closing(sqlite3.connect(file, timeout=20)) as connection:
        old = _location(connection)
        if old is None or old == new or not old.endswith(f"/{ARTIFACTS}"):
            return None
        with connection:
            for table, column in PLACES:
                connection.execute(
                    f"update {table} set {column} = ? || substr({column}, ?) where {column} = ? or {column} like ?",
                    (new, len(old) + 1, old, f"{old}/%"),
                )
    place = old.removeprefix("file://").removesuffix(f"/{ARTIFACTS}")
    log.warning("the home was %s and is %s now: MLflow's paths follow it", place, home)
    return place


def _location(connection: sqlite3.Connection) -> str | None:
    try:
        row = connection.execute("select artifact_location from experiments where name = ?", (EXPERIMENT,)).fetchone()
    except sqlite3.OperationalError:  # MLflow has not made its tables yet
        return None
    return row[0] if row else None
