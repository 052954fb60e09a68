"""Which customers are in which segment file of a night, read from the lake; what is previewed is what is written."""

from __future__ import annotations

from datetime import date

import pyarrow as pa
import pyarrow.dataset as pads

from conf.errors import DataError
from conf.settings.schema import Identifier, Segment, Settings
from jobs.database.contacts import earlier
from jobs.lake.lake import Lake
from scoring.segments.audiences import SEED
from scoring.segments.contact_limits import within_limit
from scoring.segments.segment_files import Selection, select


def select_files(settings: Settings, lake: Lake, day: date) -> dict[str, Selection]:
    """Return the rows of every file of the night by slug; what is previewed is what is written.

    Raises:
        ConfigError: a segment's rule is no plain condition.
        DataError: the channel needs identifiers that the source lacks.
    """
    offers, scored = (lake.dataset(f"scores/{name}", day) for name in ("next_best_offer", "customer_scores"))
    identified = _identified(settings, lake, day)
    alike = {one.slug for one in settings.segments.look_alikes}
    selections = {
        one.slug: select(
            one, _look_alike_scores(lake, day, one.slug) if one.slug in alike else scored, offers, identified
        )
        for one in delivered(settings)
    }
    recent = scored.to_table(["customer_id", "recent_contacts"])
    limits = settings.policy.max_contacts, settings.segments.files_per_customer
    return within_limit(selections, recent, earlier(settings, day), *limits)


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
