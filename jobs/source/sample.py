"""Copies the newest exports of a source, or their first rows, into a folder of their own."""

from __future__ import annotations

import gzip
import shutil
from datetime import date, timedelta
from pathlib import Path

from conf.errors import DataError
from conf.settings.exports import Export
from conf.settings.schema import Settings
from jobs.ingest.exports import Drop
from jobs.ingest.unpack import Piece, chunks

#: days before today in which a drop is looked for
PAST = 3650


def newest_day(settings: Settings, today: date) -> date:
    """Return the newest day on which an export with a day in its name came; the day before ``today`` without one.

    Raises:
        DataError: there is no file at all.
    """
    root = Path(settings.exports)
    dated = [export for export in settings.source.exports.values() if export.dated]
    standing = [export for export in settings.source.exports.values() if not export.dated]
    for back in range(PAST if dated else 0):
        day = today - timedelta(days=back)
        if any(next(root.glob(export.pattern(day)), None) for export in dated):
            return day
    if any(export.path is None or next(root.glob(export.path), None) for export in standing):
        return today - timedelta(days=1)
    paths = ", ".join(export.path or "" for export in settings.source.exports.values())
    raise DataError(f"no export lies in {root}; looked for {paths}; mend `exports` of the settings or the paths")


def copy_sample(settings: Settings, day: date, rows: int, target: Path) -> tuple[date, dict[str, str]]:
    """Copy the newest file of every export up to ``day``.

    Args:
        settings: the installation.
        day: the night to try.
        rows: lines of a text file to copy; other files are copied whole.
        target: folder for the copies.

    Returns:
        The first day that has a file, and of each export what was taken, in words.
    """
    root, first, taken = Path(settings.exports), day, {}
    for name, export in settings.source.exports.items():
        if export.path is None:
            taken[name] = f"the query on the database of {export.database.url if export.database else ''}"
            continue
        files, on = _newest(root, export, day)
        if not files:
            taken[name] = "NO FILE: none matches " + export.path
            continue
        cut = 0
        for path in files:
            copy = target / path.relative_to(root)
            copy.parent.mkdir(parents=True, exist_ok=True)
            cut += _copy(path, export, rows, copy)
        first = min(first, on)
        names = ", ".join(str(path.relative_to(root)) for path in files[:3])
        taken[name] = names + (f", the first {rows:,} lines" if cut else "")
    return first, taken


def _newest(root: Path, export: Export, day: date) -> tuple[list[Path], date]:
    for back in range(PAST if export.dated else 1):
        on = day - timedelta(days=back)
        paths = sorted(path for path in root.glob(export.pattern(on)) if path.is_file())
        if paths:
            return paths, on
    return [], day


def _copy(path: Path, export: Export, rows: int, target: Path) -> bool:
    """Copy a file, of plain or gzip text the beginning; return whether the end was left out."""
    if export.format not in ("csv", "jsonl") or path.suffix == ".zip" or "utf-16" in export.csv.encoding.lower():
        shutil.copyfile(path, target)
        return False
    drop = Drop("", date.min, path.name, path, path.stat().st_size, 0, "")
    lines = quotes = 0
    quote = export.csv.quote.encode("ascii", "ignore") if export.format == "csv" else b""
    with gzip.open(target, "wb") if path.name.endswith(".gz") else target.open("wb") as copy:
        for chunk in chunks(Piece(drop), export):
            for line in chunk.splitlines(keepends=True):
                copy.write(line)
                lines += line.endswith(b"\n")
                quotes += line.count(quote) if quote else 0
                if lines > rows and line.endswith(b"\n") and quotes % 2 == 0:
                    return True
    return False
