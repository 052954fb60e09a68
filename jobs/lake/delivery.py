"""Puts files where people pick them up, whole or not at all: a reader finds the old ones or the new ones."""

from __future__ import annotations

import os
import re
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from conf.errors import NboError

VERSIONS = ".versions"


@contextmanager
def new_folder(root: Path, name: str) -> Iterator[Path]:
    """Yield an empty folder that becomes ``root/name`` when the block ends well, by one atomic step.

    ``root/name`` is a symbolic link into ``root/.versions``; what earlier runs left there is removed.

    Raises:
        NboError: the disk refuses to write; what was delivered before stays.
    """
    aside = root / VERSIONS / f"{name}-{uuid.uuid4().hex[:8]}"
    try:
        aside.mkdir(parents=True)
        yield aside
        for file in sorted(aside.iterdir()):
            _sync(file)
        _sync(aside)
        link(root / name, aside.relative_to(root))
    except OSError as error:
        shutil.rmtree(aside, ignore_errors=True)
        raise NboError(
            f"cannot write {root / name}: {error.strerror}; make room or rights there and run again "
            "(what was delivered before is untouched)"
        ) from None
    except BaseException:
        shutil.rmtree(aside, ignore_errors=True)
        raise
    for old in (root / VERSIONS).glob(f"{name}-*"):
        if old != aside:
            shutil.rmtree(old, ignore_errors=True)


def new_file(place: Path, content: str) -> None:
    """Write a text file that a reader finds as it was or as it is now.

    Raises:
        NboError: the disk refuses to write; the old file stays.
    """
    aside = place.with_name(f".{place.name}-{uuid.uuid4().hex[:8]}")
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        aside.write_text(content, encoding="utf-8")
        _sync(aside)
        os.replace(aside, place)
        _sync(place.parent)
    except OSError as error:
        aside.unlink(missing_ok=True)
        raise NboError(
            f"cannot write {place}: {error.strerror}; make room or rights there and run again (the old file stays)"
        ) from None


def link(place: Path, target: Path) -> None:
    """Make ``place`` a link to ``target`` (relative to its folder), in one step also where it was one before."""
    aside = place.with_name(f".{place.name}-{uuid.uuid4().hex[:8]}")
    os.symlink(target, aside)
    try:
        os.replace(aside, place)
    except OSError:
        aside.unlink(missing_ok=True)
        raise
    _sync(place.parent)


def link_newest(root: Path, name: str = "latest") -> None:
    """Let ``root/latest`` point to the newest night's folder."""
    nights = sorted(p.name for p in root.iterdir() if re.fullmatch(r"\d{4}-\d\d-\d\d", p.name))
    if nights:
        link(root / name, Path(nights[-1]))


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
