"""Runs one stage of one night: lock, freshness, timing, and the manifest of what was published and from what."""

from __future__ import annotations

import fcntl
import logging
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path

import psutil

from conf.errors import LockedError
from conf.settings.schema import Settings
from jobs.lake.fingerprint import code_of, fingerprint, settings_hash
from jobs.lake.lake import Draft, Lake
from jobs.lake.manifest import Manifest
from jobs.lake.reads import settings_of
from jobs.stages import Stage

log = logging.getLogger(__name__)
#: seconds a lock is waited for: a killed task's child needs a moment to die
LOCK_WAIT = 15.0


def publish(
    settings: Settings,
    stage: Stage,
    day: date,
    inputs: dict[str, str],
    build: Callable[[Draft], None],
    force: bool = False,
    still_there: Callable[[Manifest], bool] = lambda manifest: True,
) -> Manifest:
    """Run ``build`` and publish what it drafts, unless the published version has the same fingerprint.

    Args:
        settings: what :func:`jobs.lake.reads.settings_of` leaves of the installation's.
        stage: the stage that publishes.
        day: the night.
        inputs: name -> content hash of everything the stage reads.
        build: writes tables and facts into the draft.
        force: run even when nothing changed.
        still_there: returns whether what the stage wrote outside the lake is still as it left it.

    Raises:
        LockedError: another process works on the same night.
        ValueError: the settings hold more than the stage declares.
    """
    if settings != settings_of(stage, settings):
        raise ValueError(f"stage {stage} must run on settings_of(Stage.{stage.name}, settings), not on all settings")
    lake = Lake(settings.lake)
    with lock(settings, day):
        wanted = fingerprint(settings, stage, day, inputs)
        current = lake.manifest(stage, day)
        if current and not force and current.fingerprint == wanted and still_there(current):
            log.info("%s %s: nothing changed, the published version stays", stage, day)
            return current
        log.info("%s %s: started", stage, day)
        started = time.monotonic()
        with lake.draft(stage, day) as draft:
            build(draft)
            manifest = draft.commit(
                Manifest(
                    stage=str(stage),
                    ds=str(day),
                    version="",
                    fingerprint=wanted,
                    code_version=code_of(stage),
                    config_hash=settings_hash(settings, stage),
                    inputs=inputs,
                    seconds=time.monotonic() - started,
                    cpu_seconds=cpu_seconds(),
                    peak_mb=peak_mb(),
                )
            )
    rows = ", ".join(f"{name} {table.rows:,}" for name, table in sorted(manifest.tables.items()))
    used = f"{manifest.seconds:.1f} s ({manifest.cpu_seconds:.0f} CPU s, {manifest.peak_mb:,.0f} MB)"
    log.info("%s %s: published in %s%s", stage, day, used, f"; rows: {rows}" if rows else "")
    return manifest


@contextmanager
def lock(settings: Settings, day: date) -> Iterator[None]:
    """Hold the lock of a night; it frees itself when the process dies.

    Raises:
        LockedError: it is held by another process for longer than ``LOCK_WAIT`` seconds.
    """
    file = Path(settings.home, "locks", f"{day}.lock")
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("a+") as handle:
        deadline = time.monotonic() + LOCK_WAIT
        while True:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    handle.seek(0)
                    owner = handle.read().strip() or "unknown"
                    raise LockedError(f"the night {day} is locked by process {owner}; wait for it or end it") from None
                time.sleep(0.2)
        handle.truncate(0)
        handle.write(str(os.getpid()))
        handle.flush()
        yield


def peak_mb() -> float:
    """Return the peak resident memory of this process and its living children (the JVM), in MB."""
    total = 0.0
    for process in [psutil.Process(), *psutil.Process().children(recursive=True)]:
        try:
            status = Path(f"/proc/{process.pid}/status").read_text()
            total += next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM")) / 1024
        except (OSError, StopIteration, psutil.Error):
            continue
    return total


def cpu_seconds() -> float:
    """Return the CPU seconds that this process and its children (the JVM) have used, start-up included."""
    times = [process.cpu_times() for process in (psutil.Process(), *psutil.Process().children(recursive=True))]
    return sum(time.user + time.system + time.children_user + time.children_system for time in times)
