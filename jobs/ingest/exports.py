"""Finds the files the CRM dropped for a night, and names those that are missing or cannot be opened."""

from __future__ import annotations

import hashlib
import os
import stat
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

from conf.errors import ConfigError, DataError, TransientError
from conf.settings.schema import Settings
from jobs.inputs.export_calendar import days, due


@dataclass(frozen=True)
class Drop:
    """A dropped file as it was when it was found; ``name`` is its path within the export folder.

    A file that grows or is replaced counts as dropped on the night that reads it.
    """

    export: str
    day: date
    name: str
    path: Path
    bytes: int
    mtime_ns: int
    sha256: str


def find(settings: Settings, since: date | None, until: date) -> tuple[list[Drop], list[str]]:
    """Look up the drops after ``since`` (None: from the first) up to and including ``until``.

    Returns:
        The files in the order of export, day and name, and the faults found, each with its remedy.

    Raises:
        ConfigError: ``until`` lies before the source's first drop.
        DataError: there is no export folder.
    """
    root, source = Path(settings.exports), settings.source
    if until < source.history_starts:
        raise ConfigError(f"the night {until} lies before the first drop; history_starts is {source.history_starts}")
    if not root.is_dir():
        raise DataError(
            f"there is no export folder {root}; mount it, mend `exports` in the settings, "
            "or lay out the demonstration with `nbo demo`"
        )
    first = since + timedelta(days=1) if since else source.history_starts
    drops: list[Drop] = []
    faults: list[str] = []
    for name, export in source.exports.items():
        if export.path is None:
            continue
        for day in days(first, until) if export.dated else [until]:
            paths = sorted(root.glob(export.pattern(day)))
            if not paths and due(export, source, day):
                faults.append(
                    f"{export.pattern(day)}: there is no such file, and {name} is due ({export.schedule}); "
                    "ask for the file, or list the day under closed_days, closed_weekdays or skipped_days"
                )
            for path in paths:
                try:
                    drops.append(_take(name, day, path, root))
                except DataError as fault:
                    faults.append(str(fault))
    return drops, faults


def open_drop(path: Path) -> int:
    """Open a file for reading without waiting for a pipe's writer, and return its descriptor.

    Raises:
        DataError: it is no regular file.
    """
    handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise DataError("is no regular file (a folder, pipe or device); put the export itself there")
    return handle


def refuse_changed(drops: list[Drop]) -> None:
    """Check that no file was touched since it was found.

    Raises:
        TransientError: some were; the CRM is still writing.
    """
    changed = []
    for drop in drops:
        try:
            now = drop.path.stat()
            same = (now.st_size, now.st_mtime_ns) == (drop.bytes, drop.mtime_ns)
        except OSError:
            same = False
        if not same:
            changed.append(drop.name)
    if changed:
        raise TransientError(
            f"changed while they were read: {', '.join(changed)}; the CRM is still writing, try again later"
        )


def _take(export: str, day: date, path: Path, root: Path) -> Drop:
    name = str(path.relative_to(root))
    if not path.resolve().is_relative_to(root.resolve()):
        raise DataError(f"{name}: leads out of the export folder; put the file itself there, not a link")
    try:
        with open(open_drop(path), "rb") as stream:
            status = os.fstat(stream.fileno())
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
    except DataError as fault:
        raise DataError(f"{name}: {fault}") from None
    except OSError as error:
        raise DataError(f"{name}: cannot be read ({error.strerror}); mend its permissions") from None
    return Drop(export, day, name, path, status.st_size, status.st_mtime_ns, digest)
