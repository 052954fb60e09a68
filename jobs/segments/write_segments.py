"""Segments: the marketers' files of a night, delivered as one folder or not at all.

Files hold only customers who may be contacted: treated, with consent, within the contact limits. A customer of several
files stays in the first ones, as far as the limit allows.
"""

from __future__ import annotations

import hashlib
import json
import logging
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as pads

from conf.errors import DataError
from conf.settings.schema import Identifier, Segment, Settings
from jobs.database import database
from jobs.database.contacts import contacts, earlier, is_fresh, is_live, local_day, record
from jobs.lake.delivery import link_newest, new_folder
from jobs.lake.facts import SegmentsFacts
from jobs.lake.lake import Draft, Lake
from jobs.lake.manifest import Manifest
from jobs.lake.night import publish
from jobs.lake.reads import settings_of
from jobs.stages import Stage
from scoring.segments.audiences import SEED
from scoring.segments.contact_limits import within_limit
from scoring.segments.segment_files import Selection, columns, neutralised, select

log = logging.getLogger(__name__)
#: note on contacts in every file's manifest, by the standing of the night
NOTES = {
    "fresh": "Who is in a file counts as contacted.",
    "late": "The night went out before, and is written again later: what was recorded stays, nothing is added.",
    "replay": "The night was replayed: nobody was contacted, and nothing counts as a contact.",
}
README = """Segment files of the night {ds} ({title}, currency {currency})

A file holds customers that may be contacted. Control customers, customers without consent and customers who heard
from us too often are left out; manifest.json says how many. {note}

Open a file in a spreadsheet as UTF-8 with the delimiter "{delimiter}". A text that a spreadsheet would run as a
formula has an apostrophe before it. Probabilities are between 0 and 1. Money that an offer brings rests on assumed
margins and costs.

{segments}

Columns
{columns}
"""


def run(settings: Settings, day: date, force: bool = False) -> Manifest:
    """Deliver the segment files of ``day`` under ``{home}/outbox/<day>/``; equal scores give equal bytes.

    Raises:
        ConfigError: a segment's rule is no plain condition.
        DataError: the night is not scored, or the channel needs identifiers that the source lacks.
        NboError: the disk refuses to write.
    """
    settings = settings_of(Stage.SEGMENTS, settings)
    lake = Lake(settings.lake)
    scores = lake.need(Stage.SCORE, day)
    outbox = Path(settings.home, "outbox")

    def build(draft: Draft) -> None:
        offers = lake.dataset("scores/next_best_offer", day)
        scored = lake.dataset("scores/customer_scores", day)
        identified = _identified(settings, lake, day)
        alike = {one.slug for one in settings.segments.look_alikes}
        selections = {
            one.slug: select(
                one, _look_alike_scores(lake, day, one.slug) if one.slug in alike else scored, offers, identified
            )
            for one in delivered(settings)
        }
        recent = scored.to_table(["customer_id", "recent_contacts"])
        selections = within_limit(
            selections,
            recent,
            earlier(settings, day),
            settings.policy.max_contacts,
            settings.segments.files_per_customer,
        )
        fresh = is_fresh(day, today(settings))
        standing = "fresh" if fresh else "late" if is_live(settings, day, today(settings)) else "replay"
        with new_folder(outbox, str(day)) as folder:
            facts = write(folder, settings, day, selections, scores.content, standing)
            # before the folder is linked: no file goes out whose contacts are not on record
            recorded = record(settings, day, contacts(day, settings.policy.channel, selections)) if fresh else 0
        link_newest(outbox)
        draft.facts = {"folder": str(outbox / str(day)), "recorded": recorded, **facts}
        for file in facts["files"]:
            log.info("segments %s: %s, %s rows", day, file["file"], f"{file['rows']:,}")

    def still_there(manifest: Manifest) -> bool:
        recorded = SegmentsFacts.of(manifest).recorded if is_fresh(day, today(settings)) else 0
        return is_whole(outbox / str(day)) and database.count(settings.database, "contacts", ds=day) >= recorded

    return publish(settings, Stage.SEGMENTS, day, {"scores": scores.content}, build, force, still_there)


def delivered(settings: Settings) -> list[Segment]:
    """Return the segments that have a file: rules, and look-alikes as rules over their members."""
    segments = [segment for segment in settings.segments.segments if segment.deliver]
    for one in settings.segments.look_alikes:
        if one.deliver:
            order = "likeness desc, customer_id"
            segments.append(
                Segment(
                    slug=one.slug,
                    title=one.title,
                    about=one.about,
                    where="true",
                    offer_where=one.offer_where,
                    order_by=order,
                )
            )
    return segments


def write(
    folder: Path, settings: Settings, day: date, selections: dict[str, Selection], scores_content: str, standing: str
) -> dict[str, Any]:
    """Write files, manifest and README into ``folder`` and return the manifest."""
    files = [_write_file(folder, settings, day, s, selections[s.slug]) for s in delivered(settings)]
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


def today(settings: Settings) -> date:
    """Return the local day of the source."""
    return local_day(settings, datetime.now(UTC))


def is_whole(folder: Path) -> bool:
    """Return whether every file in the folder's manifest is there, byte for byte."""
    try:
        files = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))["files"]
        return all(_sha256(folder / file["file"]) == file["sha256"] for file in files)
    except (OSError, ValueError, KeyError):
        return False


def identifiers(settings: Settings) -> list[Identifier]:
    """Return the identifiers that files of the policy's channel need."""
    return settings.segments.identifiers.get(settings.policy.channel, [])


def _identified(settings: Settings, lake: Lake, day: date) -> pa.Table | None:
    """Return ``customer_id`` and the identifiers of the policy's channel, or None where it needs none.

    Raises:
        DataError: the source has no customers.
    """
    names = identifiers(settings)
    if not names:
        return None
    if not lake.has("clean/customers", day):
        raise DataError(
            f"the channel {settings.policy.channel} needs {', '.join(names)} of customers, and the source has no "
            "customers; map them in conf/sources, or choose another policy.channel"
        )
    return lake.arrow("clean/customers", day, ["customer_id", *names])


def _look_alike_scores(lake: Lake, day: date, slug: str) -> pads.Dataset:
    """Return the scores of the customers that a look-alike adds to its seed, with their ``likeness``."""
    members = lake.dataset("scores/segment_members", day).to_table(
        columns=["customer_id", "likeness"],
        filter=(pads.field("segment_id") == slug) & (pads.field("band") != SEED),
    )
    wanted = pa.array(members["customer_id"].to_pylist(), pa.string())
    rows = lake.dataset("scores/customer_scores", day).to_table(filter=pads.field("customer_id").isin(wanted))
    return pads.dataset(rows.join(members, "customer_id").sort_by("customer_id"))


def _write_file(folder: Path, settings: Settings, day: date, segment: Segment, selection: Selection) -> dict[str, Any]:
    path = folder / f"segment_{segment.slug}_{day}.csv"
    frame = neutralised(selection.rows).to_pandas(types_mapper=pd.ArrowDtype)
    frame.to_csv(
        path,
        sep=settings.segments.delimiter,
        index=False,
        encoding="utf-8-sig" if settings.segments.bom else "utf-8",
        lineterminator="\r\n",
    )
    return {
        "slug": segment.slug,
        "title": segment.title,
        "about": segment.about,
        "file": path.name,
        "rows": len(frame),
        "columns": list(frame.columns),
        "sha256": _sha256(path),
        "suppressed": selection.suppressed,
        "expected_value": _total(selection.rows, "expected_value"),
    }


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
