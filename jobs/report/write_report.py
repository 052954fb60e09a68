"""Report: self-contained pages about the night, readable on a phone and without a network.

The first page is for marketers and managers; customers, outcomes, models and data have pages of their own.
"""

from __future__ import annotations

import logging
import math
import os
import re
from datetime import date
from pathlib import Path
from typing import Any

import jinja2

from conf.settings.schema import Settings
from jobs.database import database
from jobs.inputs.newest_study import newest_study
from jobs.lake.delivery import link_newest, new_file
from jobs.lake.facts import SegmentsFacts, ValidateFacts
from jobs.lake.lake import Draft, Lake
from jobs.lake.manifest import Manifest
from jobs.lake.night import publish
from jobs.lake.reads import settings_of
from jobs.report import plots, segment_plots
from jobs.report.customer_figures import churn, named, propensities, recency, segments, spend, survival, value
from jobs.report.expectation_figures import expectation_figures
from jobs.report.item_figures import item_figures
from jobs.report.list_figures import list_figures
from jobs.report.model_figures import (
    UNCOMPARED,
    compared,
    kpi_rules,
    models,
    reliability,
    score_spread,
    treatment_effects,
)
from jobs.report.night_figures import checks, stages, totals
from jobs.report.night_tables import NightTables
from jobs.report.offer_figures import examples, offers, outcomes
from jobs.report.segment_figures import map_of, segment_figures
from jobs.report.tonight_figures import tonight
from jobs.stages import Stage
from jobs.tables.outcomes import OUTCOMES

log = logging.getLogger(__name__)
_HEADS = re.compile(r"<th[^>]*>(.*?)</th>", re.DOTALL)
_CELLS = re.compile(r"<td\b")
#: file -> name; the first one is what people open
PAGES = {
    "index.html": "Tonight",
    "customers.html": "Customers and segments",
    "outcomes.html": "What offers brought",
    "models.html": "Models",
    "data.html": "Data and run",
}
#: what the pages are made from
SOURCES = tuple(stage for stage in Stage if stage is not Stage.REPORT)


def run(settings: Settings, day: date, force: bool = False) -> Manifest:
    """Write ``{home}/reports/<day>/index.html`` and bring the night's measured outcomes to the database.

    Raises:
        DataError: the night is not scored.
        TransientError: the database cannot be reached or is locked.
        NboError: the disk refuses to write.
    """
    settings = settings_of(Stage.REPORT, settings)
    lake = Lake(settings.lake)
    lake.need(Stage.SCORE, day)
    manifests = {stage: lake.manifest(stage, day) for stage in SOURCES}
    inputs = {str(stage): manifest.version for stage, manifest in manifests.items() if manifest}
    reports = Path(settings.home, "reports")
    index = reports / str(day) / "index.html"

    def build(draft: Draft) -> None:
        if lake.has(OUTCOMES, day):
            database.replace(settings.database, day, {"offer_outcomes": lake.dataset(OUTCOMES, day)})
        pages = render(settings, NightTables(settings, lake, day))
        for name, page in reversed(pages.items()):  # the first page last: it links to the others
            new_file(index.with_name(name), page)
        link_newest(reports)
        draft.facts = {"report": str(index), "bytes": sum(len(page.encode()) for page in pages.values())}
        log.info("report %s: %s", day, index)

    def still_there(manifest: Manifest) -> bool:
        measured = lake.version(OUTCOMES, day).rows if lake.has(OUTCOMES, day) else 0
        whole = all(index.with_name(name).exists() for name in PAGES)
        return whole and database.count(settings.database, "offer_outcomes", ds=day) == measured

    return publish(settings, Stage.REPORT, day, inputs, build, force, still_there)


def render(settings: Settings, night: NightTables) -> dict[str, str]:
    """Return file -> page as HTML; every text from the data is escaped."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters |= FILTERS
    figures: dict[str, Any] = {
        "totals": totals(night),
        "checks": checks(night),
        "churn": churn(night),
        "named": named(night),
        "survival": survival(night),
        "value": value(night),
        "items": item_figures(night.lake, night.day),
        "propensities": propensities(night),
        "kpi_rules": kpi_rules(night),
        "effects": treatment_effects(night),
        "segments": segments(night),
        "audiences": segment_figures(night),
        "models": models(night),
        "score_spread": score_spread(night),
        "compared": compared(night),
        "architectures": newest_study(night.lake, night.day),
        "lists": list_figures(night.lake, night.day),
        "reliability": reliability(night),
        "offers": offers(night),
        "examples": examples(night),
        "outcomes": outcomes(night),
        "expectations": expectation_figures(night.lake, night.day),
        "stages": stages(night),
    }
    given = {
        "day": night.day,
        "settings": settings,
        "source": settings.source,
        "scores": night.lake.need(Stage.SCORE, night.day),
        "tonight": tonight(night, figures["outcomes"], figures["expectations"]),
        "headline": _headline(figures["models"]),
        "peak": max((row["peak_mb"] for row in figures["stages"]), default=0),
        "assumptions": assumptions(settings),
        "links": _links(settings, night),
        "plots": {name: jinja2.utils.markupsafe.Markup(text) for name, text in _plots(night, figures).items()},
        "pages": PAGES,
    }
    return {
        name: labelled(environment.get_template(f"{name}.j2").render(**given, **figures, page=name)) for name in PAGES
    }


def labelled(page: str) -> str:
    """Return the page with every cell's column name as ``data-label``: a phone shows a table as a list of them."""

    def table(match: re.Match[str]) -> str:
        first, *rows = re.split(r"(?=<tr\b)", match.group(0))[1:]
        names = [re.sub(r"<[^>]*>", " ", cell).replace('"', "&quot;").split() for cell in _HEADS.findall(first)]
        labels = [" ".join(words) for words in names]
        return "<table>" + first.replace("<tr>", '<tr class="heads">', 1) + "".join(_row(row, labels) for row in rows)

    return re.sub(r"<table>.*?</table>", table, page, flags=re.DOTALL)


def _row(row: str, labels: list[str]) -> str:
    """Add labels to the cells of a row that has one for every column."""
    cells = _CELLS.split(row)
    if len(cells) - 1 != len(labels) or "colspan" in row:
        return row
    return cells[0] + "".join(
        f'<td data-label="{label}"{cell}' if label else f"<td{cell}"
        for label, cell in zip(labels, cells[1:], strict=True)
    )


def assumptions(settings: Settings) -> list[str]:
    """Return the night's assumptions as sentences."""
    types, coupons, consent = settings.offers.product_types, settings.offers.coupons, settings.source.consent
    silence = f"The source records no consent; it is taken as {consent.assume}: {consent.why}."
    policy, currency = settings.policy, settings.source.currency
    return [
        f"Margins are assumed: {types.margin:.0%} of the spend on product types, {coupons.margin:.0%} on coupons.",
        f"Making a product-type offer is assumed to cost {types.cost:.2f} {currency}; a coupon whose discount the "
        f"source does not know is assumed to take off {coupons.discount:.2f} {currency}.",
        "Expected values rest on these figures and compare offers; they are no forecast of profit. How close they "
        "come to what customers buy afterwards is measured above, by the same figures.",
        "Consent comes from the source; silence means refused." if consent.recorded else silence,
        f"No coupon takes off more than {settings.offers.ceiling_share:.0%} of the margin assumed on what the customer "
        "is expected to spend.",
        f"{policy.control_share:.0%} of the customers are never contacted (control group, by a hash of the customer).",
        f"At most {policy.max_contacts} contacts in {policy.contact_window_days} days; the same offer not again "
        f"within {policy.repeat_days} days.",
    ]


def _headline(models: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return one row per model name: the champion where there is one."""
    chosen: dict[str, dict[str, Any]] = {}
    for row in models:
        if row["name"] not in chosen or row["standing"] == "champion":
            chosen[row["name"]] = row
    return list(chosen.values())


def _precision_curves(propensities: list[dict[str, Any]]) -> dict[str, list[tuple[float, float]]]:
    """Return every label's curve: precision, and the share of customers that are named at it."""
    start, curves = "coverage_at_precision_", {}
    for row in propensities:
        metrics = row["metrics"]
        points = sorted((float(name.removeprefix(start)), metrics[name]) for name in metrics if name.startswith(start))
        if len(points) > 1:
            curves[row["title"]] = points
    return curves


def _plots(night: NightTables, figures: dict[str, Any]) -> dict[str, str]:
    quarantined = [
        (f"{r['table_name']}: {r['check_name']}"[:34], r["rows_failed"]) for r in figures["checks"]["quarantined"]
    ]
    compared = [m for m in figures["models"] if m["verdict"] not in UNCOMPARED]
    stages = figures["stages"]
    return {
        "quarantined": plots.bars(quarantined[:12], "Rows quarantined by rule") if quarantined else "",
        "recency": plots.columns(recency(night), "days since the last basket"),
        "spend": plots.columns(spend(night), f"spend in 84 days ({night.settings.source.currency})"),
        "segments": plots.bars([(r["segment_name"], r["customers"]) for r in figures["segments"]], "Customers"),
        "segment_map": segment_plots.bubbles(map_of(night), "baskets in 84 days", "spend a basket"),
        "precision": plots.precision_curves(_precision_curves(figures["propensities"])),
        "look_alikes": segment_plots.reach_curves(figures["audiences"]["curves"]),
        "models": plots.intervals(
            [
                (words(m["name"]), *(100 * m[end] / abs(m["baseline_value"]) for end in ("difference", "low", "high")))
                for m in compared
                if m["baseline_value"]
            ],
            "Gain over the baseline, %",
        )
        if compared
        else "",
        "kinds": plots.bars([(words(n), v) for n, v in figures["offers"]["by_kind"]], "Offers by kind"),
        "sources": plots.bars([(words(n), v) for n, v in figures["offers"]["by_source"]], "Offers by source"),
        "outcomes": _outcome_plot(figures["outcomes"]),
        "seconds": plots.bars([(r["stage"], r["seconds"]) for r in stages], "Seconds", "{:,.1f}"),
        "memory": plots.bars([(r["stage"], r["peak_mb"]) for r in stages], "Peak memory, MB"),
    }


def _outcome_plot(outcomes: list[dict[str, Any]]) -> str:
    """Draw the hit rates of the newest measured night, by method."""
    if not outcomes:
        return ""
    newest = outcomes[0]
    rows = [r for r in newest["rows"] if r["metric"].startswith("hit_rate@5") and len(r["methods"]) > 1]
    if not rows:
        return ""
    series = [
        (method(name), [r["methods"][name]["value"] if name in r["methods"] else None for r in rows])
        for name in newest["methods"]
    ]
    return plots.groups([f"{words(r['kind'])}\n{r['slice']}" for r in rows], series, "Hit rate of the top 5")


def _links(settings: Settings, night: NightTables) -> list[dict[str, str | None]]:
    """Return the files that belong to the night, by paths relative to the page."""
    home, folder = Path(settings.home), Path(settings.home, "reports", str(night.day))

    def link(text: str, path: Path, more: str = "") -> dict[str, str | None]:
        return {"text": text, "href": os.path.relpath(path, folder) if path.exists() else None, "more": more}

    clean = night.lake.need(Stage.VALIDATE, night.day)
    links = [link("Data Docs: every check", home / ValidateFacts.of(clean).data_docs)]
    segments = night.lake.manifest(Stage.SEGMENTS, night.day)
    for file in SegmentsFacts.of(segments).files:
        held = "; ".join(f"{size:,} held back: {why}" for why, size in file["suppressed"].items())
        path = home / "outbox" / str(night.day) / file["file"]
        links.append(
            link(f"Segment file: {file['title']}", path, f"{file['rows']:,} customers" + (f"; {held}" if held else ""))
        )
    links.append({"text": "Scores", "href": None, "more": database.describe(settings.database)})
    links.append({"text": "Models and their training", "href": None, "more": "MLflow: make mlflow"})
    return links


def words(name: str) -> str:
    """Return ``offer_ranker`` as ``offer ranker``, ``als`` as ``ALS``."""
    return "ALS" if name == "als" else name.replace("_", " ")


def method(name: str) -> str:
    """Return the name of a measured method for readers."""
    return "our offers" if name == "nbo" else words(name)


def _number(form: str) -> Any:
    def show(value: float | None) -> str:
        return "–" if value is None or math.isnan(value) else form.format(value)

    return show


FILTERS = {
    "count": _number("{:,.0f}"),
    "figure": _number("{:.3f}"),
    "signed": _number("{:+.3f}"),
    "share": _number("{:.1%}"),
    "money": _number("{:,.2f}"),
    "change": _number("{:+,.0f}"),
    "seconds": _number("{:,.0f} s"),
    "words": words,
    "method": method,
}
