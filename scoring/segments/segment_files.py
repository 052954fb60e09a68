"""Rows and columns of a segment file: the customers that a rule picks, with their offers.

A segment costs one scan of the night's customers and offers in DuckDB.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as pads

from conf.settings.schema import Segment
from conf.tables.table import Column
from scoring.expressions import closed, condition, plain, refused

#: columns of every file, by the SQL that makes them from the night's customer_scores
CUSTOMER_COLUMNS: dict[str, Column] = {
    "customer_id": Column("customer_id", "string", "the CRM's key of the customer"),
    "'{slug}'": Column("segment", "string", "this file's segment"),
    "segment_name": Column("customer_segment", "string", "group of customers with similar habits"),
    "recency_days": Column("recency_days", "int", "days since the last basket"),
    "spend_84": Column("spend_84", "double", "amount paid in the last 84 days"),
    "expected_spend": Column("expected_spend", "double", "spend expected in the next 84 days"),
    "churn_probability": Column("churn_probability", "double", "probability of no purchase within the horizon"),
    "churn_band": Column("churn_band", "string", "high, middle or low"),
    "case when churn_band <> 'low' then churn_reasons end": Column(
        "churn_reasons", "string", "what drives the churn probability most; empty in band low"
    ),
}
#: further columns where the segment carries an offer
OFFER_COLUMNS: dict[str, Column] = {
    "offer_id": Column("offer_id", "string", "the offer's key"),
    "offer_title": Column("offer_title", "string", "what the customer would read"),
    "reason": Column("reason", "string", "why this offer for this customer"),
    "channel": Column("channel", "string", "channel to send it by"),
    "valid_to": Column("valid_to", "date", "last day the offer can be taken; empty: no end"),
    "propensity": Column("propensity", "double", "probability that it is bought, or that the coupon is redeemed"),
    "expected_value": Column(
        "expected_value",
        "double",
        "expected margin less cost (assumed): of purchases of the type, also without the offer, or of a redemption",
    ),
    "'crm'": Column("utm_source", "string", "tag for web analytics"),
    "channel ": Column("utm_medium", "string", "tag for web analytics"),
    "'{slug}_' || ds": Column("utm_campaign", "string", "tag for web analytics"),
    r"trim(lower(regexp_replace(offer_id, '[^\pL\pN]+', '_', 'g')), '_')": Column(
        "utm_content", "string", "tag for web analytics"
    ),
}
#: columns of both tables; an offer's expected spend is called offer_expected_spend in order_by
_SHARED = ("ds", "customer_id", "treatment", "contactable", "blocked_by", "expected_spend")
#: first characters, spaces aside, that make a spreadsheet run a cell or lose it (OWASP: CSV injection)
_FORMULA = "^[ \u00a0]*[=+\\-@\t\r\n\\x00＝＋－＠]"


@dataclass(frozen=True)
class Selection:
    """The rows of a segment's file, and the customers held back, counted by reason."""

    rows: pa.Table
    suppressed: dict[str, int]


#: identifiers that a channel may need: column of ``clean/customers`` -> what it is
IDENTIFIERS = {
    "email": Column("email", "string", "the customer's e-mail address"),
    "phone": Column("phone", "string", "the customer's phone number"),
    "name": Column("name", "string", "the customer's name"),
}


def columns(segment: Segment, identifiers: Sequence[str] = ()) -> dict[str, Column]:
    """Return the columns of the segment's file, by the SQL that makes them; identifiers follow the customer's key."""
    (key, *further), offer = CUSTOMER_COLUMNS.items(), OFFER_COLUMNS if segment.offer_where is not None else {}
    return dict([key, *((name, IDENTIFIERS[name]) for name in identifiers), *further]) | offer


def select(
    segment: Segment, scores: pads.Dataset, offers: pads.Dataset, identified: pa.Table | None = None
) -> Selection:
    """Return the customers of ``segment`` who may be contacted: treated, not blocked, with the channel's identifiers.

    Where the segment has an ``offer_where``, a customer needs such an offer that brings more than it costs; the best
    ranked one is taken.

    Args:
        segment: rule and order.
        scores: ``CUSTOMER_SCORES``.
        offers: ``NEXT_BEST_OFFER``.
        identified: ``customer_id`` and the identifiers that the channel needs, or None: none.

    Raises:
        ConfigError: a rule is no plain condition on its table's columns.
    """
    with duckdb.connect() as engine:
        try:
            _create_members(engine, segment, scores, offers)
            names = [] if identified is None else [name for name in identified.column_names if name in IDENTIFIERS]
            _with_identifiers(engine, identified, names)
            chosen = engine.sql("select * from identified where why is null")
            wanted = ", ".join(
                f"{sql.format(slug=segment.slug)} as {column.name}" for sql, column in columns(segment, names).items()
            )
            plain(engine, segment.order_by, chosen.columns, many=True)
            rows = chosen.order(f"{segment.order_by}, customer_id").project(wanted).to_arrow_table()
            suppressed = engine.execute(
                "select why, count(*) from identified where why is not null group by why order by why"
            ).fetchall()
        except (duckdb.Error, ValueError) as error:
            raise refused(f"conf/segments.yml, segment {segment.slug}", error) from None
    return Selection(rows, dict(suppressed))


def members(segment: Segment, scores: pads.Dataset, offers: pads.Dataset) -> pa.Array:
    """Return the keys of all customers that the rule picks, whether they may be contacted or not, in order.

    Raises:
        ConfigError: a rule is no plain condition on its table's columns.
    """
    with duckdb.connect() as engine:
        try:
            _create_members(engine, segment, scores, offers)
            return engine.sql("select customer_id from members order by 1").to_arrow_table()["customer_id"]
        except (duckdb.Error, ValueError) as error:
            raise refused(f"conf/segments.yml, segment {segment.slug}", error) from None


def neutralised(rows: pa.Table) -> pa.Table:
    """Return ``rows`` with an apostrophe before every text that a spreadsheet would run; numbers stay numbers."""
    for position, field in enumerate(rows.schema):
        if pa.types.is_string(field.type) or pa.types.is_large_string(field.type):
            raw: Any = rows[field.name]
            text: Any = pc.replace_substring(raw, "\x00", "")
            risky: Any = pc.fill_null(pc.match_substring_regex(raw, _FORMULA), False)
            marked: Any = pc.replace_substring_regex(text, "^", "'", max_replacements=1)
            rows = rows.set_column(position, field.name, pc.if_else(risky, marked, text))
    return rows


def _create_members(
    engine: duckdb.DuckDBPyConnection, segment: Segment, scores: pads.Dataset, offers: pads.Dataset
) -> None:
    """Make the view ``members``: the customers that the rule picks, with their offer where it asks for one."""
    closed(engine)
    condition(engine, scores, segment.where).create_view("matched")
    if segment.offer_where is None:
        engine.execute("create view members as select * from matched")
        return
    condition(engine, offers, segment.offer_where).create_view("proposed")
    own = ", ".join(name for name in offers.schema.names if name not in _SHARED)
    engine.execute(
        f"create view members as select s.*, o.* exclude (customer_id) from matched s join ("
        f"select customer_id, expected_spend as offer_expected_spend, {own} from proposed where expected_value > 0 "
        "qualify row_number() over (partition by customer_id order by rank) = 1) o using (customer_id)"
    )


def _with_identifiers(engine: duckdb.DuckDBPyConnection, identified: pa.Table | None, names: Sequence[str]) -> None:
    """Make the view ``identified``: the members with their identifiers, and ``why`` one is held back (null: is not)."""
    missing = "".join(f"when coalesce(trim({name}), '') = '' then 'no {name}' " for name in names)
    why = (
        "case when treatment = 'control' then 'control group' "
        f"when not contactable then coalesce(blocked_by, 'not contactable') {missing}end as why"
    )
    if identified is None:
        engine.execute(f"create view identified as select *, {why} from members")
        return
    engine.register("contact_data", identified)
    engine.execute(f"create view identified as select *, {why} from members left join contact_data using (customer_id)")
