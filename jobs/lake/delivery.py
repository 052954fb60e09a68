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
    temporary = root / VERSIONS / f"{name}-{uuid.uuid4().hex[:8]}"
    try:
        temporary.mkdir(parents=True)
        yield temporary
        for file in sorted(temporary.iterdir()):
            _sync(file)
        _sync(temporary)
        link(root / name, temporary.relative_to(root))
    except OSError as error:
        shutil.rmtree(temporary, ignore_errors=True)
        raise NboError(
            f"cannot write {root / name}: {error.strerror}; make room or rights there and run again "
            "(what was delivered before is untouched)"
        ) from None
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise
    for old in (root / VERSIONS).glob(f"{name}-*"):
        if old != temporary:
            shutil.rmtree(old, ignore_errors=True)


def new_file(place: Path, content: str) -> None:
    """Write a text file that a reader finds as it was or as it is now.

    Raises:
        NboError: the disk refuses to write; the old file stays.
    """
    temporary = place.with_name(f".{place.name}-{uuid.uuid4().hex[:8]}")
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_text(content, encoding="utf-8")
        _sync(temporary)
        os.replace(temporary, place)
        _sync(place.parent)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise NboError(
            f"cannot write {place}: {error.strerror}; make room or rights there and run again (the old file stays)"
        ) from None


def link(place: Path, target: Path) -> None:
    """Make ``place`` a link to ``target`` (relative to its folder), in one step also where it was one before."""
    temporary = place.with_name(f".{place.name}-{uuid.uuid4().hex[:8]}")
    os.symlink(target, temporary)
    try:
        os.replace(temporary, place)
    except OSError:
        temporary.unlink(missing_ok=True)
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
