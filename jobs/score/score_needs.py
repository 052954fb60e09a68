"""Reference books of needs and characteristics: the source's own, else made from its products."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import date
from typing import Any

import pyarrow as pa
import pyarrow.dataset as pads

from conf.tables.canonical import CANONICAL
from conf.tables.needs import CHARACTERISTICS, NEED_CATEGORIES, NEEDS, SEGMENT_NEEDS
from conf.tables.table import Table
from conf.tables.types import arrow_schema
from jobs.lake.lake import Draft, Lake
from jobs.score.score_segments import Population, filled
from jobs.tables.clean import CLEAN
from jobs.tables.features import FEATURES
from jobs.tables.scores import SCORES
from scoring.customers.needs import Books, characteristics, derived_books, needs_met, source_books
from scoring.segments.audiences import affinities

log = logging.getLogger(__name__)
#: needs listed of a segment, as many over as under the average, so that recommendations can be looked up in them
_LISTED = 20


def write_need_tables(
    lake: Lake, day: date, draft: Draft, dictionary: tuple[str, Sequence[str]], population: Population
) -> None:
    """Write the tables of :mod:`conf.tables.needs` under ``scores/``, and note where the books come from.

    Args:
        lake: clean layer and features of the night.
        day: the night.
        draft: of the stage ``score``.
        dictionary: ``name:hash`` of the characteristics' model, empty without one, and its outputs in their order.
        population: customers and segments.
    """
    model, outputs = dictionary
    books = _books(lake, day)
    origin = {"ds": day, "origin": books.origin}
    index = pa.array(range(len(outputs)), pa.int32())
    indexed = pa.table([pa.array(outputs, pa.string()), index], names=["characteristic", "dictionary_index"])
    listed = characteristics(lake.dataset(CLEAN["products"], day), indexed, books)
    _write(draft, NEED_CATEGORIES, books.categories, origin)
    _write(draft, NEEDS, books.needs, origin)
    _write(draft, CHARACTERISTICS, listed, {**origin, "model": model or None})
    met = needs_met(lake.dataset(FEATURES["affinity"], day), books, population.keys)
    listed_needs = affinities(
        population.audiences, met, [str(need) for need in books.needs["need_id"].to_pylist()], _LISTED
    )
    rows = [dict(zip(SEGMENT_NEEDS.names[1:], row, strict=True)) for row in listed_needs]
    _write(draft, SEGMENT_NEEDS, pa.Table.from_pylist(rows, schema=arrow_schema(SEGMENT_NEEDS)), {"ds": day})
    draft.facts["needs"] = {"origin": books.origin, "needs": books.needs.num_rows}
    draft.facts["needs"] |= {"characteristics_without": listed["need_id"].null_count}
    if not books.needs.num_rows:
        why = "the source has no book of needs, and its products no category or department"
        draft.facts.setdefault("skipped", {})["needs"] = why
        log.warning("there are no needs: %s", why)


def _books(lake: Lake, day: date) -> Books:
    """Return the source's books once it has delivered needs, else those made from products."""
    if lake.has(CLEAN["needs"], day) and lake.version(CLEAN["needs"], day).rows:
        return source_books(
            *(_optional(lake, day, name) for name in ("need_categories", "needs", "characteristic_needs"))
        )
    return derived_books(lake.dataset(CLEAN["products"], day))


def _optional(lake: Lake, day: date, name: str) -> pads.Dataset | pa.Table:
    """Return a book of the clean layer; an empty one where the source has none."""
    return lake.dataset(CLEAN[name], day) if lake.has(CLEAN[name], day) else arrow_schema(CANONICAL[name]).empty_table()


def _write(draft: Draft, table: Table, rows: pa.Table, constant: dict[str, Any]) -> None:
    draft.arrow(SCORES[table.name], filled(arrow_schema(table), rows, constant))
