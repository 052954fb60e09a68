"""Contacts: who was in the files of a night that are acted on.

What is recorded once stays: the mail is out, whatever a later run of the night would have chosen.
"""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import pyarrow as pa

from conf.settings.schema import Settings
from conf.tables.offers import CONTACTS
from conf.tables.types import arrow_schema
from jobs.database import database

if TYPE_CHECKING:
    from scoring.segments.segment_files import Selection

#: days after which a night is a replay: its files are not acted on, so they are no contact
LIVE_DAYS = 3


def is_fresh(night: date, on: date) -> bool:
    """Return whether marketers act on files of ``night`` that are made on the local day ``on``."""
    return timedelta(0) <= on - night <= timedelta(days=LIVE_DAYS)


def is_live(settings: Settings, night: date, on: date) -> bool:
    """Return whether customers were contacted by ``night``, or will be; else the night is a replay.

    Contacts on record decide, however late the night is worked on again; without any, the day does.

    Args:
        settings: the installation.
        night: the night.
        on: local day on which it is delivered, or was scored.
    """
    return database.count(settings.database, "contacts", ds=night) > 0 or is_fresh(night, on)


def local_day(settings: Settings, moment: datetime) -> date:
    """Return the local day of the source at ``moment``."""
    return moment.astimezone(ZoneInfo(settings.source.timezone)).date()


def contacts(day: date, channel: str, selections: dict[str, Selection]) -> pa.Table:
    """Return the contacts by ``channel`` that delivering the files means, as of the day after ``day``."""
    schema = arrow_schema(CONTACTS)
    parts = []
    for slug, selection in selections.items():
        size = selection.rows.num_rows
        given: dict[str, Any] = {
            "ds": pa.repeat(day, size),
            "customer_id": selection.rows["customer_id"],
            "segment": pa.repeat(slug, size),
            "offer_id": selection.rows["offer_id"] if "offer_id" in selection.rows.schema.names else pa.nulls(size),
            "channel": pa.repeat(channel, size),
            "contacted_on": pa.repeat(day + timedelta(days=1), size),
        }
        parts.append(pa.table([given[field.name].cast(field.type) for field in schema], schema=schema))
    return pa.concat_tables(parts) if parts else schema.empty_table()


def record(settings: Settings, day: date, rows: pa.Table) -> int:
    """Add ``rows`` to the night's contacts, keep those that are there, and return how many there are now."""
    recorded = earlier(settings, day)
    added = rows.join(recorded.select(["customer_id", "segment"]), ["customer_id", "segment"], join_type="left anti")
    everything = pa.concat_tables([recorded, added.select(recorded.schema.names).cast(recorded.schema)])
    everything = everything.sort_by([(name, "ascending") for name in CONTACTS.key])
    return database.replace(settings.database, day, {"contacts": everything})["contacts"]


def earlier(settings: Settings, day: date) -> pa.Table:
    """Return the contacts of ``day`` that are on record; none where nothing was published yet."""
    schema = arrow_schema(CONTACTS)
    if not database.count(settings.database, "contacts", ds=day):
        return schema.empty_table()
    dates = [field.name for field in schema if pa.types.is_date(field.type)]
    rows = database.rows(settings.database, "contacts", ds=day)
    return pa.Table.from_pylist(
        [{**row, **{name: date.fromisoformat(row[name]) for name in dates}} for row in rows], schema=schema
    )
