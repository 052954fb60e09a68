"""Writes segment files, their changes since the night before, manifest and README into a folder."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from datetime import date
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from conf.settings.schema import Segment, Settings
from jobs.segments.select_files import delivered, identifiers
from scoring.segments.file_changes import changes
from scoring.segments.segment_files import IDENTIFIERS, Selection, columns, neutralised

#: note on contacts in every file's manifest, by the standing of the night
NOTES = {
    "fresh": "Who is in a file counts as contacted.",
    "late": "The night went out before, and is written again later: what was recorded stays, nothing is added.",
    "replay": "The night was replayed: nobody was contacted, and nothing counts as a contact.",
}
#: columns of the file for machines; the file for people has all of them
IMPORTED = (
    "customer_id", *IDENTIFIERS, "segment", "offer_id", "offer_title", "channel", "valid_to", "utm_source",
    "utm_medium", "utm_campaign", "utm_content",
)  # fmt: skip
README = """Segment files of the night {ds} ({title}, currency {currency})

A file holds customers that may be contacted. Control customers, customers without consent and customers who heard
from us too often are left out; manifest.json says how many. {note}

Open a file in a spreadsheet as UTF-8 with the delimiter "{delimiter}". A text that a spreadsheet would run as a
formula has an apostrophe before it. For a tool that imports customers take the file that ends in _import.csv: it is
exact, without apostrophes. The file that ends in _changes.csv says who joined, left and stayed since the night before.

Probabilities are between 0 and 1. Money that an offer brings rests on assumed
margins and costs.

{segments}

Columns
{columns}
"""


def write(
    folder: Path,
    settings: Settings,
    day: date,
    selections: dict[str, Selection],
    before: dict[str, list[str]],
    scores_content: str,
    standing: str,
) -> dict[str, Any]:
    """Write files, their changes, manifest and README into ``folder`` and return the manifest."""
    files = [
        _write_file(folder, settings, day, s, selections[s.slug])
        | _write_changes(folder, settings, day, s, before.get(s.slug, []), selections[s.slug])
        for s in delivered(settings)
    ]
    manifest = {
        "ds": str(day),
        "source": settings.source.name,
        "scores_content": scores_content,
        "live": standing != "replay",
        "note": NOTES[standing],
        "files": files,
    }
    (folder / "manifest.json").write_text(json.dumps(manifest, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    (folder / "README.txt").write_text(_readme(settings, day, files, NOTES[standing]), encoding="utf-8")
    return manifest


def is_whole(folder: Path) -> bool:
    """Return whether every file in the folder's manifest is there, byte for byte."""
    try:
        files = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))["files"]
        names = [(f"{kind}file", f"{kind}sha256") for kind in ("", "changes_", "import_")]
        return all(_sha256(folder / file[name]) == file[digest] for file in files for name, digest in names)
    except (OSError, ValueError, KeyError):
        return False


def _write_file(folder: Path, settings: Settings, day: date, segment: Segment, selection: Selection) -> dict[str, Any]:
    path = folder / f"segment_{segment.slug}_{day}.csv"
    frame = _write_csv(path, settings, neutralised(selection.rows))
    return {
        "slug": segment.slug,
        "title": segment.title,
        "about": segment.about,
        "file": path.name,
        "rows": len(frame),
        "columns": list(frame.columns),
        "sha256": _sha256(path),
        **_write_import(folder, day, segment, selection),
        "suppressed": selection.suppressed,
        "expected_value": _total(selection.rows, "expected_value"),
    }


def _write_import(folder: Path, day: date, segment: Segment, selection: Selection) -> dict[str, Any]:
    """Write the columns that a tool imports, exact: no apostrophes, no byte order mark, commas."""
    path = folder / f"segment_{segment.slug}_{day}_import.csv"
    rows = selection.rows.select([name for name in selection.rows.schema.names if name in IMPORTED])
    frame = rows.to_pandas(types_mapper=pd.ArrowDtype)
    frame.to_csv(path, index=False, encoding="utf-8", lineterminator="\r\n")
    return {"import_file": path.name, "import_sha256": _sha256(path)}


def _write_changes(
    folder: Path, settings: Settings, day: date, segment: Segment, before: list[str], selection: Selection
) -> dict[str, Any]:
    """Write who joined, left and stayed since the night before; keys are exact, for the tool that imports them."""
    path = folder / f"segment_{segment.slug}_{day}_changes.csv"
    rows = changes(before, selection.rows["customer_id"].to_pylist())
    _write_csv(path, settings, rows)
    counted = dict(sorted(Counter(rows["change"].to_pylist()).items()))
    return {"changes_file": path.name, "changes_sha256": _sha256(path), "changes": counted}


def _write_csv(path: Path, settings: Settings, rows: pa.Table) -> pd.DataFrame:
    frame = rows.to_pandas(types_mapper=pd.ArrowDtype)
    frame.to_csv(
        path,
        sep=settings.segments.delimiter,
        index=False,
        encoding="utf-8-sig" if settings.segments.bom else "utf-8",
        lineterminator="\r\n",
    )
    return frame


def _total(rows: pa.Table, column: str) -> float | None:
    """Return the sum of a column, or None where the file lacks it."""
    return round(pc.sum(rows[column]).as_py() or 0.0, 2) if column in rows.schema.names else None


def _readme(settings: Settings, day: date, files: list[dict[str, Any]], note: str) -> str:
    about_column = {
        c.name: c.about for segment in delivered(settings) for c in columns(segment, identifiers(settings)).values()
    }
    return README.format(
        ds=day,
        title=settings.source.title,
        currency=settings.source.currency,
        note=note,
        delimiter=settings.segments.delimiter,
        segments="\n\n".join(f"{f['title']} ({f['rows']:,} customers)\n  {f['file']}\n  {f['about']}" for f in files),
        columns="\n".join(f"  {name}: {about}" for name, about in about_column.items()),
    )


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
