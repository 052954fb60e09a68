"""Segments: the marketers' files of a night, delivered as one folder or not at all.

Files hold only customers who may be contacted: treated, with consent, within the contact limits. A customer of several
files stays in the first ones, as far as the limit allows.
"""

from __future__ import annotations

import logging
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa

from conf.settings.schema import Settings
from conf.tables.offers import FILE_MEMBERS
from conf.tables.types import arrow_schema
from jobs.database import database
from jobs.database.contacts import contacts, is_fresh, is_live, local_day, record
from jobs.lake.delivery import link_newest, new_folder
from jobs.lake.facts import SegmentsFacts
from jobs.lake.lake import Draft, Lake
from jobs.lake.manifest import Manifest
from jobs.lake.night import publish
from jobs.lake.reads import settings_of
from jobs.segments.select_files import select_files
from jobs.segments.write_files import is_whole, write
from jobs.stages import Stage
from jobs.tables.segments import FILE_MEMBERSHIP
from scoring.segments.file_changes import changes
from scoring.segments.segment_files import Selection

log = logging.getLogger(__name__)


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
    nights = [night for night in lake.days(Stage.SEGMENTS) if night < day and lake.has(FILE_MEMBERSHIP, night)]
    earlier = max(nights, default=None)
    inputs = {"scores": scores.content}
    inputs |= {"files before": lake.version(FILE_MEMBERSHIP, earlier).content} if earlier else {}

    def build(draft: Draft) -> None:
        selections = select_files(settings, lake, day)
        before = _members(lake, earlier) if earlier else {}
        fresh = is_fresh(day, today(settings))
        standing = "fresh" if fresh else "late" if is_live(settings, day, today(settings)) else "replay"
        with new_folder(outbox, str(day)) as folder:
            facts = write(folder, settings, day, selections, before, scores.content, standing)
            # before the folder is linked: no file goes out whose contacts are not on record
            recorded = record(settings, day, contacts(day, settings.policy.channel, selections)) if fresh else 0
        link_newest(outbox)
        members = file_members(settings, day, selections, before)
        draft.arrow(FILE_MEMBERSHIP, members)
        database.replace(settings.database, day, {"file_members": members})
        draft.facts = {"folder": str(outbox / str(day)), "recorded": recorded, **facts}
        for file in facts["files"]:
            log.info("segments %s: %s, %s rows", day, file["file"], f"{file['rows']:,}")

    def still_there(manifest: Manifest) -> bool:
        facts = SegmentsFacts.of(manifest)
        recorded = facts.recorded if is_fresh(day, today(settings)) else 0
        listed = sum(file["rows"] for file in facts.files)
        published = database.count(settings.database, "file_members", ds=day) == listed
        contacted = database.count(settings.database, "contacts", ds=day) >= recorded
        return is_whole(outbox / str(day)) and published and contacted

    return publish(settings, Stage.SEGMENTS, day, inputs, build, force, still_there)


def today(settings: Settings) -> date:
    """Return the local day of the source."""
    return local_day(settings, datetime.now(UTC))


def file_members(
    settings: Settings, day: date, selections: dict[str, Selection], before: dict[str, list[str]]
) -> pa.Table:
    """Return the customers of all files as rows of ``FILE_MEMBERS``."""
    schema = arrow_schema(FILE_MEMBERS)
    parts = [schema.empty_table()]
    for slug, selection in selections.items():
        rows, size = selection.rows, selection.rows.num_rows
        given: dict[str, Any] = {
            "ds": pa.repeat(pa.scalar(day), size),
            "segment": pa.repeat(slug, size),
            "customer_id": rows["customer_id"],
            "position": pa.array(range(1, size + 1), pa.int32()),
            "change": changes(before.get(slug, []), rows["customer_id"].to_pylist())["change"].slice(0, size),
            "channel": pa.repeat(settings.policy.channel, size),
        }
        given |= {
            name: rows[name] if name in rows.schema.names else pa.nulls(size) for name in ("offer_id", "expected_value")
        }
        parts.append(pa.table([given[field.name].cast(field.type) for field in schema], schema=schema))
    return pa.concat_tables(parts)


def _members(lake: Lake, night: date) -> dict[str, list[str]]:
    """Return the customers of the files of ``night``, by slug."""
    members: dict[str, list[str]] = {}
    for row in lake.arrow(FILE_MEMBERSHIP, night, ["segment", "customer_id"]).to_pylist():
        members.setdefault(row["segment"], []).append(row["customer_id"])
    return members
