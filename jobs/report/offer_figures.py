"""Figures of the night's offers, some examples, and what earlier nights' offers brought."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date

from jobs.report.night_tables import NightTables, Row
from scoring.outcomes.expected_and_realised import METRICS as EXPECTATIONS

#: order of methods in tables
METHODS = ("nbo", "personal_frequency", "popularity")
#: customers whose offers are shown, by group
EXAMPLES = {"with a coupon": 2, "regular": 2, "cold": 1}


def offers(night: NightTables) -> Row:
    """Return the offers by kind and source."""
    rows = night.ask(
        "select offer_kind, candidate_source, count(*) as offers, count(*) filter (where rank = 1) as first, "
        "count(*) filter (where is_discovery) as discoveries, avg(propensity) as propensity, "
        "avg(expected_value) as expected_value from offers group by all "
        "order by offer_kind, offers desc, candidate_source"
    )
    return {
        "rows": rows,
        "by_kind": night.pairs("select offer_kind, count(*) from offers group by 1 order by 2 desc, 1"),
        "by_source": night.pairs("select candidate_source, count(*) from offers group by 1 order by 2 desc, 1"),
    }


def examples(night: NightTables) -> list[Row]:
    """Return some customers, always the same ones, with their offers by rank."""
    wanted = " or ".join(f"(what = '{what}' and place <= {size})" for what, size in EXAMPLES.items())
    rows = night.ask(
        "with kinds as (select customer_id, segment_name, churn_band, case when is_cold then 'cold' when "
        "customer_id in (select customer_id from offers where offer_kind = 'coupon') then 'with a coupon' "
        "else 'regular' end as what from customers where treatment = 'treated' and contactable), "
        "placed as (select *, row_number() over (partition by what order by md5(customer_id), customer_id) "
        f"as place from kinds) select * from placed join offers using (customer_id) where {wanted} "
        "order by what desc, place, rank"
    )
    by_customer: dict[str, Row] = {}
    for row in rows:
        kept = {key: row[key] for key in ("customer_id", "segment_name", "churn_band", "what")}
        by_customer.setdefault(row["customer_id"], kept | {"offers": []})["offers"].append(row)
    return list(by_customer.values())


def outcomes(night: NightTables) -> list[Row]:
    """Return what earlier nights' offers brought, the newest night first, with one column a method.

    Expectations are in :func:`jobs.report.expectation_figures.expectation_figures`.
    """
    if not night.has("outcomes"):
        return []
    nights: dict[date, dict[tuple[str, str, str], Row]] = {}
    rows = night.ask("select * from outcomes order by offers_of desc, offer_kind desc, metric, slice, method")
    for row in (row for row in rows if row["metric"] not in EXPECTATIONS):
        key = (row["offer_kind"], row["slice"], row["metric"])
        line = nights.setdefault(row["offers_of"], {}).setdefault(
            key,
            {"kind": key[0], "slice": key[1], "metric": key[2], "customers": row["customers"], "methods": {}},
        )
        line["methods"][row["method"]] = row
    return [
        {
            "offers_of": night,
            "rows": list(lines.values()),
            "methods": sort_methods(name for line in lines.values() for name in line["methods"]),
            "is_replay": any(row["is_replay"] for line in lines.values() for row in line["methods"].values()),
        }
        for night, lines in nights.items()
    ]


def sort_methods(names: Iterable[str]) -> list[str]:
    """Return distinct method names, our own first, then the baselines."""
    return sorted(set(names), key=lambda name: (METHODS.index(name) if name in METHODS else len(METHODS), name))
