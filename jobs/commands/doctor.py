"""Checks what a night needs from its machine, and says the remedy for what is missing."""

from __future__ import annotations

import argparse
import base64
import hashlib
import importlib.metadata as packages
import os
import shutil
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console
from rich.markup import escape

from conf.errors import NboError
from conf.settings.schema import Settings
from jobs.commands.status import read_airflow
from jobs.database import database
from jobs.java import java_home, version
from jobs.lake.lake import Lake

#: free space under which a night is likely to fail, in GB
LEAST_GB = 3
#: larger files are compared by size alone
HASHED_BYTES = 4 << 20


class Unwell(Exception):
    """A check that does not hold, and its remedy; where it does not block, a night would run all the same."""

    def __init__(self, fault: str, remedy: str, blocks: bool = True) -> None:
        """Keep the parts apart."""
        super().__init__(fault)
        self.remedy = remedy
        self.blocks = blocks


def command(settings: Settings, args: argparse.Namespace) -> int:
    """Run ``nbo doctor``: one line a check, and 1 as exit code when a night would fail.

    ``--quiet`` prints faults alone.
    """
    console = Console(highlight=False, soft_wrap=True)
    failed = 0
    for name, check in CHECKS.items():
        try:
            state = check(settings)
        except (Unwell, NboError, OSError) as error:
            blocks = not isinstance(error, Unwell) or error.blocks
            failed += blocks
            remedy = error.remedy if isinstance(error, Unwell) else "see the message"
            console.print(f"{'[red]FAIL[/red]' if blocks else '[yellow]warn[/yellow]'} {name:<12}{escape(str(error))}")
            console.print(f"     {'':<12}remedy: {escape(remedy)}")
        else:
            if not getattr(args, "quiet", False):
                console.print(f"[green]ok[/green]   {name:<12}{escape(state)}")
    return 1 if failed else 0


def check_java(settings: Settings) -> str:
    """Find the Java that Spark will use."""
    home = java_home(Path(settings.home))
    number = version(home)
    if number is None:
        raise Unwell(f"{home} does not start", "install one (Debian: apt install openjdk-17-jre-headless)")
    return f"{number} at {home}"


def check_pyspark(settings: Settings) -> str:
    """Hold pyspark's files to its own record: another package may have written over them."""
    again = "pip uninstall -y pyspark-client pyspark; then install the lock file again"
    installed = {d.name.lower(): d for d in packages.distributions() if d.name.lower().startswith("pyspark")}
    clients = sorted(set(installed) - {"pyspark"})
    if "pyspark" not in installed:
        raise Unwell("pyspark is not installed", "make env")
    if clients:
        raise Unwell(f"{', '.join(clients)} is installed too and writes over files of pyspark", again)
    changed = changed_files(installed["pyspark"])
    if changed:
        raise Unwell(f"{len(changed)} file(s) of pyspark are not as installed, e.g. {changed[0]}", again)
    return installed["pyspark"].version


def check_home(settings: Settings) -> str:
    """Try to write where reports, locks and segment files go."""
    home = Path(settings.home)
    for folder in (home, home / "outbox"):
        try_to_write(folder)
    return str(home)


def check_privacy(settings: Settings) -> str:
    """Look whether others on this machine can read the home: it holds customers' keys."""
    mode = Path(settings.home).stat().st_mode & 0o777
    allowed = 0o700 if settings.readable_by == "owner" else 0o750
    if mode & ~allowed:
        raise Unwell(
            f"{settings.home} has mode {mode:o}: others on this machine can read what lies in it",
            f"chmod -R {'go=' if settings.readable_by == 'owner' else 'o='} {settings.home}",
            blocks=False,
        )
    return f"readable by its {settings.readable_by} alone"


def check_airflow(settings: Settings) -> str:
    """Look for runs that wait for a scheduler that is gone."""
    airflow = read_airflow(settings)
    if airflow is None:
        return "not used in this home"
    still = airflow.stands_still(datetime.now(UTC))
    if still:
        raise Unwell(still, "start it again (`make airflow`): the runs then go on", blocks=False)
    return f"{len(airflow.runs)} run(s) not over"


def check_lake(settings: Settings) -> str:
    """Try to write to the lake, or to reach it where it is no local folder."""
    lake = Lake(settings.lake)
    if lake.local:
        try_to_write(Path(lake.base))
    else:
        lake.fs.get_file_info(lake.base)
    return lake.uri


def check_database(settings: Settings) -> str:
    """Reach the score database, without its password in any message."""
    where = database.describe(settings.database)
    if where.startswith("SQLite"):
        try_to_write(Path(where.removeprefix("SQLite ")).parent)
    with database.connect(settings.database) as connection:
        connection.exec_driver_sql("select 1")
    return where


def check_exports(settings: Settings) -> str:
    """Look for the CRM's drops."""
    folder = Path(settings.exports)
    if not folder.is_dir() or not any(folder.iterdir()):
        raise Unwell(f"there are no exports in {folder}", "let the CRM drop them there, set exports, or run `nbo demo`")
    return str(folder)


def check_disk(settings: Settings) -> str:
    """Look for room."""
    free = shutil.disk_usage(settings.home).free / 1e9
    if free < LEAST_GB:
        raise Unwell(f"{free:.1f} GB are free at {settings.home}", f"make {LEAST_GB} GB of room, e.g. by `nbo sweep`")
    return f"{free:,.0f} GB free"


def check_delivery(settings: Settings) -> str:
    """Compare the newest published night with the files people pick up: a crash may have come between."""
    latest = Path(settings.home, "outbox", "latest")
    newest = database.newest(settings.database)
    delivered = os.readlink(latest) if latest.is_symlink() else None
    if newest and delivered != str(newest):
        raise Unwell(
            f"the database's newest night is {newest}, the outbox's is {delivered}",
            f"nbo segments --ds {newest}; nbo report --ds {newest}",
        )
    return f"newest night {newest}" if newest else "no night is published yet"


def try_to_write(folder: Path) -> None:
    """Write a file into ``folder`` and remove it.

    Raises:
        Unwell: that is not possible.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as stream:
            stream.write(b"nbo")
    except OSError as error:
        raise Unwell(
            f"cannot write to {folder}: {error.strerror}", "give the user rights there, or set NBO_HOME"
        ) from None


def changed_files(package: packages.Distribution) -> list[str]:
    """Return the package's files that are gone or are not what its record says."""
    changed = []
    for file in package.files or []:
        path = Path(str(file.locate()))
        if file.hash is None or file.suffix == ".pyc":
            continue
        size = path.stat().st_size if path.exists() else -1
        if file.size is not None and size != file.size:
            changed.append(str(file))
        elif 0 <= size <= HASHED_BYTES:
            digest = hashlib.new(file.hash.mode, path.read_bytes()).digest()
            if base64.urlsafe_b64encode(digest).decode().rstrip("=") != file.hash.value:
                changed.append(str(file))
    return changed


CHECKS: dict[str, Callable[[Settings], str]] = {
    "Java": check_java,
    "pyspark": check_pyspark,
    "home": check_home,
    "privacy": check_privacy,
    "lake": check_lake,
    "database": check_database,
    "exports": check_exports,
    "disk": check_disk,
    "delivery": check_delivery,
    "Airflow": check_airflow,
}
