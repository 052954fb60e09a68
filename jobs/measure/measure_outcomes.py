"""Measure: what the offers of earlier nights brought, once their horizon is over.

A night is measured by the first run whose data covers its horizon, and again when its scores have changed. Rows of the
nights that closed within the last horizon are copied, so that a report shows them together; older rows stay under the
day that measured them.

Product types and characteristics are evaluated on the lake's ``scores/product_type_ranking`` and
``scores/characteristic_ranking`` (the ten best of every customer, and the five best repeats and discoveries), since a
published list of five may hold coupons; coupons on the published list. Expected against realised figures
(``expected_and_realised``) are sums over that list too.

Every customer's part of a figure stays in the lake (``outcomes/customer_outcomes``), under the day that measured it:
`nbo evaluate` resamples customers over many nights.
"""

from __future__ import annotations

import logging
from datetime import date, datetime, timedelta
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from conf.settings.schema import Settings
from conf.tables.offers import OFFER_OUTCOMES
from conf.tables.types import arrow_schema
from jobs.database.contacts import is_live, local_day
from jobs.lake.facts import MeasureFacts
from jobs.lake.lake import Draft, Lake
from jobs.lake.manifest import Manifest
from jobs.lake.night import publish
from jobs.lake.reads import settings_of
from jobs.measure.night_outcomes import CUSTOMER_SCHEMA, NightOutcomes
from jobs.spark import session
from jobs.stages import Stage
from jobs.tables.outcomes import CUSTOMER_OUTCOMES, OUTCOMES

log = logging.getLogger(__name__)


def run(settings: Settings, day: date, force: bool = False) -> Manifest:
    """Publish the figures of earlier nights' offers whose horizon is over by ``day``; an empty table if there is none.

    Raises:
        DataError: the night has no clean layer.
    """
    settings = settings_of(Stage.MEASURE, settings)
    lake = Lake(settings.lake)
    clean = lake.need(Stage.VALIDATE, day)
    closed = {
        night: lake.need(Stage.SCORE, night)
        for night in lake.days(Stage.SCORE)
        if night + timedelta(days=settings.horizon_days) <= day
    }
    inputs = {"clean": clean.content} | {f"scores {night}": scores.content for night, scores in closed.items()}

    def build(draft: Draft) -> None:
        measured_by = _measured(lake, day, closed)
        fresh = [night for night in closed if night not in measured_by]
        parts = [_carried(lake, day, night, by) for night, by in measured_by.items() if _recent(settings, day, night)]
        rows: list[dict[str, Any]] = []
        customers = [CUSTOMER_SCHEMA.empty_table()]
        if fresh:
            spark = session(settings, "measure")
            for night in fresh:
                measured = NightOutcomes(settings, lake, spark, day, closed[night], is_replay(settings, closed[night]))
                rows += measured.rows()
                customers += measured.customers
            spark.catalog.clearCache()
        parts.append(pa.Table.from_pylist(rows, schema=arrow_schema(OFFER_OUTCOMES)))
        draft.arrow(OUTCOMES, pa.concat_tables(parts).sort_by([(name, "ascending") for name in OFFER_OUTCOMES.key]))
        draft.arrow(CUSTOMER_OUTCOMES, pa.concat_tables(customers))
        draft.facts = {"measured": {str(night): scores.content for night, scores in sorted(closed.items())}}

    return publish(settings, Stage.MEASURE, day, inputs, build, force)


def is_replay(settings: Settings, scores: Manifest) -> bool:
    """Return whether a night's offers went to nobody: no contacts on record, and scored too late for any."""
    scored_on = local_day(settings, datetime.fromisoformat(scores.written_at))
    return not is_live(settings, date.fromisoformat(scores.ds), scored_on)


def _measured(lake: Lake, day: date, closed: dict[date, Manifest]) -> dict[date, date]:
    """Return which nights an earlier run has measured with the scores they still have, and the newest such run."""
    newest: dict[date, date] = {}
    for by in reversed(lake.days(Stage.MEASURE)):
        if by >= day:
            continue
        if len(newest) == len(closed):
            break
        measured = MeasureFacts.of(lake.need(Stage.MEASURE, by)).measured
        held = set(pc.unique(lake.arrow(OUTCOMES, by, ["offers_of"])["offers_of"]).to_pylist())
        for night, scores in closed.items():
            if night in held and measured.get(str(night)) == scores.content:
                newest.setdefault(night, by)
    return newest


def _recent(settings: Settings, day: date, night: date) -> bool:
    return night + timedelta(days=2 * settings.horizon_days) > day


def _carried(lake: Lake, day: date, night: date, by: date) -> pa.Table:
    """Return a night's rows as an earlier run measured them."""
    rows = lake.dataset(OUTCOMES, by).to_table(filter=pc.field("offers_of") == pa.scalar(night))
    place = rows.schema.get_field_index("ds")
    return rows.set_column(place, rows.schema.field(place), pa.repeat(pa.scalar(day), len(rows))).cast(
        arrow_schema(OFFER_OUTCOMES)
    )
