"""What a night came to, in figures that the report and the final screen show; a few customers by their keys."""

from __future__ import annotations

import math
from collections.abc import Iterable
from datetime import date
from typing import Any

import duckdb

from conf.settings.schema import Settings
from conf.tables.runs import CANDIDATES_EACH, RECALL, SHOWN
from jobs.lake.lake import OUTCOMES, Lake
from jobs.stages import Stage
from scoring.outcomes.expected_and_realised import METRICS as FORESEEN

Row = dict[str, Any]
#: verdicts on a model without an interval: a baseline that serves, and anything else
UNCOMPARED = ("a baseline serves", "not compared")
#: order in which methods stand beside each other
METHODS = ("nbo", "personal_frequency", "popularity")
RECENCY = ((7, "0-6"), (14, "7-13"), (28, "14-27"), (56, "28-55"), (84, "56-83"), (None, "84+"))
#: metrics of ``model_comparison`` that the page leaves out, or shows elsewhere
HIDDEN = ("map", "precision", "recall", *SHOWN, RECALL, CANDIDATES_EACH)
#: customers whose offers are shown, by what they are
EXAMPLES = {"with a coupon": 2, "regular": 2, "cold": 1}


class Night:
    """Reads the figures of one night from the lake; each method is one part of the report."""

    def __init__(self, settings: Settings, lake: Lake, day: date) -> None:
        """Open the night's published tables.

        Raises:
            DataError: the night is not scored.
        """
        lake.need(Stage.SCORE, day)
        self.settings, self.lake, self.day = settings, lake, day
        self._engine = duckdb.connect()
        for name, table in {
            "offers": "scores/next_best_offer",
            "customers": "scores/customer_scores",
            "propensities": "scores/customer_propensities",
            "models": "models/model_versions",
            "compared": "models/model_comparison",
            "reliability": "models/reliability",
            "rules": "models/kpi_rules",
            "verdicts": "models/uplift_verdicts",
            "checks": "quality/data_quality",
            "profiles": "features/segment_profiles",
            "outcomes": OUTCOMES,
        }.items():
            if lake.has(table, day):
                self._engine.register(name, lake.dataset(table, day))

    def totals(self) -> Row:
        """Return how many customers and offers there are, and who may be contacted."""
        (row,) = self._ask(
            "select count(*) as customers, count(*) filter (where is_cold) as cold, "
            "count(*) filter (where treatment = 'control') as control, "
            "count(*) filter (where contactable and treatment = 'treated') as contactable, "
            "count(*) filter (where not contactable) as blocked from customers"
        )
        (more,) = self._ask(
            "select count(*) as offers, count(*) filter (where offer_kind = 'coupon') as coupons, "
            "count(*) filter (where is_discovery) as discoveries from offers"
        )
        clean = self.lake.need(Stage.VALIDATE, self.day)
        lines = clean.tables["clean/order_lines"].rows
        return row | more | {"order_lines": lines, "quarantined": clean.facts.get("quarantined_rows", 0)}

    def checks(self) -> Row:
        """Return the night's checks, the broken ones first, and the rows that rules quarantined."""
        rows = self._ask("select * exclude (ds) from checks order by passed, kind desc, table_name, check_name")
        return {
            "all": rows,
            "passed": sum(row["passed"] for row in rows),
            "broken": [row for row in rows if not row["passed"]],
            "quarantined": sorted(
                (row for row in rows if row["kind"] == "row" and row["rows_failed"]),
                key=lambda row: -row["rows_failed"],
            ),
            "skipped": self._skipped(),
        }

    def _skipped(self) -> dict[str, str]:
        """Return what could not be built from this source, and why."""
        found = (self.lake.manifest(stage, self.day) for stage in (Stage.CATALOGUE, Stage.FEATURES, Stage.SCORE))
        return {name: why for each in found if each for name, why in (each.facts.get("skipped") or {}).items()}

    def recency(self) -> list[tuple[str, int]]:
        """Return customers by days since the last basket."""
        cases = " ".join(f"when recency_days < {top} then '{name}'" for top, name in RECENCY if top)
        found = dict(
            self._pairs(
                f"select case when recency_days is null then 'never' {cases} else '84+' end, count(*) "
                "from customers group by 1"
            )
        )
        return [(name, found.get(name, 0)) for name in [*(name for _, name in RECENCY), "never"]]

    def spend(self) -> list[tuple[str, int]]:
        """Return customers by spend in 84 days, in about eight steps of a round width."""
        (row,) = self._ask("select coalesce(quantile_cont(spend_84, 0.95), 0) as top from customers")
        step = _round_step(row["top"] / 8)
        found = dict(
            self._pairs(
                f"select least(floor(coalesce(spend_84, 0) / {step}), 8)::int, count(*) from customers group by 1"
            )
        )
        names = [f"{i * step:g}-{(i + 1) * step:g}" for i in range(8)] + [f"{8 * step:g}+"]
        return [(name, found.get(i, 0)) for i, name in enumerate(names)]

    def churn(self) -> list[Row]:
        """Return the churn bands: customers, mean probability, and how many are valuable."""
        return self._ask(
            "select coalesce(churn_band, 'not scored') as band, count(*) as customers, "
            "avg(churn_probability) as probability, count(*) filter (where is_valuable) as valuable from customers "
            "group by 1 order by case band when 'high' then 1 when 'middle' then 2 when 'low' then 3 else 4 end"
        )

    def named(self) -> list[Row]:
        """Return how many customers the churn model can name at a precision, on its held-out window."""
        training = self.lake.manifest(Stage.TRAIN, self.day)
        metrics = (training.facts if training else {}).get("pins", {}).get("churn", {}).get("metrics", {})
        return [
            {"precision": share / 100, "named": metrics[f"named_at_{share}"], "found": metrics[f"found_at_{share}"]}
            for share in (50, 70, 90)
            if f"named_at_{share}" in metrics
        ]

    def survival(self) -> Row | None:
        """Return how many of the customers scored are expected to be active in some weeks, or None: no model."""
        (row,) = self._ask(
            "select count(active_in_4_weeks) as customers, avg(active_in_4_weeks) as four, "
            "avg(active_in_8_weeks) as eight, avg(active_in_12_weeks) as twelve, "
            "count(*) filter (where weeks_to_leave <= 4) as soon from customers"
        )
        return row if row["customers"] else None

    def value(self) -> list[Row]:
        """Return the classes of value: customers, expected spend with its interval, ceiling, and who is leaving."""
        return self._ask(
            "select value_class, count(*) as customers, avg(expected_spend) as expected, avg(spend_low) as low, "
            "avg(spend_high) as high, avg(offer_ceiling) as ceiling, sum(expected_spend) as total, "
            "count(*) filter (where churn_band = 'high') as leaving from customers where value_class is not null "
            "group by 1 order by 1"
        )

    def propensities(self) -> list[Row]:
        """Return each configured label: whom it was asked of, the bands, and its model's figures on the gate window."""
        counted = (
            self._ask(
                "select label, count(*) as customers, avg(probability) as probability, avg(expected) as expected, "
                "count(*) filter (where band = 'high') as high, count(*) filter (where band = 'middle') as middle "
                "from propensities group by label"
            )
            if self._has("propensities")
            else []
        )
        found = {row["label"]: row for row in counted}
        facts = self.lake.need(Stage.TRAIN, self.day).facts
        pins, skipped = facts.get("pins", {}), facts.get("skipped", {})
        nothing: Row = {"customers": 0, "probability": None, "expected": None, "high": 0, "middle": 0}
        return [
            nothing
            | found.get(each.label, {})
            | {"label": each.label, "title": each.title, "skipped": skipped.get(each.model)}
            | {"kind": pins.get(each.model, {}).get("kind"), "metrics": pins.get(each.model, {}).get("metrics", {})}
            for each in self.settings.propensities.labels
        ]

    def causes(self) -> list[Row]:
        """Return each outcome with its rules, churn first."""
        kpis: dict[str, Row] = {}
        for row in self._ask("select * from rules order by kpi <> 'churn', kpi, rank") if self._has("rules") else []:
            kpis.setdefault(row["kpi"], row | {"rules": []})["rules"].append(row)
        return list(kpis.values())

    def verdicts(self) -> list[Row]:
        """Return what can be said of each treatment's effect."""
        return self._ask("select * from verdicts order by treatment, method") if self._has("verdicts") else []

    def segments(self) -> list[Row]:
        """Return the segments with their sizes and portraits, the largest first."""
        if not self._has("profiles"):
            return self._ask(
                "select segment_id, segment_name, count(*) as customers, null as portrait, null as silhouette "
                "from customers group by all order by customers desc, segment_id"
            )
        return self._ask("select * from profiles order by customers desc, segment_id")

    def models(self) -> list[Row]:
        """Return the models beside their baselines; ``verdict`` says what the interval allows to say."""
        rows = self._ask("select * exclude (ds) from models order by name, standing, sha256")
        return [row | {"difference": _difference(row), "verdict": _verdict(row)} for row in rows]

    def compared(self) -> list[Row]:
        """Return for each model with several rivals all methods that were compared, by slice and metric; best first."""
        if not self._has("compared"):
            return []
        found: dict[str, Row] = {}
        rows = self._ask(
            f"select * exclude (ds) from compared where metric not in {HIDDEN} and value is not null "
            "order by name, slice, metric, value desc"
        )
        for row in rows:
            model = found.setdefault(row["name"], {"name": row["name"], "figures": [], "methods": {}})
            key = (row["slice"], row["metric"])
            model["figures"] += [key] if key not in model["figures"] else []
            model["methods"].setdefault(row["method"], {})[key] = row
        return [model for model in found.values() if len(model["methods"]) > 2]

    def reliability(self) -> list[Row]:
        """Return for each champion what it foretold and what came, tenth by tenth; ``amounts``: no probabilities."""
        if not self._has("reliability"):
            return []
        return self._ask(
            "select name, list(predicted order by bin) as predicted, list(observed order by bin) as observed, "
            "sum(abs(predicted - observed) * rows) / sum(rows) as ece, max(predicted) > 1 as amounts "
            "from reliability group by name order by name"
        )

    def offers(self) -> Row:
        """Return the offers by kind and source."""
        rows = self._ask(
            "select offer_kind, candidate_source, count(*) as offers, count(*) filter (where rank = 1) as first, "
            "count(*) filter (where is_discovery) as discoveries, avg(propensity) as propensity, "
            "avg(expected_value) as expected_value from offers group by all "
            "order by offer_kind, offers desc, candidate_source"
        )
        return {
            "rows": rows,
            "by_kind": self._pairs("select offer_kind, count(*) from offers group by 1 order by 2 desc, 1"),
            "by_source": self._pairs("select candidate_source, count(*) from offers group by 1 order by 2 desc, 1"),
        }

    def examples(self) -> list[Row]:
        """Return some customers, always the same ones, with their offers by rank."""
        wanted = " or ".join(f"(what = '{what}' and place <= {size})" for what, size in EXAMPLES.items())
        rows = self._ask(
            "with kinds as (select customer_id, segment_name, churn_band, case when is_cold then 'cold' when "
            "customer_id in (select customer_id from offers where offer_kind = 'coupon') then 'with a coupon' "
            "else 'regular' end as what from customers where treatment = 'treated' and contactable), "
            "placed as (select *, row_number() over (partition by what order by md5(customer_id), customer_id) "
            f"as place from kinds) select * from placed join offers using (customer_id) where {wanted} "
            "order by what desc, place, rank"
        )
        found: dict[str, Row] = {}
        for row in rows:
            kept = {key: row[key] for key in ("customer_id", "segment_name", "churn_band", "what")}
            found.setdefault(row["customer_id"], kept | {"offers": []})["offers"].append(row)
        return list(found.values())

    def outcomes(self) -> list[Row]:
        """Return what earlier nights' offers brought, the newest night first, methods beside each other.

        What was expected of them is told by :func:`jobs.report.expectation_figures.foreseen_figures`.
        """
        if not self._has("outcomes"):
            return []
        nights: dict[date, dict[tuple[str, str, str], Row]] = {}
        rows = self._ask("select * from outcomes order by offers_of desc, offer_kind desc, metric, slice, method")
        for row in (each for each in rows if each["metric"] not in FORESEEN):
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

    def stages(self) -> list[Row]:
        """Return seconds, processor seconds and peak memory of each stage that is published."""
        found = ((stage, self.lake.manifest(stage, self.day)) for stage in Stage)
        return [
            {
                "stage": str(stage),
                "seconds": manifest.seconds,
                "cpu_seconds": manifest.cpu_seconds,
                "peak_mb": manifest.peak_mb,
            }
            for stage, manifest in found
            if manifest is not None and stage is not Stage.REPORT
        ]

    def _ask(self, query: str) -> list[Row]:
        rows: list[Row] = self._engine.sql(query).to_arrow_table().to_pylist()
        return rows

    def _pairs(self, query: str) -> list[tuple[Any, int]]:
        return [(row[0], int(row[1])) for row in self._engine.sql(query).fetchall()]

    def _has(self, view: str) -> bool:
        return view in {row[0] for row in self._engine.execute("select view_name from duckdb_views()").fetchall()}


def sort_methods(names: Iterable[str]) -> list[str]:
    """Return method names once each, our own first, then the baselines."""
    return sorted(set(names), key=lambda name: (METHODS.index(name) if name in METHODS else len(METHODS), name))


def _verdict(row: Row) -> str:
    """Say what a paired 95 % interval of the difference to the baseline allows to say."""
    low, high = row["low"], row["high"]
    if low is None or high is None or math.isnan(low) or math.isnan(high):
        return UNCOMPARED[0] if row["standing"] == "champion" else UNCOMPARED[1]
    if low > 0:
        return "beats its baseline"
    return "does not beat its baseline" if high >= 0 else "is worse than its baseline"


def _difference(row: Row) -> float | None:
    value, baseline = row["value"], row["baseline_value"]
    return None if value is None or baseline is None else value - baseline


def _round_step(raw: float) -> float:
    """Return 1, 2 or 5 times a power of ten, at least ``raw``."""
    if raw <= 0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(raw))
    return next(step * power for step in (1, 2, 5, 10) if step * power >= raw * 0.999)
