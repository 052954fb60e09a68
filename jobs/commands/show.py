"""What people ask of a night: where its results are, its key figures, and a customer's offers with their reasons."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from conf.errors import ConfigError
from conf.settings.schema import Settings
from jobs.database import database
from jobs.lake.facts import ValidateFacts
from jobs.lake.lake import Lake
from jobs.report.model_figures import models
from jobs.report.night_figures import totals
from jobs.report.night_tables import NightTables, Row
from jobs.report.offer_figures import examples, outcomes
from jobs.stages import Stage

WIDTH = 100


def command(settings: Settings, args: argparse.Namespace) -> int:
    """Run ``nbo show`` or ``nbo offers``.

    Raises:
        ConfigError: there is no such customer.
        DataError: the night is not scored or not published.
    """
    console = Console(width=WIDTH, highlight=False)
    if args.command == "offers":
        show_offers(console, settings, args.customer, args.ds)
    else:
        show_night(console, settings, args.ds)
    return 0


def show_night(console: Console, settings: Settings, day: date) -> None:
    """Print where the results of ``day`` are, its figures next to their baselines, and five customers' offers."""
    night = NightTables(settings, Lake(settings.lake), day)
    counts = totals(night)
    console.print(f"\n[bold]Night {day}[/bold], {escape(settings.source.title)}")
    console.print(
        f"{counts['customers']:,} customers scored, {counts['offers']:,} offers "
        f"({counts['coupons']:,} coupons), {counts['contactable']:,} customers may be contacted, "
        f"{counts['control']:,} in the control group"
    )
    console.print("\n[bold]Where it is[/bold]")
    for name, place in places(settings, night).items():
        console.print(f"  {name:<14}{escape(place)}", soft_wrap=True)
    _print_models(console, models(night))
    _print_outcomes(console, outcomes(night))
    console.print("\n[bold]Some customers and their offers[/bold]  (any other: nbo offers CUSTOMER)")
    for who in examples(night):
        about = ", ".join([who["segment_name"], *([f"churn {who['churn_band']}"] if who["churn_band"] else [])])
        console.print(f"\nCustomer [bold]{escape(who['customer_id'])}[/bold]  {escape(about)}")
        console.print(_offers(who["offers"]))


def show_offers(console: Console, settings: Settings, customer: str, day: date | None) -> None:
    """Print the published offers of one customer.

    Raises:
        ConfigError: that night has no such customer.
        DataError: no night is published, or not that one.
    """
    day = database.published_night(settings.database, day)
    scores = database.rows(settings.database, "customer_scores", ds=day, customer_id=customer)
    if not scores:
        raise ConfigError(f"there is no customer {customer!r} on the night {day}; look the key up in the CRM")
    (score,) = scores
    console.print(f"\nCustomer [bold]{escape(customer)}[/bold] on the night {day}: {escape(score['segment_name'])}")
    if score["churn_probability"] is not None:
        reasons = f" ({score['churn_reasons']})" if score["churn_reasons"] else ""
        console.print(escape(f"churn {score['churn_probability']:.1%}, {score['churn_band']}{reasons}"))
    if score["spend_low"] is not None:
        reasons = f" ({score['value_reasons']})" if score["value_reasons"] else ""
        interval = f"{score['spend_low']:,.2f} to {score['spend_high']:,.2f}"
        expected = f"class {score['value_class']}, {score['expected_spend']:,.2f} expected, {interval}"
        console.print(escape(f"value {expected}{reasons}; a coupon may cost {score['offer_ceiling']:,.2f}"))
    contact = "may be contacted" if score["contactable"] else f"may not be contacted: {score['blocked_by']}"
    if score["treatment"] == "control":
        contact = "in the control group, never contacted"
    console.print(escape(contact))
    console.print(_offers(database.rows(settings.database, "next_best_offer", ds=day, customer_id=customer)))


def places(settings: Settings, night: NightTables) -> dict[str, str]:
    """Return where the night's results are; no password is among them."""
    home = Path(settings.home)
    clean = night.lake.need(Stage.VALIDATE, night.day)
    return {
        "Scores": f"{database.describe(settings.database)}, views current_next_best_offer, ...",
        "Segment files": f"{home / 'outbox' / str(night.day)}/",
        "Report": str(home / "reports" / str(night.day) / "index.html"),
        "Data Docs": str(home / ValidateFacts.of(clean).data_docs),
        "MLflow": f"{_masked(settings.mlflow)} (make mlflow)",
    }


def _print_models(console: Console, rows: Sequence[Row]) -> None:
    table = _table("model", "standing", "metric", ">value", "baseline", ">its value", "verdict (95 %)")
    for row in rows:
        values = [_words(row[name]) for name in ("name", "standing", "metric")]
        values += [_figure(row["value"]), _words(row["baseline"])]
        table.add_row(*map(escape, [*values, _figure(row["baseline_value"]), row["verdict"]]))
    console.print("\n[bold]Models against their baselines[/bold], on held-out time")
    console.print(table)


def _print_outcomes(console: Console, nights: Sequence[dict[str, Any]]) -> None:
    if not nights:
        console.print("\nNo published night lies far enough back to be measured.")
        return
    newest = nights[0]
    note = "; replay: no lift is claimed" if newest["is_replay"] else ""
    table = _table("offers", "slice", "metric", *(f">{_words(name)}" for name in newest["methods"]))
    for row in newest["rows"]:
        cells = [_figure(row["methods"][name]["value"]) if name in row["methods"] else "" for name in newest["methods"]]
        table.add_row(*map(escape, [_words(row["kind"]), row["slice"], row["metric"], *cells]))
    console.print(f"\n[bold]What the offers of {newest['offers_of']} brought[/bold]{note}")
    console.print(table)


def _offers(offers: Sequence[Row]) -> Table:
    table = _table(">", "offer", ">likely", ">value", "why")
    for row in offers:
        title = row["offer_title"] + (" (new)" if row["is_discovery"] else "")
        value = "" if row["expected_value"] is None else f"{row['expected_value']:.2f}"
        table.add_row(*map(escape, [str(row["rank"]), title, f"{row['propensity']:.1%}", value, row["reason"]]))
    return table


def _table(*names: str) -> Table:
    """Return an empty table; a name that starts with > is a column of numbers."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for name in names:
        table.add_column(name.lstrip(">"), justify="right" if name.startswith(">") else "left", overflow="fold")
    return table


def _words(name: str) -> str:
    return name.replace("_", " ")


def _figure(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"


def _masked(uri: str) -> str:
    try:
        return sa.make_url(uri).render_as_string(hide_password=True)
    except sa.exc.ArgumentError:
        return uri
