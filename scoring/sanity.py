"""Checks of a night's scores before they are published, and their counts; scans of the written tables in DuckDB."""

from __future__ import annotations

from typing import Any

import duckdb
import pyarrow.dataset as pads


def faults(ranking: pads.Dataset, offers: pads.Dataset, customers: pads.Dataset, per_customer: int) -> list[str]:
    """Return the faults of a night's scores as messages; an empty list means that they may be published.

    Args:
        ranking: product types ranked for each customer, with ``propensity`` and ``offer_rank`` (null where a rule
            removes the type): a customer with fewer ranked types than ``per_customer`` may have a shorter list.
        offers: ``NEXT_BEST_OFFER``.
        customers: ``CUSTOMER_SCORES``.
        per_customer: offers each customer gets where so many may be offered.
    """
    messages = []
    with duckdb.connect() as engine:
        for name, rows in (("ranking", ranking), ("offers", offers), ("customers", customers)):
            engine.register(name, rows)
        for table, column in (
            ("ranking", "propensity"),
            ("offers", "propensity"),
            ("offers", "response_probability"),
            ("offers", "expected_value"),
            ("customers", "churn_probability"),
        ):
            messages += _probabilities(engine, table, column)
        short = engine.execute(
            "with listed as (select customer_id, count(distinct offer_id) as size from offers group by 1), "
            "ranked as (select customer_id, count(offer_rank) as allowed from ranking group by 1) "
            "select count_if(allowed is null), count_if(coalesce(size, 0) < least(allowed, ?)) "
            "from customers left join listed using (customer_id) left join ranked using (customer_id)",
            [per_customer],
        ).fetchone() or (0, 0)
        if short[0]:
            messages.append(f"{short[0]} customer(s) have no product types ranked")
        if short[1]:
            messages.append(
                f"{short[1]} customer(s) have fewer offers than {per_customer} and than they may be offered"
            )
        twice = engine.execute(
            "select count(*) from (select 1 from offers group by customer_id, offer_id having count(*) > 1)"
        ).fetchone()
        if twice and twice[0]:
            messages.append(f"{twice[0]} offer(s) stand twice in a customer's list")
    return messages


def summary(offers: pads.Dataset, customers: pads.Dataset, per_customer: int) -> dict[str, Any]:
    """Count customers and offers for the report.

    Args:
        offers: ``NEXT_BEST_OFFER``.
        customers: ``CUSTOMER_SCORES``.
        per_customer: offers each customer gets; ``short_lists`` counts the customers for whom the rules leave fewer.
    """
    with duckdb.connect() as engine:
        engine.register("offers", offers)
        engine.register("customers", customers)

        def grouped(column: str, table: str) -> dict[str, int]:
            query = f"select {column}, count(*) from {table} where {column} is not null group by 1 order by 1"
            return dict(engine.execute(query).fetchall())

        total, cold, control, contactable, discoveries = engine.execute(
            "select count(*), count_if(is_cold), count_if(treatment = 'control'), count_if(contactable), "
            "(select count_if(is_discovery) from offers) from customers"
        ).fetchone() or (0, 0, 0, 0, 0)
        (full,) = engine.execute(
            "select count(*) from (select 1 from offers group by customer_id having count(*) >= ?)", [per_customer]
        ).fetchone() or (0,)
        return {
            "customers": total,
            "short_lists": total - full,
            "cold_customers": cold,
            "control_customers": control,
            "control_share": round(control / total, 6) if total else 0.0,
            "contactable_customers": contactable,
            "discoveries": discoveries,
            "blocked": grouped("blocked_by", "customers"),
            "offers_by_kind": grouped("offer_kind", "offers"),
            "offers_by_source": grouped("candidate_source", "offers"),
        }


def _probabilities(engine: duckdb.DuckDBPyConnection, table: str, column: str) -> list[str]:
    """Return faults of a column: values that are no number, lie outside 0..1, or are the same for everyone."""
    rows, broken, outside, kinds = engine.execute(
        f"select count({column}), count_if(isnan({column}) or isinf({column})), "
        f"count_if({column} < 0 or {column} > 1), count(distinct {column}) from {table}"
    ).fetchone() or (0, 0, 0, 0)
    messages = [f"{table}.{column}: {broken:,} of {rows:,} values are NaN or infinite"] if broken else []
    if column == "expected_value":
        return messages
    if outside and not broken:
        messages.append(f"{table}.{column}: {outside:,} of {rows:,} values lie outside 0..1")
    if rows > 1 and kinds == 1 and column != "response_probability":
        messages.append(f"{table}.{column}: all {rows:,} values are the same")
    return messages
